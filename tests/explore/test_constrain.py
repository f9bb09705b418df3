"""`--constrain`: a root's replies kept to a grammar, as each family of servers can, or plain text."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.explore.constrained.constraint import UNCONSTRAINED, Constraint
from rlm_dsl.explore.loop import Told, program_in
from rlm_dsl.explore.session import Session
from rlm_dsl.language.check import Environment
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.reply_grammar.replies import reply_grammar
from rlm_dsl.language.reply_grammar.vocabulary import vocabulary_of
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.models.budget import estimate_round
from rlm_dsl.models.request import Message, ModelSettings, Request
from rlm_dsl.models.server.dialects import Dialect, Dialects
from rlm_dsl.models.server.reply_forms import REPLY_FORMS
from rlm_dsl.models.settings import Server as Address
from rlm_dsl.testing import serve
from rlm_dsl.testing.persona import personas_by_name
from rlm_dsl.testing.server import Server
from rlm_dsl.trace.reader import Trace
from tests.support.commands import command
from tests.support.guidance import Taken
from tests.support.reply_walk import Walk, grammar_of
from tests.support.scripted_server import ScriptedServer, completion, error

TURNS = ["I look first.\n```\nshow log | take(2)\n```", "Now I know:\n```\nanswer log | count()\n```"]
QUESTION = "How many lines are there?"
FIELDS = ("tools", "structured_outputs", "guided_grammar", "ebnf", "grammar")


def log(folder: Path) -> dict[str, str]:
    (folder / "log.txt").write_text("a\nb\nc\n")
    return {"log": str(folder / "log.txt")}


def asked(folder: Path, server: Server, name: str = "openai", **more: Any) -> Any:
    persona = personas_by_name()[name]
    address = Address(server.base_url, key_header=persona.key_header, query=persona.query)
    options: dict[str, Any] = {"model": "m", "base_url": server.base_url, "servers": (address,)}
    options |= {"store": str(folder / "s.sqlite"), "constrain": True}
    return rlm_dsl.ask(QUESTION, log(folder), **{**options, **more})


def field_of(body: Mapping[str, Any]) -> str:
    return next((name for name in FIELDS if name in body), "")


def test_a_reply_is_the_input_of_a_custom_tool_that_takes_the_turn_s_grammar(tmp_path: Path) -> None:
    with serve(script=TURNS) as server:
        found = asked(tmp_path, server, trace=tmp_path / "one.trace")
        bodies = [received.body for received in server.requests]
    assert found.value == 3 and rlm_dsl.verify(tmp_path / "one.trace").ok
    (tool,) = bodies[0]["tools"]
    assert bodies[0]["tool_choice"] == {"type": "custom", "custom": {"name": tool["custom"]["name"]}}
    held = tool["custom"]["format"]
    assert (tool["type"], held["type"], held["grammar"]["syntax"]) == ("custom", "grammar", "lark")
    taken = Taken(held["grammar"]["definition"])
    assert taken("answer log | count()") and taken("lines = log | take(3)") and not taken("answer logs | count()")
    trace = Trace.open(tmp_path / "one.trace")
    assert trace.header["wishes"] == {"constrain": True}
    replies = [event.content["reply"] for event in trace.events() if event.content.get("event") == "turn.end"]
    assert replies in ([], ["show log | take(2)", "answer log | count()"])


def test_what_a_constrained_run_was_answered_is_no_answer_to_a_plain_one(tmp_path: Path) -> None:
    """A request's key covers its grammar; a second run asks nothing, and one without asks anew."""
    with serve(script=TURNS) as server:
        calls = []
        for options in ({}, {}, {"constrain": False}, {"constrain": False}):
            assert asked(tmp_path, server, **options).value == 3
            calls.append(server.calls)
    assert 0 < calls[0] == calls[1] < calls[2] == calls[3] == 2 * calls[0]


def test_it_is_stopped_goes_on_runs_again_and_verifies(tmp_path: Path) -> None:
    """A run that goes on asks what is left in the same way; run again, it asks nothing, and says how it was asked."""
    trace = tmp_path / "one.trace"
    with serve(script=TURNS) as server:
        with pytest.raises(UserError, match="budget"):
            asked(tmp_path, server, trace=trace, budget={"calls": 1})
        went_on = rlm_dsl.resume(trace, budget={"calls": 9}, store=str(tmp_path / "other.sqlite"))
        assert went_on.value == 3 and server.calls == 2
        assert [field_of(received.body) for received in server.requests] == ["tools"] * 2
        again = rlm_dsl.rerun(trace, to=tmp_path / "two.trace")
        assert again.result.value == 3 and server.calls == 2
    for name in ("one", "two"):
        assert rlm_dsl.verify(tmp_path / f"{name}.trace").ok
        assert Trace.open(tmp_path / f"{name}.trace").header["wishes"] == {"constrain": True}


def test_the_roots_of_sub_runs_are_kept_to_a_grammar_as_their_parent_is(tmp_path: Path) -> None:
    """In the exploration, and in a run of its program that asks them anew."""
    inner = "How many lines speak of a parcel?"
    outer = f'answer log | recurse("{inner}", returns=int, into=parcels) | sum(parcels)'
    with serve(script={inner: ["answer text | count()"], QUESTION: [outer]}) as server:
        assert asked(tmp_path, server, trace=tmp_path / "one.trace").value == 3
        first = len(server.requests)
        rlm_dsl.rerun(tmp_path / "one.trace", model={"root": "other"}, store=str(tmp_path / "new.sqlite"))
        fields = [field_of(received.body) for received in server.requests]
    assert 3 < first < len(fields) and set(fields) == {"tools"}


@pytest.mark.parametrize("form", REPLY_FORMS)
def test_a_grammar_counts_as_shown_where_it_is_a_tool_s_definition_alone(form: str) -> None:
    """That is a part of the prompt, and billed; a grammar that is a parameter of its own is no token of it."""
    dialects = Dialects(usual=Dialect(reply=form))
    request = Request(ModelSettings("m", "http://h"), (Message("user", "hi"),), grammar="start: " + "abcd " * 900)
    assert (dialects.beside(request) > 900) == (form == "custom")
    assert dialects.beside(replace(request, grammar="")) == 0
    estimate = estimate_round("root", 1, [request], lambda model: None, beside=dialects.beside)
    assert estimate.prompt_tokens == request.prompt_tokens + dialects.beside(request)


@pytest.mark.parametrize("name", personas_by_name())
def test_every_family_of_servers_is_asked_as_it_can(tmp_path: Path, name: str) -> None:
    """What is taken is kept; where nothing is, replies are plain text, and that is said once. Finding out costs a few
    refused requests."""
    persona = personas_by_name()[name]
    notes: list[str] = []

    def shown(told: Told) -> None:
        notes.extend([told.note] if told.note else [])

    turns = [TURNS[0]] * 4 + TURNS[1:]
    with serve(script=turns, persona=name) as server:
        assert asked(tmp_path, server, name, shown=shown).value == 3
        last = server.requests[-1].body
        assert server.calls <= len(turns) + len(REPLY_FORMS) + len(persona.troubles) + 2
    if persona.grammars:
        field = next(iter(persona.grammars))
        assert field_of(last) == {"custom": "tools"}.get(field, field) and notes == []
    else:
        assert field_of(last) == "" and notes == [UNCONSTRAINED]


def test_a_server_that_fails_on_every_grammar_fails_no_run(tmp_path: Path) -> None:
    def answer(sent: Any) -> Any:
        return error(500, "internal error") if field_of(sent.body) else completion("answer log | count()")

    with ScriptedServer(answer) as server:
        assert asked(tmp_path, server).value == 3  # type: ignore[arg-type]
        assert [field_of(sent.body) for sent in server.chats][: len(FIELDS) + 1] == [*FIELDS, ""]


def test_a_server_that_counts_the_grammar_among_what_it_is_shown_is_asked_without(tmp_path: Path) -> None:
    def answer(sent: Any) -> Any:
        if field_of(sent.body):
            return error(400, "This model's maximum context length is 4096 tokens", code="context_length_exceeded")
        return completion("answer log | count()")

    with ScriptedServer(answer) as server:
        assert asked(tmp_path, server).value == 3  # type: ignore[arg-type]


def test_names_that_must_not_be_sent_stand_in_no_grammar() -> None:
    environment = Environment({"log": parse_table_type("table(text: text, sk_secret: int)")})
    session = Session(None, environment)  # type: ignore[arg-type]
    constraint = Constraint(QUESTION, lambda text: text.replace("sk_secret", "[secret]"), lambda request: True)
    assert "sk_secret" not in constraint.grammar(session) and '"text"' in constraint.grammar(session)


def test_what_a_grammar_takes_is_read_as_it_was_written() -> None:
    environment = Environment({"log": parse_table_type("table(text: text, n: int, at: date)")})
    constraint = Constraint(QUESTION, str, lambda request: True)
    draw = Walk(grammar_of(reply_grammar(vocabulary_of(environment, QUESTION), 3)), random.Random(3))
    for _ in range(80):
        text = draw.text()
        read = parse(Source("reply", program_in(text, constraint)))
        assert read == parse(Source("reply", text)), text


def test_the_command_takes_it_and_the_settings_file_too(tmp_path: Path) -> None:
    log(tmp_path)
    (tmp_path / "on.yaml").write_text("constrain: on\n")
    (tmp_path / "odd.yaml").write_text("constrain: often\n")
    with serve(script=TURNS, persona="mistral") as server:
        given = [
            "ask",
            QUESTION,
            "--context",
            "log=log.txt",
            "--no-trace",
            "--model",
            "m",
            "--base-url",
            server.base_url,
        ]
        plain = command(tmp_path, *given)
        kept = command(tmp_path, *given, "--settings", "on.yaml")
        off = command(tmp_path, *given, "--settings", "on.yaml", "--constrain", "off")
        odd = command(tmp_path, *given, "--settings", "odd.yaml")
    assert [ran.code for ran in (plain, kept, off, odd)] == [0, 0, 0, 2]
    assert [ran.err.count(UNCONSTRAINED) for ran in (plain, kept, off)] == [0, 1, 0]
    assert "write on or off" in odd.err
