"""Cascades: a proxy decides where it is sure, its certificate holds, and a run withdraws it where it does not."""

from __future__ import annotations

import json
import random
from fractions import Fraction
from math import comb
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.proxies import proxies_of
from rlm_dsl.models.proxy_model import Proxy, tail
from rlm_dsl.optimize.certify import Target, fit_cascade, train_proxy
from rlm_dsl.optimize.statistics import most_errors
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.intents import laid_out, own, sampled
from tests.support.optional import needs
from tests.support.real import needs_real_data

pytestmark = needs("sklearn")
ACCURACY = Target.read("accuracy>=0.9", 0.1)


def answers(rows: list[tuple[str, str]], error: float, seed: int) -> dict[str, str]:
    """A stand-in for a model: right, but for a seeded share of the texts."""
    labels = sorted({label for _, label in rows})
    chance = random.Random(seed)
    return {text: chance.choice(labels) if chance.random() < error else label for text, label in rows}


def held_out(task: str, target: Target, seed: int, learn: int = 800, certify: int = 600) -> tuple[float, float, int]:
    """One draw: the share of held-out rows decided, the share of all of them decided unlike the model, their number."""
    said = list(answers(sampled(task, 8_000, seed), 0.02, seed).items())
    random.Random(seed).shuffle(said)
    if len(said) < 3 * certify:
        learn = certify = len(said) // 3
    labels = sorted({label for _, label in said})
    proxy = fit_cascade(dict(said[:learn]), dict(said[learn : learn + certify]), labels, target, seed)
    rest = said[learn + certify :]
    if proxy is None:
        return 0.0, 0.0, len(rest)
    decided = [(proxy.decide(text), label) for text, label in rest]
    wrong = sum(found is not None and found != label for found, label in decided)
    return sum(found is not None for found, _ in decided) / len(rest), wrong / len(rest), len(rest)


def broken(draws: list[tuple[float, float, int]], target: Target) -> int:
    """Draws in which the target surely did not hold: by three standard errors of what the held-out rows tell."""
    allowed = float(1 - target.share)
    return sum(wrong > allowed + 3 * (allowed * (1 - allowed) / count) ** 0.5 for _, wrong, count in draws)


@needs_real_data
@pytest.mark.parametrize("task", ["snips", "clinc-domains"])
def test_a_cascade_saves_half_the_calls_within_its_target(task: str) -> None:
    draws = [held_out(task, ACCURACY, seed) for seed in range(3)]
    assert broken(draws, ACCURACY) <= 1
    assert sum(share for share, _, _ in draws) / len(draws) >= 0.5


@pytest.mark.proof
@needs_real_data
@pytest.mark.parametrize(("task", "share"), [("snips", "0.95"), ("clinc-domains", "0.9"), ("banking77", "0.9")])
def test_over_200_seeds_the_target_fails_no_more_often_than_delta(task: str, share: str) -> None:
    target = Target.read(f"accuracy>={share}", 0.1)
    draws = [held_out(task, target, seed) for seed in range(200)]
    plainly = sum(wrong > 1 - float(share) for _, wrong, _ in draws)
    mean = sum(decided for decided, _, _ in draws) / len(draws)
    print(f"{task}: accuracy >= {share} missed in {plainly} of 200 held-out samples, {mean:.0%} of the calls saved")
    assert broken(draws, target) <= 20 and plainly <= 20 + 3 * (200 * 0.1 * 0.9) ** 0.5
    assert mean >= 0.5


@pytest.mark.parametrize("seeds", [4, pytest.param(40, marks=pytest.mark.proof)])
def test_recall_is_of_the_rows_that_the_model_keeps(seeds: int) -> None:
    target = Target.read("recall>=0.9", 0.1)
    missed = kept = saved = 0
    for seed in range(seeds):
        rows = [(text, label == "a1") for text, label in own(1_800)]
        chance = random.Random(seed)
        chance.shuffle(rows)
        said = [(text, holds != (chance.random() < 0.01)) for text, holds in rows]
        proxy = fit_cascade(dict(said[:400]), dict(said[400:1_200]), [False, True], target, seed)
        assert proxy is not None and proxy.thresholds[proxy.labels.index(True)] is None
        out = [(proxy.decide(text), holds) for text, holds in said[1_200:]]
        missed += sum(found is False and holds for found, holds in out)
        kept += sum(holds for _, holds in out)
        saved += sum(found is False for found, _ in out)
    assert missed / kept <= 0.1 and saved / (seeds * 600) >= 0.5


def test_bounds_are_those_of_the_binomial() -> None:
    for n, errors in ((59, 0), (100, 3), (800, 61)):
        bound = most_errors(errors, n, 0.05)
        exact = sum(comb(n, k) * Fraction(bound) ** k * (1 - Fraction(bound)) ** (n - k) for k in range(errors + 1))
        assert abs(float(exact) - 0.05) < 1e-6
    assert tail(10, 3, Fraction(1, 10)) == sum(
        comb(10, k) * Fraction(1, 10) ** k * Fraction(9, 10) ** (10 - k) for k in range(3, 11)
    )


def test_a_proxy_is_what_it_is_called_by() -> None:
    proxy = train_proxy(own(60), ["a1", "a2", "a3", "a4"])
    assert proxy is not None
    written = json.loads(json.dumps(proxy.as_json()))
    assert Proxy.from_json(written).digest == proxy.digest
    assert [proxy.margin(text) for text, _ in own(20)] == [Proxy.from_json(written).margin(text) for text, _ in own(20)]
    with pytest.raises(UserError, match="not what it is called by"):
        proxies_of({proxy.digest: {**written, "bias": [1, 2, 3, 4]}})
    for damaged in ({**written, "weights": "!"}, {**written, "labels": ["a1"]}, {}, {**written, "target": "x"}):
        with pytest.raises(UserError, match="no proxy"):
            Proxy.from_json(damaged)


def tuned(folder: Path, rows: list[tuple[str, str]]) -> Proxy:
    """A program with a cascade beside it, made from right answers."""
    laid_out(folder, rows)
    labels = sorted({label for _, label in rows})
    made = own(600)
    proxy = fit_cascade(dict(made[:300]), dict(made[300:]), labels, ACCURACY)
    assert proxy is not None
    (folder / "p.tuned.yaml").write_text(
        f"schema: rlm-tuned/1\nsteps:\n  kinds:\n  - call: classify\n    set: {{proxy: {proxy.digest}}}\n"
    )
    (folder / "p.proxies.json").write_text(json.dumps({proxy.digest: proxy.as_json()}))
    return proxy


def run(folder: Path, url: str, *more: str) -> Any:
    asked = ["--context", "tickets=t.csv", "--model", "m", "--base-url", url, "--json"]
    return command(folder, "run", "p.rlm", *asked, *more, OPENAI_API_KEY="k")


def test_a_run_asks_about_what_the_proxy_leaves_and_a_sample(tmp_path: Path) -> None:
    rows = own(160)
    proxy = tuned(tmp_path, rows)
    sure = sum(proxy.decide(text) is not None for text, _ in rows)
    with serve(gold=[{"text": text, "label": label} for text, label in rows]) as server:
        ran = run(tmp_path, server.base_url, "--trace", "run.trace")
        assert ran.code == 0, ran.err
        assert server.calls == 160 - sure + proxy.recheck < 100
        assert sum(row["n"] for row in json.loads(ran.out)) == 160
        calls = server.calls
        assert command(tmp_path, "verify", "run.trace", "--context", "tickets=t.csv").code == 0
        assert server.calls == calls
    steps = [json.loads(line) for line in (tmp_path / "run.trace/steps.jsonl").read_text().splitlines()]
    asked = next(step["asked"] for step in steps if step.get("asked"))
    assert asked["by_proxy"] == sure - proxy.recheck and asked["rechecked"] == proxy.recheck


@pytest.mark.one_a_call
def test_a_proxy_that_the_model_no_longer_bears_out_is_withdrawn(tmp_path: Path) -> None:
    """The model now answers otherwise: the sample shows it, and every row is asked."""
    rows = own(160)
    tuned(tmp_path, rows)
    turned = {"a1": "a2", "a2": "a3", "a3": "a4", "a4": "a1"}
    with serve(gold=[{"text": text, "label": turned[label]} for text, label in rows]) as server:
        ran = run(tmp_path, server.base_url, "--trace", "run.trace")
        assert ran.code == 0 and server.calls == 160
        assert "withdrawn" in command(tmp_path, "show", "run.trace").out
        assert command(tmp_path, "verify", "run.trace", "--context", "tickets=t.csv").code == 0


def test_seeded_errors_alone_do_not_withdraw_it(tmp_path: Path) -> None:
    """A model that is wrong in 3 of 100 rows does not refute a target of 90 %: in 40 runs at most 4 withdraw it."""
    proxy = train_proxy(own(60), ["a1", "a2", "a3", "a4"])
    assert proxy is not None
    certified = Proxy.from_json({**proxy.as_json(), "target": "9/10", "delta": "1/10"})
    refuted = 0
    for seed in range(40):
        chance = random.Random(seed)
        wrong = sum(chance.random() < 0.03 for _ in range(20))
        refuted += certified.refuted(20, wrong, Fraction(9, 10))
    assert refuted <= 4
    assert certified.refuted(20, 10, Fraction(9, 10))
