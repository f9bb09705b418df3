"""Runs made anew: only what is new is asked, each request for one reason, which is said before it is asked."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.compare.reasons import Asked
from rlm_dsl.compare.rerun import Rerun
from rlm_dsl.language.operators.core.model_step import ROW_IS_DATA
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support import runs
from tests.support.commands import Ran
from tests.support.commands import command as run_command

ROWS = 30
WIDE = """\
param tone: text = "calm"
mine = tickets | where(user != "u0")
topics = mine | classify(on=body, labels=["billing", "other"], into=topic, guide="What does the {tone} writer want?")
moods = mine | classify(on=body, labels=["other", "billing"], into=mood)
answer {topics: topics | group(by=topic, n=count()), moods: moods | group(by=mood, n=count())}
"""


class Office:
    """A folder with tickets, an endpoint that knows them, and a recorded run; its store is never used again."""

    def __init__(self, folder: Path, program: str = runs.PROGRAM, **faults: Any) -> None:
        self.folder = folder
        self.server = serve(gold=runs.gold(100), fallback="first", **faults)
        self.write("tickets.csv", runs.csv(ROWS))
        self.parent = folder / "parent.trace"
        rlm_dsl.run(program, self.data("tickets.csv"), model="m", base_url=self.server.base_url, trace=self.parent,
                    store=":memory:")  # fmt: skip
        self.digest = digest(self.parent)
        self.told: list[tuple[int, Asked]] = []

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def data(self, name: str) -> dict[str, str]:
        return {"tickets": str(self.folder / name)}

    def again(self, name: str = "", **different: Any) -> tuple[int, Rerun]:
        """How many calls the server got, and the rerun; it is told what is asked before any of it comes."""
        before = self.server.calls

        def told(asked: Asked) -> None:
            self.told.append((self.server.calls - before, asked))

        contexts = self.data(name) if name else None
        to = self.folder / f"child-{len(list(self.folder.iterdir()))}.trace"
        found = rlm_dsl.rerun(self.parent, contexts, to=to, told=told, store=":memory:", **different)
        assert rlm_dsl.verify(to).ok and digest(self.parent) == self.digest
        return self.server.calls - before, found


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(path.name.encode() + (path.read_bytes() if path.is_file() else b""))
    return found.hexdigest()


def reasons(found: Rerun) -> dict[str, dict[str, int]]:
    return {asked.step: {told: n for (_, told), n in asked.reasons.items()} for asked in found.asked}


def test_nothing_that_is_known_is_asked_and_changed_rows_exactly(tmp_path: Path) -> None:
    office = Office(tmp_path)
    with office.server:
        calls, found = office.again()
        assert calls == 0 and not found.asked
        lines = runs.csv(ROWS).splitlines()
        for number in (2, 5, 11):
            lines[number] = lines[number].replace('"', '"again: ', 1)
        office.write("changed.csv", "\n".join([*lines, '31,u1,"is new"']) + "\n")
        calls, found = office.again("changed.csv", budget={"calls": 100, "tokens": 100_000}, price=rlm_dsl_price())
        assert calls == 4 and reasons(found) == {"topics": {"data": 4}} and found.again == 0
        assert office.told[0][0] == 0 and office.told[0][1].requests == 21, "told before anything is asked"
        assert office.told[0][1].most_usd
        header = Trace.open(found.result.trace or Path()).header
        assert header["parent"]["head"] == json.loads((office.parent / "seal.json").read_text())["predicate"]["head"]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One recorded run, made anew in many ways; it is never changed."""
    office = Office(tmp_path_factory.mktemp("wide"), WIDE)
    with office.server:
        yield office


def rlm_dsl_price() -> Any:
    from rlm_dsl.models.prices import Price

    return Price(1.0, 2.0)


@pytest.mark.parametrize(("different", "kind", "told"), [
    ({"at": "topics", "settings": ['labels=["billing", "other", "spam"]']}, "program", "labels changed"),
    ({"at": "topics", "settings": ['guide="What is it?"']}, "instruction", "guide changed"),
    ({"at": "topics", "settings": ['guide="What is it?"', 'labels=["other", "billing"]']}, "program", "labels changed"),
    ({"params": {"tone": "angry"}}, "parameters", "param tone changed"),
    ({"parameters": {"temperature": 0.5}}, "parameters", "temperature changed"),
    ({"model": {"sub": "another"}}, "model", "model changed"),
    ({"at": "mine", "settings": ['condition=user == "u0"']}, "program", "mine: condition changed"),
])  # fmt: skip
def test_each_reason_and_only_what_follows_from_it(
    wide: Office, different: dict[str, Any], kind: str, told: str
) -> None:
    _, found = wide.again(**different)
    (name, why), *others = [(each.step, each.reasons) for each in found.asked]
    assert name == "topics" and dict(why) == {(kind, told): found.asked[0].requests}
    both = "at" not in different or different["at"] == "mine"
    assert len(others) == int(both and "params" not in different), "a step beside the change is not asked again"


def test_the_earliest_reason_counts_and_names_are_no_reason(tmp_path: Path) -> None:
    office = Office(tmp_path)
    with office.server:
        office.write("more.csv", runs.csv(ROWS + 6))
        _, found = office.again("more.csv", model="another", at="topics", settings=['guide="What is it?"'])
        assert reasons(found) == {"topics": {"guide changed": 20, "data": 4}}
        renamed = runs.PROGRAM.replace("topics", "themes").replace("mine", "all_of_them")
        assert office.again(program=renamed + "\n# a comment\n")[0] == 0


def test_an_answer_that_was_refused_is_asked_again(tmp_path: Path) -> None:
    program = runs.PROGRAM.replace("into=topic", 'into=topic, on_error="null"')
    office = Office(tmp_path, program, at={"refusal": [3]})
    with office.server:
        calls, found = office.again()
        assert calls == 1 and reasons(found) == {"topics": {"no whole answer before": 1}}
        assert next(iter(found.asked[0].reasons))[0] == "parse"


def test_a_rerun_that_was_stopped_knows_its_parents_answers_when_it_goes_on(tmp_path: Path) -> None:
    office = Office(tmp_path)
    with office.server:
        office.write("more.csv", runs.csv(ROWS + 30))
        before = office.server.calls
        with pytest.raises(UserError, match="budget"):
            office.again("more.csv", budget={"tokens": 20_000, "calls": 5})
        child = next(path for path in tmp_path.glob("child-*.trace"))
        with pytest.raises(UserError, match="budget"):
            rlm_dsl.resume(child, store=":memory:")
        found = rlm_dsl.resume(child, store=":memory:", budget={"calls": 100})
        assert office.server.calls - before == 20 == found.spent.calls and rlm_dsl.verify(child).ok


def test_problems_are_told_as_of_any_run(tmp_path: Path) -> None:
    office = Office(tmp_path)
    with office.server:
        with pytest.raises(ProgramError, match="nowhere"):
            office.again(program="answer nowhere | count()")
        with pytest.raises(UserError, match="no step `topic`"):
            office.again(at="topic", settings=['labels=["a"]'])
        with pytest.raises(ProgramError, match="labels"):
            office.again(at="topics", settings=["labels=3"])
        (office.parent / "seal.json").rename(tmp_path / "kept.json")
        with pytest.raises(UserError, match="unfinished"):
            rlm_dsl.rerun(office.parent)
        shutil.move(tmp_path / "kept.json", office.parent / "seal.json")


def test_the_commands(tmp_path: Path) -> None:
    office = Office(tmp_path)

    def command(*words: str) -> Ran:
        return run_command(tmp_path, *words)

    with office.server:
        office.write("more.csv", runs.csv(ROWS + 3))
        dry = command("rerun", "parent.trace", "--context", "tickets=more.csv", "--dry-run")
        assert dry.code == 0 and "nothing was asked" in dry.out and "2 of 22 requests are new" in dry.err
        in_json = command("rerun", "parent.trace", "--context", "tickets=more.csv", "--dry-run", "--json")
        assert json.loads(in_json.out)["asked"][0]["new"] == 2, in_json
        same = ["--at", "topics", "--set", 'labels=["billing", "other"]']
        for words in (["rerun", "parent.trace"], ["what-if", "parent.trace", *same]):
            known = command(*words, "--dry-run")
            assert known.out == "nothing would be asked: every answer is known\n", known
            assert json.loads(command(*words, "--dry-run", "--json").out) == {"dry_run": True, "asked": []}
        before = office.server.calls
        done = command("rerun", "parent.trace", "--context", "tickets=more.csv", "--trace", "c.trace", "--price", "1/2")
        assert done.code == 0 and "topics: 2 of 22 requests are new: data 2; at most $0." in done.err
        assert "asked anew: 2 (data 2); compare: rlm-dsl diff parent.trace c.trace" in done.out
        assert office.server.calls - before == 2
        what = command(
            "what-if", "parent.trace", "--at", "topics", "--set", 'labels=["billing", "other", "spam"]', "--json"
        )
        told = json.loads(what.out)
        assert told["answer"]["total"] == 5 and told["asked"][0]["reasons"][0]["reason"] == "program", what.err
        assert "parent    parent.trace" in command("show", told["trace"]).out
        assert command("what-if", "parent.trace").code == 2
        assert "belong together" in command("what-if", "parent.trace", "--at", "topics").err


def test_a_run_of_earlier_operators_is_rerun_by_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ask` had other words once: a trace of then verifies, and made again it asks nothing."""
    asks = 'answer tickets | ask("What is wanted?", on=body, returns={topic: text}) | select(user, topic)'
    with monkeypatch.context() as then:
        then.setattr("rlm_dsl.engine.run.operator_versions", lambda: {"search": 3})
        then.setattr("rlm_dsl.language.check.steps.version_of", lambda operator, recorded: 1)
        office = Office(tmp_path, asks)
    requests = map(json.loads, Trace.open(office.parent).table("calls").column("request").to_pylist())
    assert {request["messages"][0]["content"] for request in requests} == {f"What is wanted?\n{ROW_IS_DATA}"}
    assert rlm_dsl.verify(office.parent).ok
    with office.server:
        calls, found = office.again()
    assert (calls, found.asked) == (0, ())
