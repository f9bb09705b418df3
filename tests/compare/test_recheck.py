"""Rows asked again today: a model that was silently changed is seen, one that was not is not; the record verifies."""

from __future__ import annotations

import json
from pathlib import Path

from rlm_dsl import api
from rlm_dsl.testing import serve
from tests.support.commands import Ran, command
from tests.support.runs import csv, gold

PROGRAM = """\
topics = tickets | classify(on=body, labels=["billing", "other"], into=topic)
answer topics | where(topic == "billing") | count()
"""


def ran(folder: Path, *more: str) -> Ran:
    return command(folder, "recheck", "run.trace", "--rows", "20", *more, OPENAI_API_KEY="k")


def turned(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**row, "label": "billing" if row["label"] == "other" else "other"} for row in rows]


def test_a_changed_model_is_seen_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(csv(40))
    known = gold(40)
    with serve(gold=known) as server:
        contexts, store = {"tickets": str(tmp_path / "tickets.csv")}, str(tmp_path / "s.sqlite")
        api.run(PROGRAM, contexts, model="m", base_url=server.base_url, trace=tmp_path / "run.trace", store=store)
        before, port = server.calls, server.base_url
        same = ran(tmp_path, "--trace", "same.trace", "--json")
        assert same.code == 0, same.err
        told = json.loads(same.out)
        assert (told["asked"], told["same"], told["rows"]) == (20, 20, 40) and 0.8 < told["low"] < told["high"] == 1
        assert server.calls - before == 20 and "asked again" in same.err  # today, from no store
        refused = ran(tmp_path, "--trace", "none.trace", "--budget", "calls=5")
        assert refused.code == 3 and server.calls - before == 20 and "budget" in refused.err
        checked = api.verify(tmp_path / "same.trace")
        told_of = [(level.name, level.status, level.divergences) for level in checked.levels]
        assert checked.ok and len(checked.levels) == 9, told_of
    with serve(gold=turned(known), port=int(port.rsplit(":", 1)[1].split("/")[0])):
        other = ran(tmp_path, "--trace", "other.trace")
        assert other.code == 1 and "answers otherwise than it did" in other.out, other.out + other.err
    report = tmp_path / "other.trace" / "report.json"
    assert json.loads(report.read_text())["same"] == 0
    report.write_text(report.read_text().replace('"same": 0', '"same": 20'))
    forged = api.verify(tmp_path / "other.trace")
    assert [level.name for level in forged.levels if level.status == "failed"] == ["files", "answer"]


def test_a_step_that_reads_probabilities_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(csv(10))
    program = 'answer tickets | classify(on=body, labels=["billing", "other"], probability=p)'
    with serve(gold=gold(10)) as server:
        given = {"model": "m", "base_url": server.base_url, "store": str(tmp_path / "s.sqlite")}
        api.run(program, {"tickets": str(tmp_path / "tickets.csv")}, trace=tmp_path / "run.trace", **given)
        calls = server.calls
        refused = ran(tmp_path)
        assert refused.code == 2 and "reads its answers from probabilities" in refused.err and server.calls == calls
