"""The peak memory of a whole `run` under `--memory`, for corpora of several sizes: its highest resident set."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import corpora
from measure import Effort, Goal, Measure, Spread
from watched import watched

LIMIT = 500
PROGRAM = 'found = log | grep(r"ERROR.*timeout")\nanswer count(found)\n'
GOAL = Goal(reach=1.1, ideal=1.0, now=1.2)


def measures(effort: Effort) -> Iterator[Measure]:
    for gigabytes in effort.of((0.25,), (0.25, 0.5, 1)):
        path = corpora.synthetic(int(gigabytes * 1_000) * corpora.MB)
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "p.rlm"
            program.write_text(PROGRAM)
            limit = ("--memory", f"{LIMIT}MB", "--threads", "2")
            found = watched(Path(folder), "run", str(program), "--context", f"log={path}", *limit)
        what = f"peak memory, {gigabytes:g} GB grepped with --memory {LIMIT}MB"
        ours, ratio = Spread.of([found.peak]), Spread.of([found.peak / LIMIT])
        yield Measure(what, ours, "the limit", Spread.of([LIMIT]), ratio, GOAL, unit="MB", note=found.note)
