"""The demo: verifies a recorded exploration, then runs its program on the recorded answers. No key, no network.

Usage: python examples/demo.py [--all]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = {
    "tickets": ("tickets", "examples/tickets/tickets.csv"),
    "oolong": ("oolong", "examples/oolong/context.txt"),
}


def command(*arguments: str) -> int:
    """Run rlm-dsl as a user would, showing what is typed."""
    print(f"\n$ rlm-dsl {' '.join(arguments)}\n", flush=True)
    code = "import sys; from rlm_dsl.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], check=False).returncode


def demo(name: str) -> int:
    """Verify the example's trace at every level, then run what it came to."""
    trace = f"traces/{name}.trace"
    context, path = DATA[name]
    failed = command("verify", trace)
    print(f"\nThe exploration asked: {question(trace)}")
    return failed or command("run", f"{trace}/program.rlm", "--context", f"{context}={path}", "--answers", trace)


def question(trace: str) -> str:
    import json

    return str(json.loads(Path(trace, "trace.json").read_text(encoding="utf-8"))["question"])


def main() -> int:
    os.chdir(ROOT)
    started = time.perf_counter()
    failed = [name for name in (DATA if "--all" in sys.argv else ["tickets"]) if demo(name)]
    if "--all" in sys.argv:
        print("\n$ python examples/stdlib/gold.py\n", flush=True)
        if subprocess.run([sys.executable, "examples/stdlib/gold.py"], check=False).returncode:
            failed.append("stdlib")
    print(f"\n{'failed: ' + ', '.join(failed) if failed else 'all well'}, {time.perf_counter() - started:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
