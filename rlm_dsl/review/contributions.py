"""What each row of a model step adds to a number, under the model's answers, under people's, and at the most.

In: a number that can be followed, the run's tables, people's answers. Out: by group and row, what is added. Law: the
program's own steps say it: they are run again over other tables of answers, nothing is worked out a second way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, product
from typing import Any

from rlm_dsl.engine.calls.round import shown_text
from rlm_dsl.engine.runner import arrow_rows
from rlm_dsl.language.operators.core.parameters import Arguments
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.operators.core.relation import KEY, ORD
from rlm_dsl.language.program import Bound, Literal, Node, Step, children, resolved
from rlm_dsl.language.sql import bound, joined, name, sql
from rlm_dsl.language.types import INT, Table, Type
from rlm_dsl.plan.build import build
from rlm_dsl.plan.explain import query
from rlm_dsl.plan.stages import ModelStage, QueryStage, physical_name
from rlm_dsl.review.numbers import Sum, asked_below
from rlm_dsl.review.opened import Answer, OpenedRun, ReviewedStep

MOST_ANSWERS = 200
"""Answers of a closed set, or combinations of those of several steps, that are tried on every row."""
NAMES = count(1)

Group = tuple[Any, ...]
Added = dict[Group, dict[int, tuple[float, ...]]]
"""By group and row, what is added to each sum."""
Answers = Callable[[ReviewedStep, ModelStage, list[tuple[int, str]]], Mapping[int, Answer | None]]
"""Answers to a step's rows, given as key and shown text; rows that are left out have none."""


@dataclass(frozen=True)
class Measured:
    """A table whose rows add to sums: grouped by `keys`."""

    run: OpenedRun
    table: Node
    steps: tuple[ReviewedStep, ...]
    sums: tuple[Sum, ...]
    keys: tuple[tuple[str, Node], ...] = ()

    def by_model(self) -> Added:
        """Under the model's own answers."""

        def own(step: ReviewedStep, stage: ModelStage, rows: list[tuple[int, str]]) -> Mapping[int, Answer | None]:
            return dict(zip(step.keys, step.answers, strict=True))

        return self.under(own)

    def under(self, answers: Answers) -> Added:
        """Under other answers: the steps from the first model step on, once more."""
        return self.read(self.made(answers))

    def at_most(self) -> Iterator[Added] | None:
        """Under each answer that there is, of every row alike; None where the answers are no closed set."""
        sets = [step.labels for step in self.steps]
        total = 1
        for labels in sets:
            if labels is None:
                return None
            total *= len(labels)
        if total > MOST_ANSWERS:
            return None
        return (self.read(self.made_alike(dict(zip(self.names, each, strict=True)))) for each in product(*sets))  # type: ignore[arg-type]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.steps)

    def measured(self) -> Step:
        """The table with what each row adds, and its group, as columns."""
        inner = resolved(self.table)
        assert isinstance(inner.type, Table)
        columns: list[tuple[str, Node]] = [("review row", Literal(1, INT))]
        columns += [(f"review key {n}", node) for n, (_, node) in enumerate(self.keys)]
        columns += [(f"review sum {n}", s.value) for n, s in enumerate(self.sums) if s.value is not None]
        derive = table_operators()["derive"]
        arguments = {"columns": tuple(columns)}
        type_ = derive.result(Arguments(inner.type, arguments, {}))
        return Step("derive", derive.version, (inner,), arguments, type_)

    def made(self, answers: Answers) -> str:
        return self.stages(lambda stage: self.hold_answers(stage, answers))

    def made_alike(self, given: Mapping[str, Any]) -> str:
        """Every row's answer the same: without a row of it in Python."""

        def hold(stage: ModelStage) -> None:
            step = self.step_of(stage)
            alike = sql(
                "SELECT {k}, {v} AS {f}{more} FROM ({rows})",
                k=name(KEY),
                more=joined("", (sql(", CAST(NULL AS DOUBLE) AS {n}", n=name(each.name)) for each in step.more)),
                v=bound(given[step.name], "answer"),
                f=name(step.fields()[0]),
                rows=stage.rows,
            )
            self.run.warehouse.create(stage.name, alike)

        return self.stages(hold)

    def stages(self, hold: Callable[[ModelStage], None]) -> str:
        """The plan from the first model step on, run; the name of the table that it makes."""
        warehouse, node = self.run.warehouse, self.measured()
        outer = f"review {next(NAMES)}"
        made = {
            identity: relation for identity, relation in self.run.plan.made.items() if identity in self.before(node)
        }
        plan = build((Bound("binding", outer, node),), warehouse.contexts, made, whole=False)
        for stage in plan.stages:
            match stage:
                case QueryStage():
                    warehouse.create(stage.name, query(stage))
                case ModelStage():
                    hold(stage)
        for stage in plan.stages[:-1]:
            warehouse.drop(stage.name)
        return physical_name(plan.made[node.identity])

    def before(self, node: Step) -> set[str]:
        """What is there as it was: steps that rest on no model step."""
        found: set[str] = set()
        stack: list[Node] = [node]
        while stack:
            inner = resolved(stack.pop())
            if not asked_below(inner):
                found.add(inner.identity)
            stack.extend(children(inner))
        return found

    def step_of(self, stage: ModelStage) -> ReviewedStep:
        own = [step for step in self.steps if same_question(step, stage)]
        return own[0]

    def hold_answers(self, stage: ModelStage, answers: Answers) -> None:
        step, warehouse = self.step_of(stage), self.run.warehouse
        rows = []
        for key, *values in warehouse.rows(stage.rows):
            if (text := shown_text(stage.shown, values)) is not None:
                rows.append((key, self.run.redact.redact(text)))
        given = answers(step, stage, rows)
        columns: dict[str, Type] = {KEY: INT, **{f.name: f.type for f in (*step.result.fields, *step.more)}}
        empty = dict.fromkeys((*step.fields(), *(each.name for each in step.more)))
        held = [{KEY: key, **empty, **(answer or {})} for key, answer in given.items()]
        warehouse.add(stage.name, arrow_rows(held, columns), columns)

    def read(self, table: str) -> Added:
        """What each row adds, from the table that was made; which is then dropped."""
        warehouse = self.run.warehouse
        keys = [name(f"review key {n}") for n in range(len(self.keys))]
        sums = [
            sql("1.0") if s.value is None else sql("CAST({v} AS DOUBLE)", v=name(f"review sum {n}"))
            for n, s in enumerate(self.sums)
        ]
        columns = joined(", ", [name(ORD), *sums, *keys])
        rows = warehouse.rows(sql("SELECT {c} FROM {t}", c=columns, t=name(table)))
        warehouse.drop(table)
        found: Added = {}
        width = len(sums)
        for row in rows:
            values = tuple(map(worth, self.sums, row[1 : 1 + width]))
            own = found.setdefault(tuple(row[1 + width :]), {})
            before = own.get(row[0])
            own[row[0]] = values if before is None else tuple(map(sum_of_two, before, values))
        return found


def worth(one: Sum, value: Any) -> float:
    """What a row adds: nothing where its value is null, 1 where a value is there and only that is asked."""
    if value is None:
        return 0.0
    if one.condition and one.value is not None:
        return float(bool(value)) if str(one.value.type).startswith("bool") else 1.0
    return float(value)


def sum_of_two(one: float, other: float) -> float:
    return one + other


def same_question(step: ReviewedStep, stage: ModelStage) -> bool:
    """Whether a stage of the plan made again is that step's: by the place in the program that it stands at."""
    return step.stage.step.span == stage.step.span and step.operator == stage.step.operator
