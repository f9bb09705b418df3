"""Weights of labels that are read by probability: what a model leans to counts for less, as labelled texts say."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

from rlm_dsl.optimize.program_changes.label_weights import fitted_weights
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.intents import own
from tests.support.optional import needs

pytestmark = needs("dspy", "optuna", "sklearn")
LABELS = ["a", "b", "c"]


def leaning(count: int, seed: int) -> list[tuple[dict[str, Decimal], str]]:
    """A model that knows something of each text, and holds `a` eight times as probable whatever it knows."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        right = chance.choice(LABELS)
        known = {label: (3.0 if label == right else 1.0) * chance.uniform(0.5, 1.5) for label in LABELS}
        known["a"] *= 8
        total = sum(known.values())
        found.append(({label: Decimal(str(share / total)) for label, share in known.items()}, right))
    return found


def right_by(pairs: list[tuple[dict[str, Decimal], str]], weights: dict[str, float]) -> int:
    return sum(max(odds, key=lambda label: float(odds[label]) * weights.get(label, 1)) == own for odds, own in pairs)


def test_a_leaning_is_found_on_some_texts_and_mended_on_others() -> None:
    learnt, held_out = leaning(60, 1), leaning(400, 2)
    weights = fitted_weights([odds for odds, _ in learnt], [label for _, label in learnt])
    assert weights["a"] < 0.4 < weights["b"]
    assert right_by(held_out, {}) < 170
    assert right_by(held_out, weights) > 250
    assert weights == fitted_weights([odds for odds, _ in learnt], [label for _, label in learnt])


def test_few_texts_and_odd_ones_move_little() -> None:
    assert fitted_weights([], []) == {}
    assert fitted_weights([{"a": Decimal(1), "b": Decimal(0)}], ["none of them"]) == {}
    alike = fitted_weights([{"a": Decimal("0.5"), "b": Decimal("0.5")}] * 2, ["a", "b"])
    assert alike == {"a": 1.0, "b": 1.0}
    one = fitted_weights([{"a": Decimal("0.5"), "b": Decimal("0.5")}], ["a"])
    assert 1 < one["a"] < 2
    none = fitted_weights([{"a": Decimal(1), "b": Decimal(0)}] * 3, ["b"] * 3)
    assert none["b"] > 1


def test_optimize_tries_weights_for_a_program_that_reads_labels_by_probability(tmp_path: Path) -> None:
    rows = [(text, {"label": label}) for text, label in own(80)]
    labels = sorted({answer["label"] for _, answer in rows})
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text, _ in rows))
    (tmp_path / "ex.jsonl").write_text("".join(json.dumps({"text": text, **answer}) + "\n" for text, answer in rows))
    (tmp_path / "p.rlm").write_text(
        f"answer tickets | classify(on=text, labels={json.dumps(labels)}, into=kind, probability=p, orders=2)\n"
    )
    with serve(gold=[{"text": text, **answer} for text, answer in rows], error_rate=0.2) as server:
        asked = ["--examples", "ex.jsonl", "--model", "m", "--base-url", server.base_url, "--unproved", "--json"]
        options = ["--optimizer", "bootstrap", "--context", "tickets=t.jsonl"]
        found = command(tmp_path, "optimize", "p.rlm", *options, *asked, OPENAI_API_KEY="k")
    assert found.code in (0, 1), found.err
    told = json.loads(found.out)
    assert any(point["name"].endswith("weighed") for point in told["points"]), told["points"]
    assert told["spent"]["calls"] <= sum(told["bound"].values())
