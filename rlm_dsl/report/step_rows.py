"""The rows of a run's steps as a page shows them: those that were recorded, and the others computed again.

In: a trace, where its data lies. Out: the first rows of each step. Law: a page stays small however many rows there are,
and says how many it left out; no model is asked; where the data is gone, what was recorded is shown alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.context.context import Context
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.replay.fused_steps import fused_tables, recorded_nowhere
from rlm_dsl.replay.tables import payload_names
from rlm_dsl.report.values import as_text
from rlm_dsl.trace.reader import Trace

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, LONGEST, MOST = 100, 300, 400_000
"""Rows of a step, characters of a cell, characters of all steps."""
COMPUTED = 100_000
"""Rows of the data up to which steps without recorded rows are computed again for a page."""


@dataclass(frozen=True, slots=True)
class StepRows:
    """The first rows of a step, in the form of a part of an answer."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    more: int
    reviewed: Mapping[str, tuple[str, ...]]


def step_rows(trace: Trace, given: Mapping[str, str | Context], *, compute: bool) -> dict[str, StepRows]:
    """The first rows of each step that is a table; `compute` says whether the others may be computed again."""
    left = [MOST]
    return {step: first_rows(table, left) for step, table in tables_of(trace, given, compute)}


def tables_of(trace: Trace, given: Mapping[str, str | Context], compute: bool) -> Iterator[tuple[str, pa.Table]]:
    recorded = dict(payload_names(trace))
    for step, name in recorded.items():
        yield step, trace.table(name)
    others = recorded_nowhere(trace, recorded)
    if compute and others and sum(int(each["rows"]) for each in trace.header["contexts"]) <= COMPUTED:
        try:
            yield from fused_tables(trace, given, others).items()
        except (UserError, ProgramError):  # the data is gone, or another: the page says so of the evidence
            return


def first_rows(table: pa.Table, left: list[int]) -> StepRows:
    if ORD in table.column_names:
        table = table.sort_by(ORD)
    columns = tuple(name for name in table.column_names if not name.startswith("#"))
    shown = []
    for row in table.select(columns).slice(0, ROWS).to_pylist():
        if left[0] <= 0:
            break
        cells = tuple("" if row[name] is None else cut(as_text(json_ready(row[name]))) for name in columns)
        left[0] -= sum(map(len, cells))
        shown.append(("", cells))
    return StepRows(columns, tuple(shown), table.num_rows - len(shown), {})


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
