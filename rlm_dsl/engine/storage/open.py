"""A context for a run: in memory where there is room, else kept on disk until the process ends.

In: what a user gives as data, and how much memory a run may take. Out: the context, and notes on how it is held.
Law: the rows are the same either way.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.processes import physical_memory
from rlm_dsl.context.context import Context
from rlm_dsl.context.files.find import STANDARD_INPUT, files_of
from rlm_dsl.context.files.read import Progress, size_of
from rlm_dsl.context.files.streams import DECOMPRESSORS
from rlm_dsl.context.loading import MoreThanRoom, load
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions
from rlm_dsl.context.placement import Placement
from rlm_dsl.context.stored_context import ENDING, is_stored
from rlm_dsl.engine.indexes import EARNED, build_indexes, indexes, look_count
from rlm_dsl.engine.storage.keep import Wanted, kept_context
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.language.types import Table

SHARDS = "shards"
"""The folder of what is kept that has the shards of an engine's contexts."""
SHARE = 4
"""A context whose files have more than this part of the memory is kept on disk while it is used."""
UNPACKED = 8
"""How many times larger a compressed file is taken to be."""


def open_context(
    name: str,
    given: str,
    *,
    format: str | None = None,
    declared: Table | None = None,
    progress: Progress | None = None,
    memory: int | None = None,
    options: ReadingOptions = NO_OPTIONS,
    keep: str | None = None,
    engine: Placement | None = None,
) -> tuple[Context, tuple[str, ...]]:
    """The context, read by its options, and notes on how it is held. `memory` is what the run may take, in bytes;
    `keep` is the folder in which what was read once is kept, if there is one; `engine` reads and works on the rows, if
    it is another than this process."""
    if engine is not None:
        told = {"format": format, "declared": declared, "progress": progress, "options": options}
        sharded = in_shards(name, given, engine, keep, memory, **told)
        if sharded is not None:
            return sharded
    if keep:
        kept = kept_context(Wanted(name, given, format, declared, options), Path(keep), progress, memory)
        if kept is not None:
            return kept, ()
    if is_stored(given) or not is_too_large(given, memory):
        with suppress(MoreThanRoom):
            room = (memory or 2 * physical_memory()) // 2
            context = load(name, given, format=format, declared=declared, progress=progress, options=options, room=room)
            if is_stored(given) and look_count(context) >= EARNED and indexes(context) is None:
                build_indexes(context, progress)
            return context, ()
    folder = scratch_folder() / f"{token_hex(4)}{ENDING}"
    context = store_context(name, given, folder, format, declared, progress, memory, options)
    note = f"its rows lie on disk for this run; to keep them: rlm-dsl load {name}={given}"
    return replace(context, given=given), (note,)


def in_shards(
    name: str, given: str, engine: Placement, keep: str | None, memory: int | None, **read: Any
) -> tuple[Context, tuple[str, ...]] | None:
    """The context in shards that an engine works on; None for what it cannot read by itself. A task takes the memory
    that the engine's words say, else what a run may take here, else its share of its machine."""
    from rlm_dsl.engine.clusters.open_cluster import open_cluster
    from rlm_dsl.engine.shards.open_sharded import open_sharded

    folder = (Path(keep) if keep else scratch_folder()) / SHARDS
    cluster = open_cluster(engine)
    most = engine.memory or memory or cluster.room
    context = open_sharded(name, given, cluster, folder, shard_bytes=engine.shard, memory=most, **read)
    if context is None:
        return None
    note = "" if keep else "; they go with this run, unless rlm-dsl.yaml says keep: FOLDER"
    shards = len(context.rows.shards)  # type: ignore[union-attr]
    return context, (f"its rows lie in {counted(shards, 'shard')} {cluster.told()}{note}",)


def is_too_large(given: str, memory: int | None) -> bool:
    """Whether the rows of what was given should not lie in memory."""
    if given == STANDARD_INPUT:
        return False
    files = files_of(given)
    size = sum(size_of([file]) * (UNPACKED if Path(file.path).suffix in DECOMPRESSORS else 1) for file in files)
    return size * SHARE > (memory or 2 * physical_memory())


_scratch: list[tempfile.TemporaryDirectory[str]] = []


def scratch_folder() -> Path:
    """A folder of this process's own, which goes when it ends."""
    if not _scratch:
        _scratch.append(tempfile.TemporaryDirectory(prefix="rlm-dsl-contexts-", ignore_cleanup_errors=True))
    return Path(_scratch[0].name)
