"""Whole files as rows: table(path, text)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.blocks import Block, Files, map_blocks
from rlm_dsl.context.files.find import find, is_many
from rlm_dsl.context.format import Append, Format, LoadRequest
from rlm_dsl.context.formats.lines import texts_of
from rlm_dsl.language.types import TEXT, Field, Table

DOCUMENTS = Table((Field("path", TEXT), Field("text", TEXT)))


def load_documents(request: LoadRequest) -> Loaded:
    """Each file a row. Bytes that are no UTF-8 become U+FFFD; binary files in folders are left out; both are noted."""
    return documents_of(Files(find(request.given), request.progress, whole=True, text_only=is_many(request.given)))


def documents_of(files: Files) -> Loaded:
    """The files as rows; `files` reads them whole."""
    loaded = Loaded("documents", DOCUMENTS, (), files.sources)
    loaded.batches = batches(files, loaded)
    return loaded


def batches(files: Files, loaded: Loaded) -> Iterator[Any]:
    bad = 0
    for rows, odd in map_blocks(table, files):
        bad += odd
        yield rows
    loaded.notes += [f"{files.skipped:,} binary files were left out"] if files.skipped else []
    loaded.notes += [f"{bad:,} files hold bytes that are not UTF-8 (shown as U+FFFD)"] if bad else []


def table(block: Block) -> tuple[Any, int]:
    """A block's files as rows, and how many of them are no UTF-8."""
    import numpy as np
    import pyarrow as pa

    texts, bad = texts_of(block.content, block.begins, block.begins, block.begins + block.sizes)
    count = len(block.pieces)
    columns = {
        "#source": pa.array([piece.source for piece in block.pieces], pa.int32()),
        "#line": pa.array(np.ones(count, np.int64)),
        "#lo": pa.array(np.zeros(count, np.int64)),
        "#hi": pa.array(block.sizes),
        "path": pa.array([piece.shown for piece in block.pieces], pa.string()),
        "text": texts,
    }
    return pa.table(columns), bad


FORMAT = Format(
    name="documents",
    summary="a row a file of text",
    load=load_documents,
    many=True,
    own="text",
    append=Append(lambda files, many, passed: documents_of(files)),
)
