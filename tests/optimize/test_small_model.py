"""A smaller model decides where it is sure, within a certificate, and the larger one answers the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.proxies import proxies_of
from rlm_dsl.models.small_model import SmallModel, sureness
from rlm_dsl.optimize.certify import Target, fit_small_model
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.intents import laid_out, own
from tests.support.optional import needs

TARGET = Target.read("accuracy>=0.9", 0.1)
SMALL = SmallModel(("a", "b"), "small", 1, False, (None, None), "1", "1/10", 20, {})


def test_thresholds_are_certified_by_answers_of_the_larger_model() -> None:
    said = {f"t{n}": ("a" if n % 2 else "b", 9_000 if n < 150 else 6_000) for n in range(300)}
    right = {text: label for text, (label, _) in said.items()}
    unsure_wrong = {text: ("b" if n >= 150 and n % 3 == 0 else right[text]) for n, text in enumerate(right)}
    found = fit_small_model(SMALL, said, unsure_wrong, TARGET)
    assert found is not None
    assert 6_000 < (found.thresholds[0] or 0) <= 9_000
    assert found.certificate["decided"] == 150 and found.certificate["wrong"] == 0
    assert found.decide("a", 0.9) == "a" and found.decide("a", 0.6) is None and found.decide("a", None) is None
    assert fit_small_model(SMALL, said, dict.fromkeys(said, "a"), TARGET) is None
    assert fit_small_model(SMALL, {}, right, TARGET) is None
    assert sureness(False, 0.2) == 8_000 and sureness(True, 0.2) == 2_000 and sureness("a", 0.2) == 2_000


def test_what_is_read_is_what_was_written_and_odd_ones_are_refused() -> None:
    held = SMALL.as_json()
    assert proxies_of({SMALL.digest: held}) == {SMALL.digest: SMALL}
    with pytest.raises(UserError, match="not what it is called by"):
        proxies_of({SMALL.digest: {**held, "using": "other"}})
    for odd in ({"orders": 0}, {"thresholds": [0.5, None]}, {"labels": ["a"]}, {"using": 5}, {"target": "x"}):
        with pytest.raises(UserError, match="no proxy"):
            SmallModel.from_json({**held, **odd})


@needs("dspy", "optuna", "sklearn")
def test_optimize_finds_such_a_cascade_and_its_run_verifies(tmp_path: Path) -> None:
    rows = own(240)
    laid_out(tmp_path, rows)
    gold = [{"text": text, "label": label} for text, label in rows]
    with serve(gold=gold) as large, serve(gold=gold, error_rate=0.15) as small:
        settings = {
            "models": {
                "root": {"model": "large", "server": "large", "price": "1/1"},
                "sub": {"model": "large", "server": "large", "price": "1/1"},
                "small": {"model": "small", "server": "small", "price": "0.01/0.01"},
            },
            "servers": {"large": {"url": large.base_url}, "small": {"url": small.base_url}},
        }
        (tmp_path / "rlm-dsl.yaml").write_text(yaml.safe_dump(settings))
        asked = ["--cascade", "accuracy>=0.8", "--small", "small", "--optimizer", "bootstrap", "--words-only"]
        asked += ["--pick", "accuracy>=0.85"]
        told = ["--context", "tickets=t.csv", "--examples", "ex.jsonl", "--unproved", "--json"]
        found = command(tmp_path, "optimize", "p.rlm", *told, *asked, OPENAI_API_KEY="k")
        assert found.code in (0, 1), found.err
        report = json.loads(found.out)
        (cascade,) = [point for point in report["points"] if "cascade" in point["name"]]
        alone = next(point for point in report["points"] if point["name"] == "as it is")
        assert cascade["cost"] < 0.9 * alone["cost"]
        proxies = json.loads((tmp_path / "p.proxies.json").read_text())
        assert [each["using"] for each in proxies.values()] == ["small"]
        before, calls = large.calls, large.calls + small.calls
        files = {path: path.read_bytes() for path in tmp_path.glob("p.*")}
        for path in tmp_path.glob("p.[tp]*"):
            path.unlink()
        again = command(tmp_path, "optimize", "p.rlm", *told, *asked, OPENAI_API_KEY="k")
        assert "came to its end before" in again.err and json.loads(again.out)["test"] == report["test"]
        assert large.calls + small.calls == calls and {path: path.read_bytes() for path in files} == files
        assert [each.name for each in (tmp_path / "runs").iterdir()] == ["p.optimize"]
        assert rlm_dsl.verify(tmp_path / "runs" / "p.optimize").ok
        ran = command(tmp_path, "run", "p.rlm", "--context", "tickets=t.csv", "--trace", "t", OPENAI_API_KEY="k")
        assert ran.code == 0, ran.err
        assert "by proxy" in ran.out + ran.err
        assert large.calls - before < 240
    assert rlm_dsl.verify(tmp_path / "t").ok
