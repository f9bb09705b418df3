"""Every operator, aggregate and function does what its own examples say."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.common.exact import spelled
from rlm_dsl.integrations.editor.completion import complete
from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.operators.core.registry import aggregates, entries, functions, table_operators
from rlm_dsl.language.reference.card import card
from rlm_dsl.language.reference.manual import manual_of
from rlm_dsl.language.reference.pages import parts
from rlm_dsl.models.request import Answer, Request
from tests.support.small import answer

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


NEW = '''"""`every`: each nth row."""

from rlm_dsl.language.operators.core.kinds import Constant
from rlm_dsl.language.operators.core.operator import Example, Operator, same_table
from rlm_dsl.language.operators.core.parameters import Parameter
from rlm_dsl.language.sql import sql
from rlm_dsl.language.types import INT


def lower(lowering):
    return sql(
        'SELECT * FROM {t} QUALIFY (row_number() OVER (ORDER BY "#ord")) % {n} = 0',
        t=lowering.t.sql,
        n=lowering.value("n"),
    )


every = Operator(
    name="every",
    summary="each nth row",
    parameters=(Parameter("n", Constant(INT)),),
    result=same_table,
    lower=lower,
    examples=(Example("t | every(2)", {"x": [1, 2, 3, 4]}, [[2], [4]]),),
)
'''


def caches() -> list[Any]:
    return [entries, table_operators, aggregates, functions, card]


def test_adding_an_operator_is_adding_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checker, compiler, card, reference, completion and manual know it at once."""
    from rlm_dsl.language import operators

    (tmp_path / "every.py").write_text(NEW)
    monkeypatch.setattr(operators, "__path__", [*operators.__path__, str(tmp_path)])
    for cached in caches():
        cached.cache_clear()
    try:
        assert as_json(answer("answer t | every(2)", {"t": {"x": [1, 2, 3, 4]}})) == [[2], [4]]
        with pytest.raises(ProgramError, match="`every` needs n"):
            answer("answer t | every()", {"t": {"x": [1]}})
        with pytest.raises(ProgramError, match="did you mean `every`"):
            answer("answer t | evry(2)", {"t": {"x": [1]}})
        assert "\nevery(n): each nth row\n" in card("small")
        assert "### `every`" in parts()["operators"]
        typed = "context t: table(x: int)\nshow t | ev"
        assert "every" in [candidate.text for candidate in complete(typed, len(typed)).candidates]
        assert manual_of(table_operators()["every"]).summary == "Each nth row."
    finally:
        sys.modules.pop("rlm_dsl.language.operators.every", None)
        for cached in caches():
            cached.cache_clear()


def as_json(value: Any) -> Any:
    match value:
        case datetime.date():
            return value.isoformat()
        case Decimal():
            return spelled(value)
        case list() | tuple():
            return [as_json(item) for item in value]
        case dict():
            return {key: as_json(item) for key, item in value.items()}
        case _:
            return value
