"""Contexts in parts against contexts in one place: the same rows, places, counts and digests, whatever is cut where.

In: random tables and programs, and those of the corpus. Out: agreement, or both answers. Law: where a context's rows
lie changes nothing that is answered, recorded or told of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse, context_rows
from rlm_dsl.engine.warehouse.origins import count_origins, find_origins, find_places
from rlm_dsl.language.operators.core import provenance
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import Literal
from rlm_dsl.language.types import INT
from rlm_dsl.plan.stages import QueryStage
from rlm_dsl.plan.where import where_lines
from tests.engine.test_naive import TABLES, VALUES, operators_agree, samples_agree, values_agree
from tests.engine.test_programs import StandIn
from tests.support.parted import PartedEngine, parted
from tests.support.small import calls_of, loaded, planned

ANY = defaultdict(lambda: Literal(0, INT), how="semi", all=True)
"""Arguments of whatever operator."""
HERE = ("describe", "group", "number", "sort", "union")
"""Operators whose rows meet: a few of them, of which less than the whole table is sent, or all of it."""
CUT = [name for name in TABLES if name in HERE or table_operators()[name].over_parts(ANY)]


@pytest.fixture(scope="module")
def engine() -> Iterator[PartedEngine]:
    with parted() as warehouse:
        yield PartedEngine(warehouse)


@pytest.mark.parametrize("operator", CUT)
def test_an_operator_over_parts_is_what_its_twin_is(engine: PartedEngine, operator: str) -> None:
    operators_agree(engine, operator, 1)


@pytest.mark.proof
@pytest.mark.parametrize("operator", TABLES)
def test_an_operator_over_parts_is_what_its_twin_is_many_times(engine: PartedEngine, operator: str) -> None:
    operators_agree(engine, operator, 200)


@pytest.mark.parametrize("operator", ["avg", "count", "first", "sum"])
def test_a_value_over_parts_is_what_its_twin_is(engine: PartedEngine, operator: str) -> None:
    values_agree(engine, operator, 1)


@pytest.mark.proof
@pytest.mark.parametrize("operator", VALUES)
def test_a_value_over_parts_is_what_its_twin_is_many_times(engine: PartedEngine, operator: str) -> None:
    values_agree(engine, operator, 60)


def test_a_sample_over_parts_is_a_sample(engine: PartedEngine) -> None:
    samples_agree(engine, 3)


ROWS = {
    "k": [f"k{n % 3}" for n in range(40)],
    "n": [n * 7 % 31 if n % 5 else None for n in range(40)],
    "x": [n / 3 for n in range(40)],
    "text": [f"row {n} of {n % 4}" for n in range(40)],
}
PROGRAMS = [
    "answer t | count()",
    "answer t | where(n > 9) | group(by=k, c=count(), s=sum(n), m=max(n), a=avg(n), i=count_if(n > 20))",
    "answer t | group(by=k, s=sum(x))",
    "answer t | group(s=sum(n), a=avg(n), low=min(text))",
    'answer t | derive(w=split(text, " ")) | explode(w) | group(by=w, c=count()) | sort(-c, w) | take(3)',
    "answer t | sort(-n, k) | take(4, skip=2)",
    "answer t | sample(6, seed=3)",
    'answer t | derive(w=split(text, " ")) | explode(w) | sample(6)',
    "m = t | avg(n)\nanswer t | where(n > m) | take(3)",
    "g = t | group(by=k, c=count())\nanswer t | where(n > 9) | join(g, on=k) | where(c > 2) | sort(n) | take(5)",
    "a = t | where(n > 9)\nanswer {whole: a | count(), first: a | first(text), a: a | take(2)}",
    "answer {here: t | last(text), all: t}",
    "show t | take(2)\nanswer t | distinct(k)",
    'answer t | where(n > 25) | classify(labels=["row", "of"]) | group(by=label, c=count())',
    'answer t | keep("has a 3") | take(2)',
    'answer t | where(n > 25) | classify(labels=["row", "of"]) | join(t, on=left.n == right.n)',
    "answer t | take(2) | union(t | sort(-n) | take(1))",
    "answer t | sort(-n) | take(3) | union(t)",
    "answer t | where(n > 9) | join(t | where(n > 20) | select(n, m=x), on=n) | take(4)",
    'answer t | sort(-n) | grep("3") | take(2)',
    "n = t | count()\nanswer t | group(by=k, c=count()) | derive(share=c / n)",
]


@pytest.mark.parametrize("vast", [False, True], ids=["few", "vast"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_is_recorded_of_a_run_over_parts_is_what_is_recorded_of_one(
    program: str, vast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `vast`, groups keep the first place of many: they are made of the groups of the parts."""
    if vast:
        monkeypatch.setattr(context_rows, "VAST", 10)
        monkeypatch.setattr(provenance, "MOST_PLACES", 15)
        monkeypatch.setattr("rlm_dsl.engine.shards.sharded_stage.MOST_PLACES", 15)
    with Warehouse(1) as whole, parted() as cut:
        found = [recorded(warehouse, program) for warehouse in (whole, cut)]
    assert found[0] == found[1]


def recorded(warehouse: Warehouse, program: str) -> Any:
    """The records of the steps, digests among them, and every table with all its columns."""
    plan = planned(program, {"t": loaded(warehouse, "t", ROWS)}, warehouse)
    records = Runner(warehouse, calls_of(StandIn()), NoProgress()).run(plan)
    made = [stage.relation for stage in plan.stages if isinstance(stage, QueryStage) and stage.relation is not None]
    rests_on = [
        (count_origins(warehouse, relation, leaf.chosen), find_origins(warehouse, relation, leaf.chosen, 5))
        for target in plan.targets
        for leaf in target.leaves
        for relation in leaf.evidence
    ]
    places = find_places(warehouse, {row for _, origins in rests_on for row, _, _ in origins})
    tables = [warehouse.table(relation, hidden=True) for relation in made]
    return [record.as_json() for record in records], tables, rests_on, places


WHERE = {
    "answer t | where(n > 9) | group(by=k, s=sum(n))": [
        "answer_where: on each of 4 shards of t; their places come here, with k, n, for answer",
        "answer: here, where rows meet",
    ],
    "answer t | sort(-n) | take(4, skip=2)": [
        "the rows of t: on each of 4 shards of t; of each shard come the rows that answer_sort may take",
        "answer_sort -> answer: here, where rows meet",
    ],
    "answer t | sort(-n) | take(4, by=k)": [
        "the rows of t: on each of 4 shards of t; all their columns come here",
        "answer_sort -> answer: here, where rows meet",
    ],
    "answer t | where(n > 9) | sample(3)": [
        "answer_where: on each of 4 shards of t; of each shard come the rows that answer may take",
        "answer: here, where rows meet",
    ],
    'answer t | derive(w=split(text, " ")) | explode(w) | sample(3)': [
        "answer_derive -> answer_explode: on each of 4 shards of t; all their columns come here",
        "answer: here, where rows meet",
    ],
    "answer t | take(2) | union(t)": [
        "the rows of t: on each of 4 shards of t; all their columns come here",
        "answer_take -> answer: here, where rows meet",
    ],
    "m = t | avg(n)\nanswer t | where(n > m)": [
        "the rows of t: on each of 4 shards of t; their places come here, with n, for m",
        "answer: on each of 4 shards of t, beside m; all their columns come here",
        "m: here, where rows meet",
    ],
    'answer t | classify(labels=["row", "of"]) | count()': [
        "answer_rows: asked from here, within the one budget",
        "answer_rows: on each of 4 shards of t, beside answer_rows_answers; all their columns come here",
        "answer: here",
    ],
}


@pytest.mark.parametrize("program", WHERE)
def test_what_runs_where_is_said_and_no_more_is_sent_than_is_read(program: str) -> None:
    with parted() as warehouse:
        plan = planned(program, {"t": loaded(warehouse, "t", ROWS)}, warehouse)
    assert where_lines(plan, {"t": 40}, {"t": 4}) == WHERE[program]


def test_a_group_of_very_many_rows_comes_as_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_rows, "VAST", 10)
    with parted() as warehouse:
        schema = {"t": loaded(warehouse, "t", ROWS)}
        for program, sums in {"s=sum(n), a=avg(n), c=count()": True, "s=sum(x)": False, "m=median(n)": False}.items():
            plan = planned(f"answer t | group(by=k, {program})", schema, warehouse)
            (first, _) = where_lines(plan, {"t": 40}, {"t": 4})
            assert ("come the sums of answer" in first) == sums, program
