"""Patterns over a log: as RE2 alone, as the rules look for them, and GNU grep's PCRE, in one run.

Usage: python benchmarks/grep.py [LINES]. A seeded generator writes the corpus (1 million lines unless said) to a
temporary folder. grep reads the file and counts; the engine counts rows of a loaded context.
"""

from __future__ import annotations

import math
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rlm_dsl.context.loading import load
from rlm_dsl.prefilters import matching
from rlm_dsl.runtime.warehouse import Warehouse
from rlm_dsl.sql import Sql, bound, name, sql

PATTERNS = (
    "payment failed",
    "ERROR",
    "^2024-03",
    r"user=4242\b",
    r"10\.\d+\.7\.\d+",
    "(?i)Refund",
    "(?i)payment FAILED",
    ".*ERROR.*timeout.*",
    "ERROR.*timeout",
    "(failed|reset|timeout|closed|refund|shipped)$",
    r"ms=\d{4,}",
    r"\[(auth|cart)\].*retry",
    r"user=(\d+) ip=10\.1\.",
)
LEVELS = ["INFO"] * 16 + ["WARN"] * 3 + ["ERROR"]
SERVICES = "auth billing search cart mail worker gateway storage".split()
WORDS = (
    "request user token cache miss retry payment failed timeout upstream connection reset invoice created queue "
    "message handler node disk latency accepted closed session order refund shipped address parse error warning page"
).split()


def corpus(path: Path, lines: int) -> None:
    """A seeded log of so many lines."""
    chance = random.Random(7)
    with path.open("w") as file:
        for _ in range(lines):
            at = f"2024-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:00:00"
            ip = ".".join(str(chance.randrange(256)) for _ in range(3))
            words = " ".join(chance.choice(WORDS) for _ in range(chance.randrange(3, 9)))
            head = f"{at} {chance.choice(LEVELS)} [{chance.choice(SERVICES)}] user={chance.randrange(100_000)}"
            file.write(f"{head} ip=10.{ip} ms={int(chance.expovariate(0.01))} {words}\n")


def median(work: Callable[[], int], rounds: int = 5) -> tuple[int, float]:
    """What the work found, and its median time in seconds."""
    taken, found = [], 0
    for _ in range(rounds):
        started = time.perf_counter()
        found = work()
        taken.append(time.perf_counter() - started)
    return found, statistics.median(taken)


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder, Warehouse() as warehouse:
        path = Path(folder) / "log.txt"
        corpus(path, lines)
        context = load("log", str(path))
        warehouse.load("log", context.schema, context.rows, context.own)
        grep = shutil.which("grep")

        def count(condition: Sql) -> Callable[[], int]:
            query = sql("SELECT count(*) FROM log WHERE {c}", c=condition)
            return lambda: int(warehouse.rows(query)[0][0])

        def counted(pattern: str) -> int:
            asked = [str(grep), "-cP", pattern, str(path)]
            return int(subprocess.run(asked, capture_output=True, text=True, env={"LC_ALL": "C"}, check=False).stdout)

        print(f"{lines:,} lines, {path.stat().st_size / 1e6:,.0f} MB; median of 5 runs, in seconds")
        print(f"{'pattern':48} {'rows':>9} {'RE2':>6} {'rules':>6} {'grep':>6}  rules/RE2 rules/grep")
        against_re2, against_grep = [], []
        for pattern in PATTERNS:
            plainly = sql("regexp_matches({t}, {p})", t=name("text"), p=bound(pattern))
            rows, alone = median(count(plainly))
            same, ruled = median(count(matching(name("text"), pattern)))
            assert rows == same, pattern
            against_re2.append(ruled / alone)
            peer = ""
            if grep:
                found, taken = median(lambda pattern=pattern: counted(pattern))  # type: ignore[misc]
                assert found == rows, pattern
                against_grep.append(ruled / taken)
                peer = f"{taken:6.3f}"
            ratio = f"{against_grep[-1]:10.2f}" if grep else ""
            print(f"{pattern:48} {rows:9,} {alone:6.3f} {ruled:6.3f} {peer:>6}  {against_re2[-1]:9.2f} {ratio}")
        for what, ratios in (("RE2 alone", against_re2), ("grep -P", against_grep)):
            if ratios:
                mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
                print(f"rules against {what}: geometric mean {mean:.2f}, worst {max(ratios):.2f}")


if __name__ == "__main__":
    main()
