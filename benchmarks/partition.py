"""Cutting into chunks: the lines of a log, and a whole text, beside Python doing the same."""

from __future__ import annotations

from collections.abc import Iterator

import corpora
from corpus_session import Corpus
from measure import Effort, Measure, compared


def measures(effort: Effort) -> Iterator[Measure]:
    yield from of_lines(effort.of(1, 5) * corpora.MB)
    yield from of_a_text(effort.of(1, 5) * corpora.MB)


def of_lines(size: int) -> Iterator[Measure]:
    path = corpora.synthetic(size)
    with Corpus(str(path)) as corpus:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        yield from compared(
            f"{size / corpora.MB:.0f} MB of lines into pieces of 40 characters",
            lambda: corpus.explored('n = log | partition(by="chars", size=40) | count()'),
            {"Python's slices": lambda: [line[at : at + 40] for line in lines for at in range(0, len(line), 40)]},
        )
        yield from compared(
            f"{size / corpora.MB:.0f} MB of lines cut at a separator",
            lambda: corpus.explored('n = log | partition(by=r" ms=") | count()'),
            {"Python's split": lambda: [part for line in lines for part in line.split(" ms=")]},
        )


def of_a_text(size: int) -> Iterator[Measure]:
    path = corpora.synthetic(size)
    with Corpus(str(path), format="documents") as corpus:
        text = path.read_text(encoding="utf-8")

        def sliced() -> list[str]:
            lines = text.splitlines(keepends=True)
            return ["".join(lines[at : at + 1_000]) for at in range(0, len(lines), 1_000)]

        yield from compared(
            f"a text of {size / corpora.MB:.0f} MB into chunks of 1,000 lines",
            lambda: corpus.explored('n = log | partition(by="lines", size=1000) | count()'),
            {"Python's splitlines and join": sliced},
        )
