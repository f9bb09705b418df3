"""The peak memory of a whole `run` under `--memory`, for corpora of several sizes: the process's highest resident set.

The command runs as a grandchild, so that its peak is its own and not that of the process that started it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import corpora
from measure import Effort, Goal, Measure, Spread

LIMIT = 500
PROGRAM = 'found = log | grep(r"ERROR.*timeout")\nanswer count(found)\n'
GOAL = Goal(reach=1.1, ideal=1.0, now=1.2)
WATCHED = """
import json, os, sys, time
started = time.perf_counter()
pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ,
                     file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, used = os.wait4(pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_maxrss, time.perf_counter() - started]))
"""
COMMAND = "from rlm_dsl.cli import main; main()"


def measures(effort: Effort) -> Iterator[Measure]:
    sizes = [effort.size] if effort.size else [int(s * 1_000) * corpora.MB for s in effort.of((0.25,), (0.25, 0.5, 1))]
    for size in sizes:
        path = corpora.synthetic(size)
        code, peak, seconds = watched(path)
        what = f"peak memory, {size / 1e9:g} GB grepped with --memory {LIMIT}MB"
        note = f"{seconds:.1f} s" if code == 0 else f"stopped with exit code {code} after {seconds:.1f} s"
        ours, ratio = Spread.of([peak]), Spread.of([peak / LIMIT])
        yield Measure(what, ours, "the limit", Spread.of([LIMIT]), ratio, GOAL, unit="MB", note=note)


def watched(path: Path) -> tuple[int, float, float]:
    """The command's exit code, its peak in MB, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "p.rlm"
        program.write_text(PROGRAM)
        command = ["run", str(program), "--context", f"log={path}", "--memory", f"{LIMIT}MB", "--threads", "2"]
        asked = [sys.executable, "-c", WATCHED, "-c", COMMAND, *command]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=folder)
    code, kilobytes, seconds = json.loads(done.stdout.splitlines()[-1])
    return code, kilobytes * 1_024 / 1e6, seconds
