"""Runs whose rows go together, over HTTP: right to the row, recorded, verified, gone on with, and switched off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models import retry
from rlm_dsl.models.recording import Call
from rlm_dsl.testing import serve
from rlm_dsl.testing.server import Server
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.seal import write_seal
from rlm_dsl.traces import sql
from tests.replay.test_verify import answered, calls, codes
from tests.support.commands import command
from tests.support.paths import ROOT

CORPUS = ROOT / "tests" / "corpus"
LABELS = ["billing", "technical", "account"]
PROGRAM = f"a = log | classify(on=text, labels={json.dumps(LABELS)}, into=label)\nanswer a | select(line, label)\n"
SINGLES = 8
"""Rows that are asked alone of so few, to compare with."""


def label(number: int) -> str:
    return LABELS[number * number % 7 % 3]


def gold(count: int) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": label(n), "holds": n % 3 == 0, "why": f"w{n}"} for n in range(count)]


def right(rows: int) -> list[dict[str, Any]]:
    return [{"line": n + 1, "label": label(n)} for n in range(rows)]


@dataclass
class Desk:
    """A folder, a store, an endpoint at one address that knows 400 rows."""

    folder: Path
    port: int = 0

    def __post_init__(self) -> None:
        self.write(300)
        with serve(gold=gold(2)) as server:
            self.port = int(server.base_url.rpartition(":")[2].partition("/")[0])

    def write(self, rows: int) -> None:
        (self.folder / "log.txt").write_text("".join(f"text {n}\n" for n in range(rows)))

    def serving(self, **more: Any) -> Server:
        return serve(gold=gold(400), port=self.port, **more)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def data(self) -> dict[str, str]:
        return {"log": str(self.folder / "log.txt")}

    def run(self, trace: str, program: str = PROGRAM, **more: Any) -> Any:
        given = {"pack": "auto", "store": str(self.folder / f"{trace}.sqlite"), **more}
        return rlm_dsl.run(program, self.data, model="m", base_url=self.url, trace=self.folder / trace, **given)

    def holds(self, trace: str) -> bool:
        return rlm_dsl.verify(self.folder / trace, self.data).ok


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.01)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A run of 60 rows with its trace `t`; never changed, only copied."""
    desk = Desk(tmp_path_factory.mktemp("packed"))
    desk.write(60)
    with desk.serving():
        desk.run("t")
    return desk


def test_a_run_of_300_rows_in_twelve_requests(desk: Desk) -> None:
    with desk.serving() as server:
        found = desk.run("t")
        assert found.value == right(300) and server.calls == found.spent.calls == 12 and desk.holds("t")
        counts = found.steps[0].asked
        assert [counts[name] for name in ("rows", "ok", "requests", "packed", "packs")] == [300, 300, 12, 292, 4]
        assert counts["compared"] == counts["alike"] >= SINGLES + 2 * 4
        shown = command(desk.folder, "show", "t").out
        assert "12 requests, packed 73" in shown
        assert "a: packed 73 a request; agreement with single answers 100% (" in shown
        same = rlm_dsl.run(PROGRAM, desk.data, answers=desk.folder / "t", trace=desk.folder / "u")
        assert same.value == found.value and same.steps[0].asked == counts and desk.holds("u")
        desk.write(400)
        more = desk.run("v", store=str(desk.folder / "t.sqlite"))
        assert more.value == right(400) and server.calls == 12 + 2, "how many go together is known, and so are canaries"
        assert desk.holds("v")


@pytest.mark.parametrize(
    ("given", "env", "program", "requests"),
    [
        ([], {}, PROGRAM, 9),
        (["--pack", "1"], {}, PROGRAM, 60),
        (["--pack", "20"], {}, PROGRAM, 3),
        ([], {"RLM_DSL_PACK": "20"}, PROGRAM, 3),
        (["--pack", "auto"], {"RLM_DSL_PACK": "1"}, PROGRAM, 9),
        (["--pack", "20"], {}, PROGRAM.replace("into=label", "into=label, pack=50"), 2),
        ([], {}, PROGRAM.replace("into=label", "into=label, pack=1"), 60),
        (["--pack", "20"], {"yaml": "1"}, PROGRAM, 3),
        ([], {"yaml": "30"}, PROGRAM, 2),
    ],
)
def test_how_many_go_together_is_said_in_many_places(
    desk: Desk, given: list[str], env: dict[str, str], program: str, requests: int
) -> None:
    (desk.folder / "p.rlm").write_text(program)
    said = {"RLM_DSL_PACK": "auto", **env}
    if file := said.pop("yaml", None):
        (desk.folder / "rlm-dsl.yaml").write_text(f"pack: {file}\n")
    desk.write(60)
    with desk.serving() as server:
        where = ["--context", "log=log.txt", "--model", "m", "--base-url", desk.url]
        ran = command(desk.folder, "run", "p.rlm", *where, "--json", *given, **said)
    assert ran.code == 0 and json.loads(ran.out) == right(60), ran.err
    assert server.calls == requests


def test_no_number_of_rows_is_refused(desk: Desk) -> None:
    (desk.folder / "p.rlm").write_text(PROGRAM.replace("into=label", "into=label, pack=0"))
    where = ["--context", "log=log.txt", "--model", "m", "--base-url", desk.url]
    assert "pack=0 is no number of rows" in command(desk.folder, "run", "p.rlm", *where).err
    (desk.folder / "p.rlm").write_text(PROGRAM)
    for said in ("0", "-1", "many"):
        refused = command(desk.folder, "run", "p.rlm", *where, "--pack", said)
        assert refused.code == 2 and "no number of rows" in refused.err


ASK = 'a = log | ask("Why?", on=text, returns={why: text})\nanswer a | select(line, why)\n'
KEEP = 'answer log | keep("Is it good?", on=text) | select(line)\n'


def test_texts_in_a_models_own_words_go_alone_unless_it_is_said_and_truths_go_together(desk: Desk) -> None:
    desk.write(40)
    with desk.serving() as server:
        alone = desk.run("alone", ASK)
        assert server.calls == 40 and "packed" not in alone.steps[0].asked
        told = desk.run("told", ASK.replace("returns=", "pack=10, returns="))
        assert server.calls == 44 and told.value == alone.value == [{"line": n + 1, "why": f"w{n}"} for n in range(40)]
        kept = desk.run("kept", KEEP)
        assert server.calls == 44 + SINGLES + 1 and kept.value == [{"line": n + 1} for n in range(0, 40, 3)]
    assert desk.holds("told") and desk.holds("kept")


@pytest.mark.parametrize(("stored", "stops"), [(True, (3, SINGLES)), (False, (0, SINGLES + 1, -1))])
def test_a_run_that_is_stopped_goes_on_to_the_same_bytes_and_asks_nothing_twice(
    desk: Desk, stored: bool, stops: tuple[int, ...]
) -> None:
    desk.write(150)
    lapses: dict[str, Any] = {"pack_skip_rate": 0.01}
    with desk.serving(**lapses) as server:
        desk.run("whole")
        whole = [shown(each) for each in server.requests]
    for after in sorted({stop % len(whole) for stop in stops}):
        name, store = f"after {after}", f"after {after}{' ' * (not stored)}.sqlite"
        with desk.serving(down_after=after, **lapses) as server, pytest.raises(UserError) as stopped:
            desk.run(name, concurrency=1)
        assert stopped.value.exit_code == 3
        first = [shown(each) for each in server.requests[:after]]
        with desk.serving(**lapses) as server:
            found = rlm_dsl.resume(desk.folder / name, store=str(desk.folder / store))
            asked = first + [shown(each) for each in server.requests]
        assert found.value == right(150) and desk.holds(name)
        assert sorted(asked) == sorted(whole), "what the run that was not stopped asked, each once"
        for part in ("answer.json", "steps.jsonl", "plan.sql"):
            assert (desk.folder / name / part).read_bytes() == (desk.folder / "whole" / part).read_bytes()


def shown(received: Any) -> str:
    return str(received.body["messages"][-1]["content"])


def test_a_rerun_asks_one_pack_for_three_new_rows_and_nothing_where_nothing_is_new(
    packed: Desk, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, packed.port)
    desk.port = packed.port
    shutil.copytree(packed.folder / "t", tmp_path / "t")
    with desk.serving() as server:
        desk.write(60)
        again = rlm_dsl.rerun(tmp_path / "t", desk.data, to=tmp_path / "same", store=":memory:")
        assert server.calls == 0 and again.result.value == right(60) and desk.holds("same")
        desk.write(63)
        more = rlm_dsl.rerun(tmp_path / "t", desk.data, to=tmp_path / "more", store=":memory:")
        assert more.result.value == right(63) and desk.holds("more")
        assert [len(shown(each).split("\n")) for each in server.requests] == [4], "three rows and a canary"
        third = rlm_dsl.rerun(tmp_path / "more", desk.data, to=tmp_path / "third", store=":memory:")
        assert server.calls == 1 and third.result.value == right(63) and desk.holds("third")


def test_two_runs_at_once_share_what_they_ask(desk: Desk) -> None:
    with desk.serving(latency=0.02) as server, ThreadPoolExecutor(2) as pool:
        store = str(desk.folder / "one.sqlite")
        runs = [pool.submit(desk.run, name, store=store) for name in ("a", "b")]
        assert [each.result().value for each in runs] == [right(300)] * 2
        assert len({shown(each) for each in server.requests}) == server.calls <= 16
    assert desk.holds("a") and desk.holds("b")


def test_a_budget_is_kept_and_one_that_is_too_small_is_refused_before_anything_leaves(desk: Desk) -> None:
    with desk.serving(pack_skip_rate=0.02) as server:
        with pytest.raises(UserError, match="11"):
            desk.run("small", budget={"calls": 10})
        assert server.calls == 0
        for most in (11, 14, 20):
            before = server.calls
            try:
                desk.run(f"most {most}", budget={"calls": most})
            except UserError as failure:
                assert failure.exit_code == 3
            assert server.calls - before <= most
        assert server.calls > 11


@pytest.mark.parametrize("size", ["auto", 20])
def test_batches_take_packs(desk: Desk, size: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rlm_dsl.models.batch_api import batches

    monkeypatch.setattr(batches, "FIRST_POLL", 0.01)
    desk.write(100)
    with desk.serving() as server:
        found = desk.run("t", batch=True, pack=size)
        assert found.value == right(100) and desk.holds("t")
        assert server.calls == (100 if size == "auto" else 5) and len(server.batches) == 1


# --- forged


def request_of(row: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(row["request"])
    return value


def is_pack(row: dict[str, Any]) -> bool:
    return bool(request_of(row).get("rows"))


def asked_otherwise(row: dict[str, Any], change: Callable[[dict[str, Any]], None], key: bool = False) -> None:
    """A request with a change; under a key of its own where that is said."""
    request = request_of(row)
    change(request)
    row["request"] = json.dumps(request, ensure_ascii=False, sort_keys=True)
    if key:
        row["key"] = Call.from_json(row).request.key


def from_packs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if json.loads(row["answer"]).get("pack")]


def other(text: str) -> str:
    at = next(each for each in LABELS if each in text)
    return text.replace(at, LABELS[LABELS.index(at) - 1])


def row_turned(rows: list[dict[str, Any]]) -> None:
    row = from_packs(rows)[0]
    answered(row, other(json.loads(row["answer"])["text"]))


def pack_turned(rows: list[dict[str, Any]]) -> None:
    row = next(filter(is_pack, rows))
    text = json.loads(row["answer"])["text"]
    answered(row, text.replace("1a", "1#").replace("1b", "1a").replace("1#", "1b").replace("1c", "1a"))


def pack_and_rows_turned(rows: list[dict[str, Any]]) -> None:
    """A row's answer and its pack's, both to the same other one: the answer is another then."""
    row = from_packs(rows)[0]
    pack = next(each for each in rows if each["key"] == json.loads(row["answer"])["pack"])
    place = request_of(pack)["rows"].index(row["key"])
    text = other(json.loads(row["answer"])["text"])
    answered(row, text)
    said = json.loads(json.loads(pack["answer"])["text"])["label"].split(" ")
    said[place] = f"{place + 1}{'abc'[LABELS.index(json.loads(text)['label'])]}"
    answered(pack, json.dumps({"label": " ".join(said)}))


def text_of_pack(request: dict[str, Any]) -> None:
    message = request["messages"][-1]
    message["content"] = message["content"].replace("text ", "TEXT ", 1)


def pack_dropped(rows: list[dict[str, Any]]) -> None:
    rows.remove(next(filter(is_pack, rows)))


def row_dropped_from_pack(rows: list[dict[str, Any]]) -> None:
    """The pack no longer names the row, nor shows it."""
    row = from_packs(rows)[0]
    pack = next(each for each in rows if each["key"] == json.loads(row["answer"])["pack"])

    def change(request: dict[str, Any]) -> None:
        request["rows"][request["rows"].index(row["key"])] = "0" * 64

    asked_otherwise(pack, change)


def rows_changed_about(rows: list[dict[str, Any]]) -> None:
    pack = next(filter(is_pack, rows))
    asked_otherwise(pack, lambda request: request["rows"].reverse())


def said_of_no_pack(rows: list[dict[str, Any]]) -> None:
    row = from_packs(rows)[0]
    answer = json.loads(row["answer"])
    another = next(each["key"] for each in rows if each["key"] != answer["pack"])
    row["answer"] = json.dumps({**answer, "pack": another})


FORGED: dict[str, tuple[Callable[[list[dict[str, Any]]], None], set[str]]] = {
    "a row's answer": (row_turned, {"D11"}),
    "a pack's answer": (pack_turned, {"D11"}),
    "both": (pack_and_rows_turned, {"D05", "D10", "D06"}),
    "a pack's text": (lambda rows: asked_otherwise(next(filter(is_pack, rows)), text_of_pack), {"D07"}),
    "a pack's text and key": (
        lambda rows: asked_otherwise(next(filter(is_pack, rows)), text_of_pack, True),
        {"D07", "D11"},
    ),
    "no pack": (pack_dropped, {"D11"}),
    "a row of another pack": (said_of_no_pack, {"D11"}),
    "a pack without the row": (row_dropped_from_pack, {"D11"}),
    "rows the other way round": (rows_changed_about, {"D07"}),
}


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_of_a_pack_is_found(packed: Desk, name: str, tmp_path: Path) -> None:
    shutil.copytree(packed.folder / "t", tmp_path / "t")
    change, wanted = FORGED[name]
    calls(tmp_path / "t", change)
    write_seal(tmp_path / "t")
    found = rlm_dsl.verify(tmp_path / "t", packed.data)
    assert not found.ok and codes(found) & wanted, codes(found)


# --- what reads traces


def test_a_pack_is_a_call_with_rows_and_no_row_of_a_step(packed: Desk, tmp_path: Path) -> None:
    query = "select count(*), count(rows), max(rows), count(pack) from calls"
    _, [found] = sql(packed.folder / "t", query)
    assert found == (60 + 1, 1, 60, 52)
    _, held = sql(packed.folder / "t", "select shown, answer from calls where rows is null")
    assert {json.loads(answer)["label"]: None for _, answer in held}.keys() == set(LABELS)
    assert sorted(text for text, _ in held) == sorted(f"text {n}" for n in range(60))
    assert "packs.size" in (packed.folder / "t" / EVENTS).read_text()


def test_runs_of_the_earlier_form_still_verify_and_give_their_answers(tmp_path: Path) -> None:
    """Recorded when rows that went together were a JSON list, and had no answers of their own: four a request, of which
    one was no JSON, so that its rows were asked one by one."""
    zipped = CORPUS / "earlier_packs.trace.zip"
    (tmp_path / "log.txt").write_text("".join(f"text {n}\n" for n in range(9)))
    data = {"log": str(tmp_path / "log.txt")}
    assert rlm_dsl.verify(zipped, data).ok
    _, [[singles, packs]] = sql(zipped, "select count(*) filter (shown not like '[%'), count(rows) from calls")
    assert (singles, packs) == (5, 0)
    program = 'a = log | classify(on=text, labels=["good", "bad"], into=label)\nanswer a | select(line, label)\n'
    again = rlm_dsl.run(program, data, answers=zipped)
    assert [row["label"] for row in again.value] == ["good" if n % 3 else "bad" for n in range(9)]


def test_what_optimizing_proved_of_a_step_goes_before_what_settings_say_of_all(desk: Desk) -> None:
    desk.write(60)
    with desk.serving() as server:
        found = desk.run("t", rows_per_call={"a": 30}, pack=1)
        assert found.value == right(60) and server.calls == 2 and desk.holds("t")
