"""Upper bounds of model calls, before any is made.

In: a plan, the row counts of contexts and of tables already made. Out: for each round, its most rows and calls.
Law: a run never makes more calls for a round than its bound; where no bound is known before the rows are, it is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rlm_dsl.language.operators.core.operator import as_many
from rlm_dsl.language.operators.core.parameters import Arguments
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import ContextRows, Node, Step, known_value, resolved
from rlm_dsl.language.types import Table
from rlm_dsl.plan.stages import ModelStage, Plan, physical_name

Counts = Callable[[str], int | None]
"""Rows of a table, by its step's identity or its name; None where it has none."""
ASKS = 2
"""How often a row is asked at most: once, and once more with what was wrong."""
TRIED = 12
"""Packs that a round asks at most beyond one for each two rows: of trial, and the halves of two."""


@dataclass(frozen=True, slots=True)
class Bound:
    """At most `rows` are asked for with at most `calls` calls; None where that shows only when the rows are there."""

    step: str
    operator: str
    rows: int | None
    calls: int | None


def bounds(plan: Plan, counts: Mapping[str, int], alone: bool = False) -> tuple[Bound, ...]:
    """A bound for each round of calls; `counts` are known row counts by table name. `alone` says that no rows go
    together, whatever the program says."""
    return tuple(_bound(stage, plan, counts, alone) for stage in plan.stages if isinstance(stage, ModelStage))


def _bound(stage: ModelStage, plan: Plan, counts: Mapping[str, int], alone: bool) -> Bound:
    known: dict[str, int | None] = {
        i: counts[n] for i, relation in plan.made.items() if (n := physical_name(relation)) in counts
    }
    model = table_operators()[stage.step.operator].model
    rows = most_rows(stage.step.inputs[0], counts, known)
    if model is not None and model.asked_rows is not None:
        tables = [most_rows(node, counts, known) for node in stage.step.inputs]
        found = [r for r in tables if r is not None]
        rows = model.asked_rows(arguments_of(stage.step), found) if len(found) == len(tables) else None
    if rows is None:
        return Bound(stage.step_name, stage.step.operator, None, None)
    each = ASKS * (1 if model is None else model.calls(stage.step.arguments))
    packs = 0 if alone else most_packs(stage, rows)
    more = 0 if model is None else ASKS * model.extra(stage.step.arguments)
    return Bound(stage.step_name, stage.step.operator, rows, rows * each + packs + more)


def most_packs(stage: ModelStage, rows: int) -> int:
    """How many requests for several rows a round makes at most: packs that do not hold are paid for too."""
    model = table_operators()[stage.step.operator].model
    said = stage.step.arguments.get("pack")
    alone = (
        (said is not None and known_value(said) == 1)
        or "probability" in stage.step.arguments
        or (model is not None and model.explores)
    )
    return 0 if alone or rows < 2 else rows // 2 + TRIED


def most_rows(node: Node, counts: Mapping[str, int], known: dict[str, int | None]) -> int | None:
    """The most rows a table can have: its operator says how many, given its inputs. `known` grows by what is found."""
    inner = resolved(node)
    if isinstance(inner, ContextRows):
        return counts.get(inner.name)
    assert isinstance(inner, Step)
    if inner.identity in known:
        return known[inner.identity]
    rows = [most_rows(table, counts, known) for table in inner.inputs]
    known[inner.identity] = None if None in rows else _made_of(inner, [r for r in rows if r is not None])
    return known[inner.identity]


def rows_made(node: Node, there: Counts, inside: Counts, multiplied: bool = False) -> int | None:
    """Just how many rows a table has before it is made, where its operators tell. `there` counts the tables that there
    are, by a step's identity, and the contexts, by name. `inside` counts a step on the way, which takes as long as the
    step: only what is then `multiplied`, as in pairs, is worth it."""
    inner = resolved(node)
    if isinstance(inner, ContextRows):
        return there(inner.name)
    assert isinstance(inner, Step)
    operator = table_operators()[inner.operator]
    if (count := there(inner.identity)) is not None:
        return count
    if not operator.as_many_always:
        return inside(inner.identity) if multiplied else None
    multiplied = multiplied or operator.most_rows is not as_many
    rows = [rows_made(table, there, inside, multiplied) for table in inner.inputs]
    return None if None in rows else _made_of(inner, [r for r in rows if r is not None])


def _made_of(step: Step, rows: list[int]) -> int | None:
    return table_operators()[step.operator].most_rows(arguments_of(step), rows)


def arguments_of(step: Step) -> Arguments:
    table = resolved(step.inputs[0]).type
    assert isinstance(table, Table)
    return Arguments(table, step.arguments)
