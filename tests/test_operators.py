"""Every operator, aggregate and function does what its own examples say."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import pytest

from rlm_dsl.operators.operator import Example
from rlm_dsl.operators.registry import aggregates, functions, table_operators
from rlm_dsl.request import Answer, Request
from tests.small import answer

EXAMPLES = [
    pytest.param(example, id=f"{name}-{index}")
    for name, entry in [*table_operators().items(), *aggregates().items()]
    for index, example in enumerate(entry.examples)
]
FORMULAS = [
    pytest.param(formula, gives, id=formula)
    for function in functions().values()
    for formula, gives in function.examples
]


class Told:
    """A model that says what an example says it says."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        self.answers = answers

    async def answer(self, request: Request) -> Answer:
        return Answer(json.dumps(self.answers[request.messages[-1].content]))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_operator_gives_what_its_example_says(example: Example) -> None:
    contexts = {"t": example.given, **({"other": example.other} if example.other else {})}
    found = answer(f"answer {example.program}", contexts, Told(example.answers or {}))
    assert as_json(found) == example.gives


@pytest.mark.parametrize(("formula", "gives"), FORMULAS)
def test_a_function_gives_what_its_example_says(formula: str, gives: Any) -> None:
    found = answer(f"answer {formula}", {"t": {"n": [1]}})
    assert as_json(found) == gives and type(as_json(found)) is type(gives)


@pytest.mark.parametrize("entry", [*table_operators().values(), *functions().values()], ids=lambda e: e.name)
def test_everything_has_a_manual_and_an_example(entry: Any) -> None:
    assert entry.summary and entry.examples


def as_json(value: Any) -> Any:
    match value:
        case datetime.date():
            return value.isoformat()
        case list() | tuple():
            return [as_json(item) for item in value]
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case _:
            return value
