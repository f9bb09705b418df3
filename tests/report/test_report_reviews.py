"""Reports over months with reviews: what is missing, whether a change exceeds the error, agreement that falls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlm_dsl.review.session import open_session
from rlm_dsl.testing import serve
from tests.support.commands import Ran, command

MONTHS = ("2026-01", "2026-02", "2026-03")
SPEC = """\
title: Billing, {period}
contexts:
  tickets: data-{period}.csv
program: p.rlm
sections:
- text: "{total} were billing."
- chart: by
  x: user
  y: n
reviews: 20 each period
"""
PROGRAM = """\
topics = tickets | classify(on=body, labels=["billing", "other"], into=topic)
billing = topics | where(topic == "billing")
answer {total: count(billing), by: billing | group(by=user, n=count())}
"""


def body(month: str, n: int) -> str:
    return f"{'charged twice' if n % 3 == 0 else 'how do I log in'} ({month} {n})"


def label(text: str) -> str:
    return "billing" if text.startswith("charged") else "other"


def review(trace: Path, labels: Path) -> None:
    with open_session(trace, labels=labels, rows=20) as session:
        while (item := session.next()) is not None:
            session.answer(item, label(item.text))


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Ran]:
    """A report each month, twice: before and after its rows were reviewed; the model of the last is wrong in half."""
    (tmp_path / "p.rlm").write_text(PROGRAM)
    (tmp_path / "report.yaml").write_text(SPEC)
    found = {}
    for month in MONTHS:
        texts = [body(month, n) for n in range(60)]
        rows = "".join(f'u{n % 2},"{text}"\n' for n, text in enumerate(texts))
        (tmp_path / f"data-{month}.csv").write_text("user,body\n" + rows)
        gold = [{"text": text, "label": label(text)} for text in texts]
        with serve(gold=gold, error_rate=0.5 if month == MONTHS[-1] else 0.0) as server:
            words = ("report", "report.yaml", "--period", month, "--base-url", server.base_url, "--model", "m")
            found[f"{month} before"] = command(tmp_path, *words)
            review(tmp_path / "reports" / month / "traces" / "report.trace", tmp_path / "p.labels.jsonl")
            found[month] = command(tmp_path, *words)
    return found


def test_missing_reviews_changes_and_agreement_are_told(made: dict[str, Ran], tmp_path: Path) -> None:
    assert all(ran.code == 0 for ran in made.values()), [ran.err for ran in made.values()]
    first = made["2026-01 before"].out
    assert "topics: 20 of 20 rows of this period are not reviewed yet: rlm-dsl review " in first
    assert "--rows 20 --labels " in first and "p.labels.jsonl" in first and "no error is known of total" not in first
    assert "not reviewed yet" not in made["2026-01"].out and "by 20 reviewed rows" in made["2026-01"].out
    assert "20 of 20 rows of this period are not reviewed" in made["2026-02 before"].out
    assert "topics: agreement with people has not fallen: 100 % of 20" in made["2026-02"].out
    assert "Against the error: total 0 by the model; 0 (-" in made["2026-02"].out
    assert "not larger than the error" in made["2026-02"].out and "in both" not in made["2026-02"].out
    assert "agreement with people FELL" in made["2026-03"].out
    folder = tmp_path / "reports" / "2026-03"
    held = json.loads((folder / "report.json").read_text())["runs"][0]
    assert held["reviews"]["agreement"][0]["alarm"] and held["reviews"]["missing"] == []
    assert held["difference"]["reviews"][0]["larger_than_error"] in (True, False)
    assert "FELL" in (folder / "report.html").read_text() and "FELL" in (folder / "report.md").read_text()
    a, b = (str(tmp_path / "reports" / month / "traces" / "report-2.trace") for month in MONTHS[:2])
    differ = command(tmp_path, "diff", a, b)
    assert "reviewed   total  0 by the model; 0 (" in differ.out, differ.out
    (tmp_path / "report.yaml").write_text(SPEC.replace("20 each period", "some"))
    wrong = command(tmp_path, "report", "report.yaml", "--period", "2026-01")
    assert wrong.code == 2 and "reviews: 20 each period" in wrong.err
