"""Loading a log exactly, with bytes, lines and digest, beside `wc -l` and Python's own reading of lines, in one run.

Usage: python benchmarks/load.py [LINES]. The corpus is that of benchmarks/grep.py (1 million lines unless said).
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from grep import corpus

from rlm_dsl.context.loading import load


def seconds(work: Callable[[], object], rounds: int = 5) -> float:
    """The median of several runs."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        corpus(path, lines)
        assert load("log", str(path)).rows.num_rows == lines
        ours = seconds(lambda: load("log", str(path)))
        print(f"{lines:,} lines, {path.stat().st_size / 1e6:,.0f} MB; median of 5 runs")
        print(f"  load               {ours:6.3f} s")
        read = seconds(lambda: path.read_text(encoding="utf-8").splitlines())
        print(f"  Python splitlines  {read:6.3f} s  load takes {ours / read:.2f} times as long")
        if counter := shutil.which("wc"):
            peer = seconds(lambda: subprocess.run([counter, "-l", str(path)], capture_output=True, check=True))
            print(f"  wc -l              {peer:6.3f} s  load takes {ours / peer:.1f} times as long")


if __name__ == "__main__":
    main()
