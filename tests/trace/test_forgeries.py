"""Forged traces: with the head that was kept none verifies, and without it nothing that can be computed again does.

In: recorded runs of several kinds. Out: nothing but a verdict; `pytest tests/trace/test_forgeries.py -m proof -s` walks
every file, path, column and row, and prints the counts. Law: a forger owns the whole trace and seals it again.
"""

from __future__ import annotations

import datetime
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.testing import serve
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import Trace
from tests.engine.test_cascade import own, tuned
from tests.support import runs
from tests.support.commands import command
from tests.support.forging import Forgery, forged, forgeries, json_change, put

Data = Mapping[str, Any]
BOUND_BY_THE_HEAD_ALONE = frozenset({EVENTS, "trace.json", "payload/calls.parquet"})
"""Files of which some parts follow from nothing else: times, names, settings, what a root model was asked."""


def explored(folder: Path) -> tuple[Path, Data]:
    return runs.asked(folder, 12), {"tickets": str(folder / "tickets.csv")}


def plain(folder: Path) -> tuple[Path, Data]:
    return runs.recorded(folder, 12), {"tickets": str(folder / "tickets.csv")}


def batched(folder: Path) -> tuple[Path, Data]:
    return runs.recorded(folder, 12, batch=True), {"tickets": str(folder / "tickets.csv")}


def packed(folder: Path) -> tuple[Path, Data]:
    return runs.recorded(folder, 12, pack=5), {"tickets": str(folder / "tickets.csv")}


def made_again(folder: Path) -> tuple[Path, Data]:
    parent = runs.recorded(folder, 12)
    with serve(gold=runs.gold(20)) as server:
        (folder / "more.csv").write_text(runs.csv(14))
        again = {"store": ":memory:", "base_url": server.base_url}
        rlm_dsl.rerun(parent, {"tickets": str(folder / "more.csv")}, to=folder / "again.trace", **again)
    return folder / "again.trace", {"tickets": str(folder / "more.csv")}


def redacted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Data]:
    monkeypatch.setenv("SHOP_TOKEN", "card was charged")
    (folder / "tickets.csv").write_text(runs.csv(12))
    data = {"tickets": str(folder / "tickets.csv")}
    with serve(fallback="first") as server:
        more = {"model": "m", "base_url": server.base_url, "store": ":memory:"}
        rlm_dsl.run(runs.PROGRAM, data, trace=folder / "run.trace", **more)
    assert "‹secret:" in (folder / "run.trace" / "trace.json").read_text()
    return folder / "run.trace", data


def with_sub_runs(folder: Path) -> tuple[Path, Data]:
    (folder / "docs").mkdir()
    (folder / "docs" / "a.txt").write_text("my parcel\nhello\nparcel two")
    (folder / "docs" / "b.txt").write_text("no such thing")
    program = (
        "context docs: table(path: text, text: text)\n"
        'answer docs | recurse("How many lines?", returns=int, into=n) | select(path, n)'
    )
    turns = ["show text | take(2)", 'answer text | grep(r"parcel", on=text) | count()']
    with serve(script={"How many lines?": turns}) as server:
        more = {"model": "m", "base_url": server.base_url, "store": ":memory:"}
        rlm_dsl.run(program, {"docs": str(folder / "docs")}, trace=folder / "run.trace", **more)
    return folder / "run.trace", {"docs": str(folder / "docs")}


def cascaded(folder: Path) -> tuple[Path, Data]:
    rows = own(160)
    tuned(folder, rows)
    with serve(gold=[{"text": text, "label": label} for text, label in rows]) as server:
        asked = ["--context", "tickets=t.csv", "--model", "m", "--base-url", server.base_url, "--trace", "run.trace"]
        assert command(folder, "run", "p.rlm", *asked, OPENAI_API_KEY="k").code == 0
    return folder / "run.trace", {"tickets": str(folder / "t.csv")}


KINDS: Mapping[str, Callable[[Path], tuple[Path, Data]]] = {
    "exploration": explored,
    "run": plain,
    "batch": batched,
    "packs": packed,
    "rerun": made_again,
    "recurse": with_sub_runs,
    "cascade": cascaded,
}


def accepted(trace: Path, data: Data, **more: Any) -> bool:
    try:
        return rlm_dsl.verify(trace, data, **more).ok
    except UserError:
        return False


def tried(
    trace: Path, data: Data, all_of_them: Sequence[Forgery], folder: Path
) -> Iterator[tuple[Forgery, bool, bool]]:
    """Each forgery with whether verify takes it with the head that was kept, and without it."""
    head = Trace.open(trace).head
    assert accepted(trace, data, head=head)
    for forgery in all_of_them:
        to = forged(trace, forgery, folder / "forged")
        log = to / EVENTS
        if not (log.is_file() and forgery.file == EVENTS and log.read_bytes() == (trace / EVENTS).read_bytes()):
            yield forgery, accepted(to, data, head=head, level="files"), accepted(to, data)
        shutil.rmtree(to)


def judged(name: str, trace: Path, data: Data, all_of_them: Sequence[Forgery], folder: Path) -> None:
    taken, left, count = [], Counter[str](), Counter[str]()
    for forgery, with_head, without in tried(trace, data, all_of_them, folder):
        count[forgery.file] += 1
        left[forgery.file] += without
        taken += [forgery] if with_head else []
        assert not without or forgery.file in BOUND_BY_THE_HEAD_ALONE, (name, forgery)
    assert taken == [], name
    open_ = sum(left.values())
    print(
        f"{name}: {sum(count.values()):,} forgeries, found with the head all, without it all but {open_:,} {dict(left)}"
    )


def test_a_forged_exploration_is_found(tmp_path: Path) -> None:
    """A sample; the proof tries them all."""
    trace, data = explored(tmp_path)
    of_all = list(forgeries(trace))
    assert len(of_all) > 800
    judged("sample", trace, data, of_all[::61], tmp_path)


@pytest.mark.proof
@pytest.mark.parametrize("kind", [*KINDS, "redacted"])
def test_every_forgery_is_found(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace, data = redacted(tmp_path, monkeypatch) if kind == "redacted" else KINDS[kind](tmp_path)
    of_all = list(forgeries(trace))
    step = 1 if kind == "exploration" else len(of_all) // 150 + 1
    judged(kind, trace, data, of_all[::step], tmp_path)


# --- forgeries by name


def header_with(**fields: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        header = json.loads((folder / "trace.json").read_text())
        put(folder, "trace.json", [{**header, **fields}])

    return change


def rows_said(folder: Path) -> None:
    header = json.loads((folder / "trace.json").read_text())
    header["contexts"][0]["rows"] = 4
    put(folder, "trace.json", [header])


def other_program(folder: Path) -> None:
    """Another program with the answer that it has: all of it of another, sound trace."""
    other = folder.parent / "other"
    other.mkdir(exist_ok=True)
    shutil.rmtree(folder)
    shutil.copytree(runs.recorded(other, 9), folder)


def exchanged_pointers(folder: Path) -> None:
    path = next((folder / "payload").glob("step-002-*.parquet"))
    table = pq.read_table(path)
    hidden = next(name for name in table.column_names if name.startswith("#") and name != "#ord")
    at = table.column_names.index(hidden)
    turned = table.column(hidden).take([*range(1, table.num_rows), 0])
    pq.write_table(table.set_column(at, table.schema.field(hidden), turned), path)


def other_bodies(folder: Path) -> None:
    path = next((folder / "payload").glob("step-001-*.parquet"))
    table = pq.read_table(path)
    at = table.column_names.index("body")
    forged_bodies = table.column("body").take([1, 0, *range(2, table.num_rows)])
    pq.write_table(table.set_column(at, table.schema.field("body"), forged_bodies), path)


def second_line(folder: Path) -> None:
    lines = (folder / "steps.jsonl").read_text().splitlines()
    odd = {**json.loads(lines[0]), "rows": 5_000}
    (folder / "steps.jsonl").write_text("\n".join([json.dumps(odd), *lines]) + "\n")


def other_source(folder: Path) -> None:
    answer = json.loads((folder / "answer.json").read_text())
    answer["evidence"][0]["spans"][0]["source"] = "/etc/passwd"
    put(folder, "answer.json", [answer])


FORGED_WHOLLY = {
    "another question": header_with(question="Who is to blame?"),
    "another date": header_with(created=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC).isoformat()),
    "another budget": header_with(budget={"calls": 1, "tokens": 1}),
    "another trace": other_program,
}
FORGED_IN_PART = {
    "fewer rows in the header": rows_said,
    "pointers exchanged": exchanged_pointers,
    "bodies exchanged": other_bodies,
    "a step twice": second_line,
    "evidence of another file": other_source,
    "an answer of its own": json_change("answer.json", 0, ("parts", 0, "value"), lambda old: old + 1),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Data]:
    return explored(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("name", [*FORGED_WHOLLY, *FORGED_IN_PART])
def test_a_named_forgery_is_found(name: str, sound: tuple[Path, Data], tmp_path: Path) -> None:
    """What can be computed again is found without the head too; the rest is what the head is for."""
    trace, data = sound
    change = {**FORGED_WHOLLY, **FORGED_IN_PART}[name]
    to = forged(trace, Forgery("", name, "", change), tmp_path / "forged")
    assert not accepted(to, data, head=Trace.open(trace).head)
    if name in FORGED_IN_PART:
        assert not accepted(to, data)


def test_an_earlier_trace_says_what_its_head_leaves_open() -> None:
    report = rlm_dsl.verify(Path(__file__).parents[1] / "corpus" / "earlier_packs.trace.zip", level="files")
    assert report.ok and "its head commits to the log and the calls alone" in report.levels[1].what


def test_heads_are_kept_in_a_file_and_looked_up(tmp_path: Path) -> None:
    trace = runs.recorded(tmp_path, 12, heads=str(tmp_path / "heads.txt"))
    data = ["--context", f"tickets={tmp_path / 'tickets.csv'}"]
    [line] = (tmp_path / "heads.txt").read_text().splitlines()
    assert line == f"{Trace.open(trace).head}  run.trace"
    kept = command(tmp_path, "verify", "run.trace", "--heads", "heads.txt", *data)
    assert kept.code == 0 and "events, to the head that was kept as run.trace" in kept.out
    (tmp_path / "heads.txt").write_text(f"{'0' * 64}  another\n")
    refused = command(tmp_path, "verify", "run.trace", "--heads", "heads.txt", *data)
    assert refused.code == 1 and "its head is not one that was kept" in refused.out
    for text, said in {"": "holds no head", "no head\n": "heads.txt:1: 'no' is no head"}.items():
        (tmp_path / "heads.txt").write_text(text)
        bad = command(tmp_path, "verify", "run.trace", "--heads", "heads.txt", *data)
        assert bad.code == 2 and said in bad.err
