"""What remains wrong where a model loses its place among several rows: runs of 1,000 rows against the testing endpoint.

    python benchmarks/pack_lapses.py

In: nothing. Out: a line a kind of lapse: runs, rows, rows that are wrong, calls, agreement as it is told. Law: the port
is said, as keys depend on the address, so that the same figures come again. Each row's answer alone is right.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import rlm_dsl
from rlm_dsl.testing import serve

PORT, ROWS, RUNS = 18_808, 1_000, 10
LABELS = ["billing", "technical", "account", "shipping"]
PROGRAM = f"a = log | classify(on=text, labels={json.dumps(LABELS)}, into=label)\nanswer a | select(label)\n"
LAPSES: dict[str, dict[str, Any]] = {
    "none": {},
    "one line in 200 is left out": {"pack_skip_rate": 0.005},
    "from one line in 200 on, each gets the next one's answer": {"pack_shift_rate": 0.005},
    "more than 20 rows are all confused": {"pack_limit": 20},
}


def run(folder: Path, seed: int, lapse: dict[str, Any]) -> tuple[int, int, int, int]:
    """Wrong rows, calls, rows compared and those answered alike."""
    chosen = random.Random(seed)
    gold = [{"text": f"message {number} of {seed}", "label": chosen.choice(LABELS)} for number in range(ROWS)]
    (folder / "log.txt").write_text("".join(f"{row['text']}\n" for row in gold))
    with serve(gold=gold, seed=seed, port=PORT, **lapse) as server:
        given = {"model": "m", "base_url": server.base_url, "pack": "auto", "store": ":memory:"}
        found = rlm_dsl.run(PROGRAM, {"log": folder / "log.txt"}, budget={"calls": 5_000, "tokens": 10**8}, **given)
    asked = found.steps[0].asked or {}
    wrong = sum(row["label"] != right["label"] for row, right in zip(found.value, gold, strict=True))
    return wrong, server.calls, asked.get("compared", 0), asked.get("alike", 0)


def main() -> None:
    for name, lapse in LAPSES.items():
        with tempfile.TemporaryDirectory() as folder:
            came = [run(Path(folder), seed, lapse) for seed in range(RUNS)]
        wrong, calls, compared, alike = (sum(each) for each in zip(*came, strict=True))
        most = max(each[0] for each in came)
        print(
            f"{name}: {RUNS} runs of {ROWS:,} rows: {wrong:,} wrong (at most {most} in a run), "
            f"{calls / RUNS:.0f} calls a run, agreement {alike / compared:.1%}"
        )


if __name__ == "__main__":
    main()
