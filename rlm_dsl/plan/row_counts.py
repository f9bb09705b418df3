"""How many rows a query's steps have, from as few counts as do.

In: a stage, and the rows of tables that there are. Out: counts, and a query for what they do not tell. Law: a step that
makes a row of each row has as many as what it reads, so that one count tells of both, whichever is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rlm_dsl.language.operators.core.operator import as_many
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.plan.stages import PlannedStep, QueryStage


def alike(stage: QueryStage) -> dict[str, str]:
    """The first table in the chain that has as many rows as each step, by the step's name: itself, or one before it,
    which may lie outside the query."""
    first: dict[str, str] = {}
    for step in stage.steps:
        read = step.inputs[0] if step.inputs else ""
        first[step.name] = first.get(read, read) if read and keeps_count(step) else step.name
    return first


def keeps_count(step: PlannedStep) -> bool:
    """Whether a step makes one row of each that it reads, whatever it holds."""
    operator = table_operators()[step.operator]
    return operator.as_many_always and operator.most_rows is as_many


def inner_counts(
    stage: QueryStage, made: int | None, outside: Callable[[str], int], count: Callable[[Sql], tuple[int, ...]]
) -> Mapping[str, int]:
    """The rows of the inner steps that are tables: the stage's own table has `made`, those `outside` are counted by
    their names, and the rest by one query."""
    if not stage.steps:
        return {}
    first = alike(stage)
    counted = [step.name for step in stage.steps[:-1] if step.counted]
    known: dict[str, int] = {}
    if made is not None:
        known[first[stage.name]] = made
    inside = {step.name for step in stage.steps}
    known |= {of: outside(of) for step in counted if (of := first[step]) not in inside and of not in known}
    if missing := list(dict.fromkeys(first[step] for step in counted if first[step] not in known)):
        known |= dict(zip(missing, count(counting(stage, missing)), strict=True))
    return {step: known[first[step]] for step in counted}


def counting(stage: QueryStage, parts: list[str]) -> Sql:
    """A query that counts the rows of some of the stage's parts."""
    steps = joined(",\n", (sql("{n} AS ({q})", n=name(n), q=q) for n, q in stage.parts[:-1]))
    counts = joined(", ", (sql("(SELECT count(*) FROM {n})", n=name(part)) for part in parts))
    return sql("WITH {steps} SELECT {counts}", steps=steps, counts=counts)
