"""`load`: contexts kept on disk, made or brought up to their sources.

In: NAME=PATH or a `.rlmctx` folder. Out: a line of words. Law: the work is done in `engine/storage/`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from rlm_dsl.cli.options import named_paths, with_file
from rlm_dsl.cli.output import note, safe
from rlm_dsl.cli.progress import loading_bar
from rlm_dsl.cli.render.context import context_text
from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.memory import memory_bytes
from rlm_dsl.context.context import Context
from rlm_dsl.context.format_registry import own_column
from rlm_dsl.context.loading import require_options
from rlm_dsl.context.stored_context import ENDING, is_stored, open_stored
from rlm_dsl.engine.indexes import build_indexes
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from rlm_dsl.models.settings_file import found_settings
from rlm_dsl.replay.doctor import found_in, secrets_of


def load_context(given: str, to: str | None, memory: str | None, index: bool = False) -> str:
    """Load one source, or bring a folder up to its sources; tells what was done."""
    started = time.perf_counter()
    limit = memory_bytes(memory) if memory else None
    if is_stored(given) and "=" not in given:
        with loading_bar(given) as progress:
            what, rows = refresh_context(Path(given), progress, limit)
        context = open_stored("data", Path(given))
        if index:
            index_context(context)
        return f"{what}; {counted(rows, 'row')} read\n{context_text(context, time.perf_counter() - started)}"
    ((name, where),) = with_file(named_paths((given,)), found_settings(None).contexts, None).items()
    path = where.path
    require_options(where)
    folder = Path(to or f"{name}{ENDING}")
    if not is_stored(folder.as_posix()):
        raise UserError(f"{folder} does not end in {ENDING}", f"call it {folder}{ENDING}")
    if is_stored(path):
        raise UserError(f"{path} is loaded already", f"use it as it is: --context {name}={path}")
    with loading_bar(name) as progress:
        context = store_context(name, path, folder, where.format, None, progress, limit, where.options)
    if index:
        index_context(context)
    for held in sorted(found_in(secrets_of(os.environ), path)):
        note(f"note: {name}: its rows hold the value of {held}, and are kept as they are: keep {folder} as you keep it")
    for noted in context.notes:
        note(f"note: {name}: {safe(noted)}")
    return context_text(context, time.perf_counter() - started)


def index_context(context: Context) -> None:
    if not own_column(context):
        raise UserError(f"{context.given} holds {context.format}", "an index is of the text of lines and documents")
    with loading_bar("for the index") as progress:
        build_indexes(context, progress)
