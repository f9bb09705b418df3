"""Loading a log exactly: every byte between two line feeds, with its place, its digest and its number."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import corpora
from measure import Effort, Goal, Measure, Work, compared, tool

from rlm_dsl.context.loading import load

AGAINST_WC = Goal(reach=6, ideal=3, now=12)


def measures(effort: Effort) -> Iterator[Measure]:
    path = corpora.synthetic(effort.of(50, 1_000) * corpora.MB)
    counter = tool("wc")

    def counted() -> None:
        subprocess.run([str(counter), "-l", str(path)], capture_output=True, check=True)

    peers: dict[str, Work | None] = {
        "wc -l": counted if counter else None,
        "polars read_lines (strips CR)": polars_lines(path),
        "Python splitlines, text alone": lambda: path.read_text(encoding="utf-8").splitlines(),
    }
    what = f"{path.stat().st_size / corpora.MB:,.0f} MB of lines"
    yield from compared(what, lambda: load("log", str(path)), peers, {"wc -l": AGAINST_WC})


def polars_lines(path: Path) -> Work | None:
    """Polars reading lines, by whichever name this version has for it."""
    try:
        import polars
    except ImportError:
        return None
    if hasattr(polars, "read_lines"):
        return lambda: polars.read_lines(str(path))
    return lambda: polars.read_csv(path, has_header=False, separator="\x01", quote_char=None)
