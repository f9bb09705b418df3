"""Rows that a budget can surely not pay for, seen before they are made requests of.

In: a round's stage, where its rows are read, what the budget has left. Out: TooDear, or nothing. Law: nothing is
refused that might be paid for: rows that show the same are one request, known answers cost nothing, rows go together
in packs, and what stands in for the model, or may stop early, is not counted here at all.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from functools import lru_cache
from math import inf
from typing import Any

from rlm_dsl.common.json_ready import json_text
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.round import model_step
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.program import known_value
from rlm_dsl.language.sql import Sql, bound, sql
from rlm_dsl.models.packing import SIZES
from rlm_dsl.models.protocol import Room, TooDear
from rlm_dsl.plan.stages import ModelStage

FETCHED = 10_000
"""Rows that are looked at together."""
KEPT = 50_000
"""Values that are looked at once, of each round: in pairs they come again and again."""


def refuse_too_many(
    stage: ModelStage, rows: int, table: Sql, warehouse: Warehouse, options: CallOptions, room: Room, *, made: bool
) -> None:
    """Raise TooDear where so many `rows`, those of `table`, surely take more calls than there are. Where the table is
    not `made` yet, its first rows must tell: no more of it is made than that takes."""
    most = most_rows_paid(stage, options, room)
    if most is None or rows <= most:
        return
    for first in (2 * (most + 1), None) if made else (2 * (most + 1),):
        if differ(stage, table, first, most, warehouse, options):
            raise TooDear.for_rows(stage.step_name, rows, most_in_a_call(stage, options), room)


def most_rows_paid(stage: ModelStage, options: CallOptions, room: Room) -> int | None:
    """How many rows that differ the budget may pay for, at the very most; None where that depends on more."""
    return room.calls * most_in_a_call(stage, options) + room.answers if counts_by_row(stage, options) else None


def counts_by_row(stage: ModelStage, options: CallOptions) -> bool:
    """Whether each text that differs surely is asked of the model, alone or with others."""
    one_by_one = not stage.tree and stage.enough is None and not model_step(stage).explores
    return one_by_one and not stage.step.arguments.get("proxy") and not options.together


def most_in_a_call(stage: ModelStage, options: CallOptions) -> int:
    if stage.step.arguments.get("probability"):
        return 1
    said = stage.step.arguments.get("pack")
    size = (None if said is None else known_value(said)) or options.rows_per_call.get(stage.step_name) or options.pack
    return 1 if size == 1 else SIZES[0]


def differ(
    stage: ModelStage, table: Sql, first: int | None, most: int, warehouse: Warehouse, options: CallOptions
) -> bool:
    """Whether the first rows of a table, or all, show more than `most` different texts that a model has room for."""
    around = len(json.dumps(dict.fromkeys(stage.shown), ensure_ascii=False))

    @lru_cache(maxsize=KEPT)
    def length(value: Any) -> float:
        """Of a value as it is shown; too long where secrets are taken out, after which texts may be alike."""
        text = json_text(value)
        return len(text) if options.redact(text) == text else inf

    count = 0
    for values in different(stage, table, first, warehouse):
        long = around + sum(length(value if isinstance(value, Hashable) else str(value)) for value in values)
        count += 4 * long < options.window and values != (None,)  # no character takes more than four tokens
        if count > most:
            return True
    return False


def different(stage: ModelStage, table: Sql, first: int | None, warehouse: Warehouse) -> Iterator[tuple[Any, ...]]:
    """What is shown of a table's first rows, or of all, in whatever order; each once."""
    some = sql("(SELECT * FROM {t} LIMIT {n})", t=table, n=bound(first, "rows")) if first is not None else table
    found = warehouse.run(sql("SELECT DISTINCT {texts} FROM {some}", texts=stage.texts, some=some))
    while several := found.fetchmany(FETCHED):
        yield from several
