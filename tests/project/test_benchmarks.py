"""The benchmarks' tables are made from their results, their corpora are the same every time, a missing peer is said."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

from tests.support.paths import ROOT

RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Imports a module of the benchmarks, which is no package; what was imported is forgotten again."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


def held() -> dict[str, object]:
    found: dict[str, object] = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))
    return found


def test_the_documents_are_made_from_the_results(benchmark: type[ModuleType]) -> None:
    tables = benchmark("tables")
    again = "run `python benchmarks/run.py --write-docs`"
    docs = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert docs == tables.documented(docs, held()), again
    assert (RESULTS / "RESULTS.md").read_text(encoding="utf-8") == tables.results_page(held()), again


def test_every_benchmark_has_its_results(benchmark: type[ModuleType]) -> None:
    assert list(held()["benchmarks"]) == list(benchmark("run").NAMES)  # type: ignore[call-overload]


def test_the_results_name_no_place(benchmark: type[ModuleType]) -> None:
    text = (RESULTS / "results.json").read_text(encoding="utf-8")
    assert "/home/" not in text and "/tmp/" not in text and "/root/" not in text


def test_the_same_seed_gives_the_same_lines(benchmark: type[ModuleType]) -> None:
    corpora = benchmark("corpora")
    made = [corpora.log_lines(np.random.default_rng([7, 0]), 500) for _ in range(2)]
    assert made[0] == made[1] and made[0].count(b"\n") == 500
    assert corpora.cut(b"a\nbc\nd\n", 3) == b"a\nbc\n" and corpora.cut(b"a\n", 9) == b"a\n"


def test_a_missing_peer_and_goals_are_told(benchmark: type[ModuleType]) -> None:
    measure, tables = benchmark("measure"), benchmark("tables")
    here, gone = measure.compared("x", lambda: None, {"here": lambda: None, "gone": None}, rounds=2)
    assert here.ratio is not None and gone.ratio is None and "not installed" in tables.line_of(gone)
    assert measure.measure_of(json.loads(json.dumps(here.as_json()))) == here
    assert [measure.Goal(2, 1).met(n) for n in (3, 2, 1)] == ["missed", "reached", "ideal"]
    assert [measure.Goal(4, 5, more=True).met(n) for n in (3, 4, 5)] == ["missed", "reached", "ideal"]
