"""The indexes of contexts kept on disk: made once that has been earned, and used where they leave out most rows.

In: a stored context and what a query looks for. Out: the numbers of the rows that may have it, or None for all.
Law: rows that are left out do not match. An index is counted on by how often one would have served, never by a clock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.context.context import Context, StoredPart
from rlm_dsl.context.format_registry import own_column
from rlm_dsl.context.trigram_index import Index, open_index, write_index
from rlm_dsl.engine.storage.rows_file import read_texts, text_size
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.plan.index_lookups import Looks, looks
from rlm_dsl.plan.stages import Plan, QueryStage

EARNED = 40
"""Looks that an index would have served before it is made: it costs as much as they did (performance.md)."""
MOST = 0.2
"""The share of blocks beyond which all rows are read: to pick rows then costs more than to look at them."""
LOOKS = "looks"
"""Where looks are counted, a byte each: appended, so that several processes can."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Rows by number that may have what is looked for, and how many blocks of how many they are."""

    rows: Any
    found: int
    blocks: int


def index_path(part: StoredPart) -> Path:
    return Path(part.path).with_suffix(".trigrams")


def indexes(context: Context) -> list[Index] | None:
    """The indexes of a context's parts, if it has one for each."""
    if not isinstance(context.rows, tuple) or not own_column(context):
        return None
    try:
        return [open_index(index_path(part)) for part in context.rows]
    except (OSError, ValueError, KeyError):
        return None


def build_indexes(context: Context, progress: Callable[[int, int], None] | None = None) -> None:
    """Make the indexes that a stored context lacks, each put in its place when it is whole."""
    done = 0
    total = sum(source.size for source in context.sources)
    for part in context.rows if isinstance(context.rows, tuple) and own_column(context) else ():
        path = index_path(part)
        size = text_size(Path(part.path), own_column(context))
        if not path.exists():
            made = path.with_name(f".rows.{os.getpid()}.trigrams")
            try:
                counted = told_of(read_texts(Path(part.path), own_column(context)), done, total, progress)
                write_index(made, part.first, part.past - part.first, size, counted)
                made.replace(path)
            finally:
                made.unlink(missing_ok=True)
        done += size


def told_of(batches: Any, done: int, total: int, progress: Callable[[int, int], None] | None) -> Any:
    for batch in batches:
        yield batch
        done += batch.nbytes
        if progress:
            progress(min(done, total), total)


def narrowed(context: Context, wanted: Looks) -> Narrowed | None:
    """The rows that may have what one of the looks wants; None where all must be read."""
    import numpy as np

    found = indexes(context)
    if found is None or not isinstance(context.rows, tuple):
        return None
    rows, taken, blocks = [np.zeros(0, np.int64)], 0, 0
    for part, index in zip(context.rows, found, strict=True):
        numbers = np.unique(np.concatenate([index.holding(sets) for sets in wanted])).astype(np.int64)
        begins = index.first + (numbers << index.shift)
        each = (begins[:, None] + np.arange(1 << index.shift, dtype=np.int64)).ravel()
        rows.append(each[each < part.past])
        taken, blocks = taken + len(numbers), blocks + index.blocks
    return Narrowed(np.concatenate(rows), taken, blocks) if taken <= MOST * blocks else None


def look_count(context: Context) -> int:
    """How many looks at a stored context an index would have served so far."""
    with suppress(OSError):
        return looks_path(context).stat().st_size
    return 0


def count_look(context: Context) -> None:
    """Note one look more, where the folder can be written."""
    with suppress(OSError), looks_path(context).open("ab") as file:
        file.write(b".")


def looks_path(context: Context) -> Path:
    assert isinstance(context.rows, tuple)
    return Path(context.rows[0].path).with_name(LOOKS)


def told_looks(plan: Plan, relations: Mapping[str, Relation], contexts: Mapping[str, Context]) -> list[str]:
    """In words what the indexes leave out of each query, or how far they are from being made."""
    return [
        f"{stage.name}: {told_look(contexts[known], wanted)}"
        for stage in plan.stages
        if isinstance(stage, QueryStage)
        for known, wanted in looks(stage, relations).items()
        if known in contexts and isinstance(contexts[known].rows, tuple)
    ]


def told_look(context: Context, wanted: Looks) -> str:
    found = narrowed(context, wanted)
    if found is not None:
        return f"{found.found:,} of {counted(found.blocks, 'block')} may have it, by the index of trigrams"
    if indexes(context) is None:
        return f"no index of trigrams yet; {counted(look_count(context), 'look')} of the {EARNED} that earn it"
    return "too many blocks may have it, by the index of trigrams: all rows are read"
