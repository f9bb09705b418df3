"""Labels with meanings: what the model is told, in one request or in packs, recorded, verified and made again."""

from __future__ import annotations

from pathlib import Path

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.testing import serve
from tests.support import runs

MEANT = 'labels={"billing": "money, invoices", "other": "all else"}'
PROGRAM = f"topics = tickets | classify(on=body, {MEANT}, into=topic)\nanswer topics | group(by=topic, n=count())\n"
TOLD = 'What each means: {"billing": "money, invoices", "other": "all else"}\n'


def test_each_labels_meaning_is_told_kept_and_part_of_the_request(tmp_path: Path) -> None:
    data = tmp_path / "tickets.csv"
    data.write_text(runs.csv(100))
    with serve(gold=runs.gold(100)) as server:
        given = {"model": "m", "base_url": server.base_url, "store": str(tmp_path / "s.sqlite")}
        first = rlm_dsl.run(PROGRAM, {"tickets": str(data)}, trace=tmp_path / "a.trace", pack="auto", **given)
        heads = [request.body["messages"][0]["content"] for request in server.requests]
        assert first.value == [{"topic": "other", "n": 75}, {"topic": "billing", "n": 25}]
        assert all(TOLD in head for head in heads) and len(heads) < 50
        assert any('one label of: {"a": "billing", "b": "other"}' in head for head in heads), "codes in a pack"
        assert 'labels={billing: "money, invoices", other: "all else"}' in first.program
        assert rlm_dsl.verify(tmp_path / "a.trace").ok
        bound = f"kinds = {MEANT.removeprefix('labels=')}\n" + PROGRAM.replace(MEANT, "labels=kinds")
        assert rlm_dsl.run(bound, {"tickets": str(data)}, **given).spent.calls == 0, "the same by a name"
        plain = PROGRAM.replace(MEANT, 'labels=["billing", "other"]')
        again = rlm_dsl.rerun(tmp_path / "a.trace", program=plain, to=tmp_path / "b.trace", store=given["store"])
        assert [dict(asked.reasons) for asked in again.asked] == [{("program", "labels changed"): 100}]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ('{a: 1, b: "x"}', 'labels={a: "what it means", b: "..."}'),
        ('{a: "x"}', "at least two texts"),
        ('{a: "x", A: "y"}', "twice"),
    ],
)
def test_meanings_are_texts_of_two_labels_or_more(labels: str, says: str) -> None:
    with pytest.raises(ProgramError, match=says.replace("{", r"\{").replace(".", r"\.")):
        rlm_dsl.run(f"answer t | classify(on=x, labels={labels})", {"t": [{"x": "a"}]})
