"""The lines that fit some words best: `search` (BM25 in SQL), beside tantivy's index and BM25 in plain Python."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import corpora
from corpus_session import Corpus
from measure import Effort, Measure, Work, compared

WORDS = "certificate expired handshake refused"
BUILT, ASKED, PLAIN = "tantivy, index built and asked", "tantivy, index asked", "BM25 in plain Python"


def measures(effort: Effort) -> Iterator[Measure]:
    size = effort.of(2, 20) * corpora.MB
    path = corpora.synthetic(size)
    with Corpus(str(path)) as corpus:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        index = tantivy_index(lines)
        peers: dict[str, Work | None] = {
            BUILT: None if index is None else lambda: tantivy_best(tantivy_index(lines)),
            ASKED: None if index is None else lambda: tantivy_best(index),
            PLAIN: lambda: plain_best(lines),
        }
        what = f"the 10 best of {size / corpora.MB:.0f} MB"
        yield from compared(what, lambda: corpus.explored(f'n = log | search("{WORDS}", top=10)'), peers)


def tantivy_index(lines: list[str]) -> Any:
    """An index in memory, or None where tantivy is not installed."""
    try:
        import tantivy
    except ImportError:
        return None
    schema = tantivy.SchemaBuilder().add_text_field("text", stored=False).build()
    index = tantivy.Index(schema)
    writer = index.writer(num_threads=2)
    for line in lines:
        writer.add_document(tantivy.Document(text=line))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    return index


def tantivy_best(index: Any) -> Any:
    return index.searcher().search(index.parse_query(WORDS, ["text"]), 10).hits


def plain_best(lines: list[str], k1: float = 1.2, b: float = 0.75) -> list[int]:
    """Term counts of every line, then the scores of the wanted words: what rank_bm25 does."""
    found = [Counter(re.findall(r"\w+", line.lower())) for line in lines]
    lengths = [sum(counts.values()) for counts in found]
    mean = sum(lengths) / len(lengths)
    scores = [0.0] * len(lines)
    for word in WORDS.split():
        holding = [n for n, counts in enumerate(found) if word in counts]
        rare = math.log(1 + (len(lines) - len(holding) + 0.5) / (len(holding) + 0.5))
        for n in holding:
            often = found[n][word]
            scores[n] += rare * often * (k1 + 1) / (often + k1 * (1 - b + b * lengths[n] / mean))
    return sorted(range(len(lines)), key=lambda n: -scores[n])[:10]
