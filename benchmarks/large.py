"""Corpora larger than memory: kept on disk by `load`, then asked; each command a process of its own, its peak watched.

Each command is run once (a corpus of 10 GB takes a minute to load), so a figure is a slope: seconds for a gigabyte, and
the peak beside the limit. `--size 10GB` says the size; docs/performance.md plans 100 GB from the largest one measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import corpora
from measure import Effort, Goal, Measure, Spread
from watched import Watched, watched

PEAK = Goal(reach=1.1, ideal=1.0, now=1.2)
ASKED = {
    "a literal": 'answer log | grep("deadlock") | count()\n',
    "a pattern": 'answer log | grep(r"worker.*(deadlock|quota) \\w+ed") | count()\n',
    "a pattern, its rows kept": 'found = log | grep(r"FATAL .*user=u1\\d")\nanswer found | take(5)\n',
    "extract and group": (
        'found = log | extract(r"^\\S+ (?P<level>[A-Z]+) .(?P<service>[a-z]+)")\n'
        "answer found | group(by=[level, service], n=count()) | sort(level, service)\n"
    ),
}


def measures(effort: Effort) -> Iterator[Measure]:
    sizes = [effort.size] if effort.size else [int(size * 1_000) * corpora.MB for size in effort.of((0.03,), (0.5, 2))]
    for size in sizes:
        yield from of_size(size, 2_000 if size > 4_000 * corpora.MB else 500, effort.of(1, len(ASKED)))


def of_size(size: int, limit: int, programs: int) -> Iterator[Measure]:
    path = corpora.synthetic(size)
    given = ("--memory", f"{limit}MB")
    with tempfile.TemporaryDirectory(dir=corpora.folder()) as name:
        folder = Path(name)
        kept = folder / "log.rlmctx"
        yield from told("load", size, limit, watched(folder, "load", f"log={path}", "--to", str(kept), *given))
        room = sum(file.stat().st_size for file in kept.rglob("*")) / size
        yield Measure(f"{size / 1e9:g} GB kept on disk", Spread.of([room]), unit="of its size")
        for what, program in list(ASKED.items())[:programs]:
            (folder / "p.rlm").write_text(program)
            asked = ("run", "p.rlm", "--context", f"log={kept}", "--threads", "2", *given)
            yield from told(what, size, limit, watched(folder, *asked))


def told(what: str, size: int, limit: int, found: Watched) -> Iterator[Measure]:
    """Seconds for a gigabyte, and the peak beside the limit."""
    about = f"{size / 1e9:g} GB, --memory {limit}MB: {what}"
    yield Measure(about, Spread.of([found.seconds / size * 1e9]), unit="s/GB", note=found.note)
    if found.code == 0:
        ratio = Spread.of([found.peak / limit])
        limited = Spread.of([limit])
        yield Measure(f"{about}, peak", Spread.of([found.peak]), "the limit", limited, ratio, PEAK, unit="MB")
