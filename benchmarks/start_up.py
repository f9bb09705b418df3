"""Starting the command: the whole process of `rlm-dsl --help`, beside Python's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from measure import Effort, Goal, Measure, Spread, alternating, ratios

HELP = "from rlm_dsl.cli import main; main()"


def measures(effort: Effort) -> Iterator[Measure]:
    works = {
        "help": lambda: run("-c", HELP, "--help"),
        "python": lambda: run("-c", "pass"),
        "openai": lambda: run("-c", "import openai"),
    }
    taken = alternating(works, rounds=effort.of(3, 15))
    ours = Spread.of(taken["help"])
    yield Measure("rlm-dsl --help", ours, goal=Goal(reach=0.2, ideal=0.1))
    for peer, told in (("python", "python -c pass"), ("openai", "python -c 'import openai'")):
        yield Measure("rlm-dsl --help", ours, told, Spread.of(taken[peer]), ratios(taken["help"], taken[peer]))


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
