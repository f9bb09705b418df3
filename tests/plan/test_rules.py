"""Rules keep answers: whatever is rewritten, a program gives the same and asks no more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.common.source import Source
from rlm_dsl.engine.execution import assemble_answer, part_of
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.plan import build as building
from rlm_dsl.plan.build import build
from tests.support.small import calls_of, loaded

TABLE: dict[str, list[Any]] = {
    "id": list(range(1, 13)),
    "who": ["ann", "bo", "ann", None, "cy", "bo", "ann", "", "cy", "bo", None, "ann"],
    "body": ["red", "blue", None, "red", "green", "blue x", "red 2", "", "green", "red", "blue", "x"],
}
OTHER: dict[str, list[Any]] = {"who": ["ann", "cy"], "id": [3, 9]}


class Judge:
    """Answers every kind of question by the text alone, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, request: Request) -> Answer:
        shown = request.messages[-1].content
        self.asked.append(shown)
        said = {"label": "r" if "r" in shown else "o", "long": len(shown), "holds": "e" in shown, "result": "all"}
        assert request.schema is not None
        return Answer(json.dumps({name: said[name] for name in request.schema["properties"]}))


def outcome(program: str, *, rules: bool) -> tuple[Any, list[str], int]:
    """The answer, what was asked in sorted order, and how many rewrites there were."""
    source, judge = Source("p", program), Judge()
    with Warehouse(threads=1) as warehouse:
        types = {"t": loaded(warehouse, "t", TABLE), "u": loaded(warehouse, "u", OTHER)}
        checked = check_program(parse(source), source, Environment(types))
        plan = build(checked.statements, warehouse.contexts, {})
        if not rules:
            unchanged = pytest.MonkeyPatch()
            with unchanged.context() as patch:
                patch.setattr(building, "rewritten", lambda statements, targets: (tuple(statements), ()))
                plan = build(checked.statements, warehouse.contexts, {})
        Runner(warehouse, calls_of(judge), NoProgress()).run(plan)
        value = assemble_answer([part_of(leaf, plan, warehouse) for leaf in plan.targets[-1].leaves])
    return value, sorted(judge.asked), len(plan.rewrites)


ASKING = st.sampled_from(
    [
        'classify(on=body, labels=["r", "o"], into=k{n}, on_error="null")',
        'ask("How long?", on=body, returns={{long{n}: int}})'.replace("long{n}", "long"),
        'keep("Is it good?", on=body)',
        'keep("Is it good?", on=[body, who])',
    ]
)
CHOOSING = st.sampled_from(
    [
        'where(who == "ann")',
        "where(id > 4 and body is not null)",
        'where(who != "bo" or body is null)',
        "where(id in [1, 2, 3, 5, 8])",
        'where(k0 == "r")',
        'where(k1 == "o" or id < 5)',
        "where(long > 3)",
        'grep(r"e", on=body)',
        'grep(r"e", on=body, invert=true)',
        'grep(r"e", on=body, before=1)',
        "take(5)",
        "take(3, skip=2)",
        "take(1, by=who)",
        "take(1, by=k0)",
        "sample(4, seed=3)",
        "sample(1, by=who)",
        "distinct(who)",
        "distinct(k0)",
        "distinct()",
        "join(u, on=who, how=\"semi\")",
        "join(u, on=left.id == right.id, how=\"anti\")",
        "join(u, on=who)",
        "sort(-id)",
        "derive(z{n}=id + 1)",
        "where(id < count(u) + 9)",
    ]
)  # fmt: skip


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A pipeline of steps that ask and steps that choose, with a name here and there, some of them used twice."""
    lines, at = [], "t"
    for number in range(draw(st.integers(1, 6))):
        step = draw(st.one_of(ASKING, CHOOSING)).replace("{n}", str(number)).replace("{{", "{").replace("}}", "}")
        if draw(st.booleans()):
            lines.append(f"s{number} = {at} | {step}")
            at = f"s{number}"
        else:
            at = f"{at} | {step}"
    seen = draw(st.sampled_from(["", "", "", "s0", "s1", "s2"]))
    if seen and any(line.startswith(f"{seen} =") for line in lines):
        lines.append(f"show {seen} | take(2)")
    return "\n".join([*lines, f"answer {draw(st.sampled_from(['', 'count']))}({at})".replace("answer (", "answer (")])


def holds(program: str) -> int:
    try:
        value, asked, rewrites = outcome(program, rules=True)
    except ProgramError:
        assume(False)
    plain, all_asked, _ = outcome(program, rules=False)
    assert value == plain, program
    assert set(asked) <= set(all_asked), program
    return rewrites


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_rules_keep_answers(program: str) -> None:
    holds(program)


@pytest.mark.proof
@settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_rules_keep_answers_of_many_programs(program: str) -> None:
    holds(program)


CLASSIFIED = 't | classify(on=body, labels=["r", "o"], into=k)'


@pytest.mark.parametrize(
    ("program", "asked"),
    [
        (f'answer {CLASSIFIED} | where(who == "cy")', 1),
        (f'a = {CLASSIFIED}\nb = a | where(id > 10) | keep("good", on=body) | take(9)\nanswer b | count()', 4),
        (f"a = {CLASSIFIED}\nanswer a | take(2)", 2),
        (f'a = {CLASSIFIED}\nshow a | count()\nanswer a | where(who == "cy")', 7),
        (f'answer {CLASSIFIED} | where(k == "r")', 7),
        ("answer t | reduce(\"sum up\", on=body, by=who) | where(who == 'cy')", 5),
    ],
)
def test_only_rows_that_are_wanted_are_asked_about(program: str, asked: int) -> None:
    assert len(outcome(program, rules=True)[1]) == asked
