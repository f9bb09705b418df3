"""The digest of a table's rows, independent of their order, beside sha256 over the file's bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import corpora
from corpus_session import Corpus
from measure import Effort, Measure, compared

from rlm_dsl.engine.warehouse.digests import table_digest
from rlm_dsl.language.types import INT, TEXT, Field


def measures(effort: Effort) -> Iterator[Measure]:
    path = corpora.synthetic(effort.of(5, 100) * corpora.MB)
    content = path.read_bytes()
    columns = (Field("line", INT), Field("text", TEXT))
    with Corpus(str(path)) as corpus:
        yield from compared(
            f"the digest of {corpus.context.rows.num_rows:,} lines",
            lambda: table_digest(corpus.warehouse, "log", columns),
            {"sha256 of the file's bytes": lambda: hashlib.sha256(content).hexdigest()},
        )
