"""A plan: stages in the order in which they run.

In: nothing. Out: immutable stages. A query makes one table of fused steps; a round asks a model about the rows of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rlm_dsl.common.source import Span
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import Node, Step
from rlm_dsl.language.sql import Sql
from rlm_dsl.language.types import Table, Type
from rlm_dsl.plan.rules import Rewrite


def physical_name(relation: Relation) -> str:
    """The table's name, without quotes."""
    quoted = relation.sql.parts[0]
    assert isinstance(quoted, str)
    return quoted[1:-1].replace('""', '"')


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as the plan names it, with the tables that it reads. `counted` is false for a value, which has no rows."""

    name: str
    step: Step
    tables: tuple[Relation, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(map(physical_name, self.tables))

    @property
    def operator(self) -> str:
        return self.step.operator

    @property
    def identity(self) -> str:
        return self.step.identity

    @property
    def type(self) -> Type:
        return self.step.type

    @property
    def counted(self) -> bool:
        return isinstance(self.step.type, Table)


@dataclass(frozen=True, slots=True)
class QueryStage:
    """One query: common table expressions, a step each, the last of which becomes the table `name`."""

    name: str
    parts: tuple[tuple[str, Sql], ...]
    steps: tuple[PlannedStep, ...]
    relation: Relation | None
    """The table made, or None for a value (a table of one row and one column)."""
    type: Type


@dataclass(frozen=True, slots=True)
class ModelStage:
    """One round of calls: `rows` gives `#key` (the row's or group's), `#ord` and the shown columns, in order; the
    answers become the table `name`. `texts` are the shown columns, of any rows of `input`. With `enough`, rows are
    asked about in waves until so many satisfy."""

    name: str
    step: Step
    step_name: str
    input: Relation
    rows: Sql
    texts: Sql
    shown: tuple[str, ...]
    tree: bool
    enough: int | None = None


Stage: TypeAlias = QueryStage | ModelStage


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part of a target: where in the answer it stands, the table that holds it, and the tables it rests on."""

    path: tuple[str, ...]
    table: str
    type: Type
    evidence: tuple[Relation, ...]
    chosen: str = ""
    """`first` or `last` where the value comes from that row alone."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something a program shows, binds or answers. `kind` is binding, show or answer."""

    kind: str
    name: str
    node: Node
    leaves: tuple[Leaf, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages, what they make of the program's targets, and every table there will be, by step identity."""

    stages: tuple[Stage, ...]
    targets: tuple[Target, ...]
    made: Mapping[str, Relation]
    rewrites: tuple[Rewrite, ...] = ()

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        return tuple(step for stage in self.stages if isinstance(stage, QueryStage) for step in stage.steps)
