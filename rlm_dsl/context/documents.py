"""Whole files as rows: table(path, text)."""

from __future__ import annotations

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.lines import replaced
from rlm_dsl.context.reading import Progress, find, is_binary, is_many, read_all
from rlm_dsl.types import TEXT, Field, Table


def load_documents(given: str, progress: Progress | None) -> Loaded:
    """Each file a row. Bytes that are no UTF-8 become U+FFFD; binary files in folders are left out; both are noted."""
    import pyarrow as pa

    many = is_many(given)
    reads = [r for r in read_all(find(given), progress) if not (many and is_binary(r.content))]
    sources = [replaced(read, index) for index, read in enumerate(reads)]
    texts = [read.content.decode("utf-8", "replace") for read in reads]
    bad = sum(
        "\ufffd" in text and text.encode("utf-8") != read.content for text, read in zip(texts, reads, strict=True)
    )
    count = len(reads)
    rows = pa.table(
        {
            "#source": pa.array(range(count), pa.int32()),
            "#line": pa.array([1] * count, pa.int64()),
            "#lo": pa.array([0] * count, pa.int64()),
            "#hi": pa.array([read.source.size for read in reads], pa.int64()),
            "path": pa.array([source.shown for source in sources], pa.string()),
            "text": pa.array(texts, pa.large_string()),
        }
    )
    notes = [f"{bad:,} files hold bytes that are not UTF-8 (shown as U+FFFD)"] if bad else []
    return Loaded("documents", Table((Field("path", TEXT), Field("text", TEXT))), [rows], sources, notes)
