"""Citing: from each value of an answer to its bytes in the sources, through every way in which rows are united.

In: data, a program, the value to cite. Out: nothing but a verdict. Law: the places are those that plain reading of the
same data gives; what is shown is what the file holds there; a place that changed is told.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rlm_dsl import api, traces
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.replay.cite import Citation
from rlm_dsl.testing import serve
from tests.support.commands import command
from tests.support.runs import BILLING, billing_of, body, csv

COUNT = 40


@pytest.fixture
def trace(recorded_trace: Path) -> Path:
    return recorded_trace


def where(trace: Path) -> dict[str, str]:
    return {"tickets": str(trace.parent / "tickets.csv")}


def cited(trace: Path, wanted: str = "", **more: Any) -> dict[str, Citation]:
    return {citation.name: citation for citation in traces.cite(trace, wanted, where(trace), **more)}


def lines(citation: Citation) -> list[int]:
    return [place.span.first_line for place in citation.places]


def sound(citation: Citation, folder: Path) -> bool:
    """Whether each place's text and digest are of the file's own bytes there."""
    for place in citation.places:
        span = place.span
        held = Path(span.source).read_bytes()[span.start : span.end]
        same = (held.decode(), hashlib.sha256(held).hexdigest()) == (span.text, span.sha256)
        if not same or place.holds is not True:
            return False
    return bool(citation.places)


def test_a_value_is_cited_by_every_row_that_it_counts(trace: Path) -> None:
    total = cited(trace, "total")["total"]
    mine = sorted(billing_of("u1", COUNT) + billing_of("u2", COUNT))
    assert (total.value, total.count) == (len(mine), len(mine))
    assert lines(total) == [n + 1 for n in mine] and sound(total, trace.parent)


@pytest.mark.parametrize("row", [1, 2])
def test_a_row_of_a_group_is_cited_by_its_own_rows_alone(trace: Path, row: int) -> None:
    one = cited(trace, f"per_user[{row}]")[f"per_user[{row}]"]
    user, count = one.value
    assert lines(one) == [n + 1 for n in billing_of(user, COUNT)] and count == one.count
    assert sound(one, trace.parent) and all(BILLING in place.span.text for place in one.places)


def test_all_parts_are_cited_unless_one_is_named(trace: Path) -> None:
    every = cited(trace)
    assert list(every) == ["total", "per_user"] and every["per_user"].count == every["total"].count
    assert len(cited(trace, limit=2)["total"].places) == 2


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("totals", "did you mean `total`"),
        ("per_user[9]", "it has 2 rows"),
        ("per_user[0]", "it has"),
        ("total[1]", "total is a value, and has no rows\n  hint: cite it as `total`"),
        ("other", "its parts: total, per_user"),
        ("[1]", "no part"),
    ],
)
def test_what_is_not_there_is_said(trace: Path, wanted: str, told: str) -> None:
    with pytest.raises(UserError) as refused:
        cited(trace, wanted)
    assert told in str(refused.value)


# --- lineage, against a plain reading


@pytest.mark.parametrize("beside", ["", ", rows: people | take(1)"])
def test_the_fields_of_a_record_are_parts_with_or_without_a_table_beside(
    tmp_path: Path, both: dict[str, str], beside: str
) -> None:
    red = 'people | where(team == "red")'
    ran(tmp_path, f"answer {{n: count(people), red: {red} | count(), k: {{z: {red} | first(user)}}{beside}}}", both)
    assert places(tmp_path, "n", both) == [("people", 2), ("people", 3), ("people", 4)]
    assert places(tmp_path, "red", both) == [("people", 2), ("people", 3)]
    assert places(tmp_path, "k.z", both) == [("people", 2)]
    every = [one.name for one in traces.cite(tmp_path / "t.trace", "", both)]
    assert every[:2] == ["n", "red"]
    with pytest.raises(UserError, match="its parts: n, red, k"):
        traces.cite(tmp_path / "t.trace", "quite other", both)
    (tmp_path / "people.csv").write_text(PEOPLE.replace("u2,blue", "u2,grey"))
    (changed,) = traces.cite(tmp_path / "t.trace", "n", both)
    assert changed.value == 3 and not changed.holds


PEOPLE = "user,team\nu0,red\nu1,red\nu2,blue\n"


def ran(folder: Path, program: str, contexts: dict[str, str], **model: Any) -> Path:
    with serve(**model) as server:
        more = {"model": "m", "base_url": server.base_url, "store": ":memory:"} if model else {}
        api.run(program, contexts, trace=folder / "t.trace", **more)
    return folder / "t.trace"


@pytest.fixture
def both(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tickets.csv").write_text(csv(12))
    (tmp_path / "people.csv").write_text(PEOPLE)
    return {name: str(tmp_path / f"{name}.csv") for name in ("tickets", "people")}


def places(folder: Path, wanted: str, contexts: dict[str, str]) -> list[tuple[str, int]]:
    (one,) = traces.cite(folder / "t.trace", wanted, contexts)
    assert one.holds
    return [(Path(place.span.source).stem, place.span.first_line) for place in one.places]


def test_a_joined_row_is_cited_by_both_sides(tmp_path: Path, both: dict[str, str]) -> None:
    ran(tmp_path, "answer tickets | join(people, on=user) | where(id == 4) | select(id, team)", both)
    assert sorted(places(tmp_path, "[1]", both)) == [("people", 3), ("tickets", 5)]


def test_a_group_of_joined_rows_is_cited_by_all_of_them(tmp_path: Path, both: dict[str, str]) -> None:
    ran(tmp_path, "answer tickets | join(people, on=user) | group(by=team, n=count()) | sort(team)", both)
    found = places(tmp_path, "[1]", both)
    blue = [("tickets", n + 1) for n in range(1, 13) if n % 3 == 2]
    assert sorted(found) == sorted([*blue, ("people", 4)])


def test_a_reduced_value_is_cited_by_what_was_read(tmp_path: Path, both: dict[str, str]) -> None:
    program = 'answer tickets | where(user == "u1") | reduce("Say what they want.", on=body, into=want, by=user)'
    ran(tmp_path, program, both, gold=lambda text, schema: {"want": "help", "result": "help"})
    assert places(tmp_path, "[1]", both) == [("tickets", n + 1) for n in range(1, 13) if n % 3 == 1]


def test_an_extracted_row_is_cited_by_its_very_bytes(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("a=1 b=22\nc=333\n")
    data = {"log": str(tmp_path / "log.txt")}
    ran(tmp_path, r'answer log | extract(r"(?P<part>[a-z]=\d+)", on=text, all=true) | select(part)', data)
    citations = [traces.cite(tmp_path / "t.trace", f"[{row}]", data)[0] for row in (1, 2, 3)]
    assert [c.places[0].span.text for c in citations] == ["a=1", "b=22", "c=333"] == [c.value[0] for c in citations]
    assert [c.places[0].span.first_line for c in citations] == [1, 1, 2]


def test_a_quote_is_cited_by_its_own_bytes(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("the parcel came late\nall is well\n")
    data = {"notes": str(tmp_path / "notes.txt")}
    program = 'answer notes | ask("What is wrong?", on=text, returns={said: quote?}) | select(said)'
    ran(tmp_path, program, data, gold=lambda text, schema: {"said": "came late" if "late" in text else None})
    (citation,) = traces.cite(tmp_path / "t.trace", "", data)
    assert [(at, place.span.text) for at, place in citation.quotes] == [("said of row 1", "came late")]


def test_a_source_without_bytes_is_cited_by_its_row(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["one", "two", "three"]}), tmp_path / "t.parquet")
    data = {"t": str(tmp_path / "t.parquet")}
    ran(tmp_path, 'answer t | where(contains(text, "t")) | select(text)', data)
    (citation,) = traces.cite(tmp_path / "t.trace", "[2]", data)
    (place,) = citation.places
    assert (place.span.first_line, place.span.text, place.holds, citation.holds) == (3, "three", None, True)


def test_more_than_the_recorded_places_are_cited(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(csv(500))
    data = {"tickets": str(tmp_path / "tickets.csv")}
    ran(tmp_path, "answer tickets | where(id > 100) | count()", data)
    (citation,) = traces.cite(tmp_path / "t.trace", "", data, limit=None)
    assert citation.count == 400 == len(citation.places)
    assert lines(citation) == list(range(102, 502)) and sound(citation, tmp_path)


def test_an_answer_that_counts_a_whole_context_is_cited_by_it(tmp_path: Path, both: dict[str, str]) -> None:
    ran(tmp_path, "answer people | count()", both)
    assert places(tmp_path, "", both) == [("people", 2), ("people", 3), ("people", 4)]


def test_one_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    made = command(tmp_path, "run", "-", "--context", "t=t.csv", "--trace", "t.trace", stdin="answer {n: t, m: t}\n")
    assert "evidence of m: the place of n" in made.out, made
    assert "1 place read from the sources" in command(tmp_path, "cite", "t.trace", "m").out
    assert "t: 1 row from" in command(tmp_path, "show", "t.trace").out


# --- sources that moved or changed


@pytest.fixture
def copied(trace: Path, tmp_path: Path) -> Path:
    shutil.copytree(trace.parent, tmp_path / "copy")
    return tmp_path / "copy" / "run.trace"


def test_data_that_moved_is_cited_where_it_lies(copied: Path) -> None:
    assert all(citation.holds for citation in cited(copied).values())
    assert str(copied.parent) in cited(copied, "total")["total"].places[0].span.source


def test_a_changed_place_is_told_and_the_others_still_hold(copied: Path) -> None:
    path = copied.parent / "tickets.csv"
    first, second = sorted(billing_of("u1", COUNT) + billing_of("u2", COUNT))[:2]
    path.write_text(path.read_text().replace(f"{BILLING} ({second})", f"{BILLING} [{second}]"))
    total = cited(copied, "total")["total"]
    held = {place.span.first_line: place.holds for place in total.places}
    assert held[first + 1] is True and held[second + 1] is False and list(held.values()).count(False) == 1
    assert not total.holds
    with pytest.raises(UserError, match="not as it was"):
        cited(copied, "per_user[1]")


def test_data_that_is_gone_is_an_error_with_what_to_do(copied: Path) -> None:
    (copied.parent / "tickets.csv").unlink()
    with pytest.raises(UserError, match="there is no file"):
        cited(copied)


def test_a_longer_or_shorter_source_changes_no_recorded_place(copied: Path) -> None:
    path = copied.parent / "tickets.csv"
    path.write_text(path.read_text() + f'41,u1,"{body(44)}"\n')
    assert cited(copied, "total")["total"].holds
    path.write_text(csv(5))
    total = cited(copied, "total")["total"]
    assert [place.holds for place in total.places].count(True) == 1


# --- the command


def test_the_command_shows_places_with_their_text_and_is_bounded(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rlm_dsl import cli

    data = ["--context", f"tickets={copied.parent / 'tickets.csv'}"]
    assert cli.run(["cite", str(copied), "total", *data]) == 0
    told = capsys.readouterr().out
    assert told.count("sha256") == min(6, cited(copied, "total")["total"].count) and BILLING in told
    assert cli.run(["cite", str(copied), "--json", "--all", *data]) == 0
    parts = json.loads(capsys.readouterr().out)
    assert [part["part"] for part in parts] == [["total"], ["per_user"]]
    assert all(place["holds"] and place["text"] for part in parts for place in part["places"])
    packed = traces.pack(copied)
    assert (
        cli.run(["cite", str(packed), "total", *data]) == 0
        and capsys.readouterr().out.replace(str(packed), str(copied)) == told
    )
