"""A command of ours as a process of its own, watched from outside.

In: arguments of the command line. Out: exit code, peak memory, seconds. Law: the command is a grandchild, so that its
peak is its own and not that of the process that started it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WATCHED = """
import json, os, sys, time
started = time.perf_counter()
pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ,
                     file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, used = os.wait4(pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_maxrss, time.perf_counter() - started]))
"""
COMMAND = "from rlm_dsl.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Watched:
    """How a command ended: its peak in MB by the system's accounting, and its seconds."""

    code: int
    peak: float
    seconds: float

    @property
    def note(self) -> str:
        return f"{self.seconds:.1f} s" if self.code == 0 else f"stopped with exit code {self.code}"


def watched(folder: Path, *arguments: str) -> Watched:
    asked = [sys.executable, "-c", WATCHED, "-c", COMMAND, *arguments]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=folder)
    code, kilobytes, seconds = json.loads(done.stdout.splitlines()[-1])
    return Watched(code, kilobytes * 1_024 / 1e6, seconds)
