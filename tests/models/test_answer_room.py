"""An answer has the room that its type takes, and all that it may have where a model says more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl.common.source import Source
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.run import run_program
from rlm_dsl.language.answer_schema import json_schema
from rlm_dsl.language.types import BOOL, DATE, INT, TEXT, Enum, Field, ListOf, Nullable, Record
from rlm_dsl.models.budget import Estimate
from rlm_dsl.models.packs import form_of
from rlm_dsl.models.prices import Price
from rlm_dsl.models.request import estimated_tokens
from rlm_dsl.models.server.answer_room import SMALL, answer_room
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import pack_size, settings_of
from rlm_dsl.testing import serve
from tests.support.scripted_server import Reply, ScriptedServer, Sent, completion, error

LABEL = '{"label": "good"}'
CLASSIFY = 'answer log | classify(on=text, ["good", "bad"], into=label, guide="Which?")'


def room(type_: Any, **parameters: Any) -> int:
    return answer_room(json_schema(Record((Field("x", type_),))), parameters, 4096)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8, unique=True))
def test_every_label_fits_twice_and_far_below_the_limit(labels: list[str]) -> None:
    longest = max(estimated_tokens(json.dumps({"x": label})) for label in labels)
    assert 2 * longest < room(Enum(tuple(labels))) < 2 * longest + 100


def test_room_follows_from_the_type_and_is_all_where_there_is_no_longest_answer() -> None:
    for type_ in (BOOL, INT, DATE, Nullable(DATE), Record((Field("a", BOOL), Field("b", INT)))):
        assert 64 < room(type_) < 200
    assert 64 < room(ListOf(Enum(("a", "b")))) < 120
    for type_ in (TEXT, ListOf(INT), Nullable(TEXT), Record((Field("a", BOOL), Field("b", TEXT)))):
        assert room(type_) == 4096
    bounded = {"type": "object", "properties": {"x": {"type": "string", "maxLength": 50}}}
    assert 200 < answer_room(bounded, {}, 4096) < 400
    assert room(BOOL, reasoning_effort="high") == 4096 and room(BOOL, chat_template_kwargs={}) == 4096
    assert answer_room(json_schema(Record((Field("x", BOOL),))), {}, SMALL - 1) == SMALL - 1


def test_a_pack_has_room_for_all_its_codes() -> None:
    single = json_schema(Record((Field("x", Enum(("a", "b"))),)))
    form = form_of(single)
    said = " ".join(f"{number}a" for number in range(1, 101))
    found = answer_room(form.schema(single, 100), {}, 4096)
    assert 2 * estimated_tokens(said) <= found < 1_500


def ran(folder: Path, url: str, rows: int, **more: Any) -> Any:
    (folder / "log.txt").write_text("".join(f"row {number}\n" for number in range(rows)))
    given: dict[str, Any] = {"model": "m", "base_url": url, "store": str(folder / "s.sqlite"), "pack": 1, **more}
    return rlm_dsl.run(CLASSIFY, {"log": str(folder / "log.txt")}, **given)


def used(given: int, said: int) -> dict[str, int]:
    return {"prompt_tokens": given, "completion_tokens": said}


def thinking(sent: Sent) -> Reply:
    """A model that thinks before it answers, and takes 300 tokens for it."""
    most = sent.body["max_completion_tokens"]
    return completion("", "length", usage=used(10, most)) if most < 300 else completion(LABEL, usage=used(10, 310))


def refusing(sent: Sent) -> Reply:
    """OpenAI's words for the same."""
    words = "Could not finish the message because max_tokens or model output limit was reached. Please try again with"
    return error(400, f"{words} higher max_tokens.") if sent.body["max_completion_tokens"] < 300 else completion(LABEL)


MODEL_STEPS = {
    "label": 'classify(on=text, ["good", "bad", "neither of both"], into=label, guide="Which?")',
    "yes": 'keep("Is it good?", on=text)',
    "fields": 'ask("When, and how many?", on=text, returns={day: date, many: int, known: bool})',
    "text": 'ask("What is it?", on=text, returns={what: text})',
}


@pytest.mark.parametrize("pack", [1, 5, "auto"])
def test_an_estimate_knows_how_long_answers_are_and_no_played_run_exceeds_it(tmp_path: Path, pack: int | str) -> None:
    (tmp_path / "log.txt").write_text("".join(f"row {number}\n" for number in range(30)))
    for name, step in MODEL_STEPS.items():
        estimates: list[Estimate] = []
        with serve(fallback="first") as server:
            settings = settings_of(
                "m", server.base_url, None, pack=pack_size(pack), store=str(tmp_path / name), price=Price(1, 2)
            )
            contexts = {"log": rlm_dsl.load(tmp_path / "log.txt", "log")}
            source = Source("program", f"answer log | {step}")
            asked = {"keys": Keys({}), "progress": NoProgress(), "approve": estimates.append}
            found = run_program(source, contexts, {}, settings, **asked)
        most, dollars = sum(each.most_tokens for each in estimates), sum(each.most_usd or 0 for each in estimates)
        assert 0 < found.spent.prompt_tokens + found.spent.completion_tokens <= most
        assert 0 < (found.spent.usd or 0) <= dollars
        new = sum(each.new for each in estimates)
        shown = sum(each.prompt_tokens for each in estimates)
        if name in ("text", "label"):  # a label is short, alone and in a pack
            assert (most - shown == 4096 * new) == (name == "text")
        if pack == 1 and name != "text":
            assert most - shown < 300 * new


@pytest.mark.parametrize("answer", [thinking, refusing])
def test_a_model_that_needs_more_is_asked_again_with_all_and_that_is_learned(tmp_path: Path, answer: Any) -> None:
    with ScriptedServer(answer) as server:
        found = ran(tmp_path, server.base_url, 6, trace=tmp_path / "t")
        limits = [sent.body["max_completion_tokens"] for sent in server.chats]
        assert [row["label"] for row in found.value] == ["good"] * 6
        assert limits[0] < 100 and limits[1:] == [4096] * 6
        assert rlm_dsl.verify(tmp_path / "t", {"log": str(tmp_path / "log.txt")}).ok
        ran(tmp_path, server.base_url, 8)
        assert [sent.body["max_completion_tokens"] for sent in server.chats[7:]] == [4096] * 2


def test_what_has_no_end_in_all_its_room_is_the_rows_affair_and_nothing_is_learned(tmp_path: Path) -> None:
    endless = lambda sent: completion('{"label":     ', "length", usage=used(10, sent.body["max_completion_tokens"]))  # noqa: E731
    with ScriptedServer(endless) as server, pytest.raises(rlm_dsl.UserError, match="cut off"):
        ran(tmp_path, server.base_url, 1)
    with ScriptedServer([completion(LABEL)]) as server:
        ran(tmp_path, server.base_url, 3)
        assert all(sent.body["max_completion_tokens"] < 100 for sent in server.chats)


def test_a_budget_sets_aside_what_the_type_takes_and_counts_what_was_cut(tmp_path: Path) -> None:
    with ScriptedServer([completion(LABEL, usage=used(50, 5))]) as server:
        assert ran(tmp_path, server.base_url, 4, budget={"tokens": 600}).spent.calls == 4
    with ScriptedServer(thinking) as server:
        with pytest.raises(rlm_dsl.UserError, match="the next call may take"):
            ran(tmp_path, server.base_url, 4, budget={"tokens": 900}, store=":memory:")
        assert len(server.chats) == 1, "what may take more than there is does not leave"
