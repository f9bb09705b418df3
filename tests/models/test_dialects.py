"""How a model is asked is found out by what works: against scripted servers that take some things and refuse others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rlm_dsl.models.request import Message, ModelSettings, Request
from rlm_dsl.models.server.dialects import USUAL, Dialect, Dialects, body_of, conforms
from rlm_dsl.models.server.errors import ServerError

SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["a", "b"]}},
    "required": ["label"],
    "additionalProperties": False,
}
LARGE = {**SCHEMA, "properties": {"label": {"type": "string", "enum": [f"label number {n}" for n in range(600)]}}}
Serve = Callable[[dict[str, Any]], ServerError | None]
"""A server: what it says of a body that it refuses."""
PARAMETERS = {"max_completion_tokens": 50, "temperature": 0}


def request(text: str = "a row", schema: Any = SCHEMA, **parameters: Any) -> Request:
    settings = ModelSettings("m", "http://h/v1", parameters={**PARAMETERS, **parameters})
    return Request(settings, (Message("system", "Choose."), Message("user", text)), schema)


def refuses(
    *fields: str, words: str = "Bad Request", param: str = ""
) -> Callable[[dict[str, Any]], ServerError | None]:
    """A server that refuses bodies which hold any of the fields; `a.b` is a field of a field."""

    def refused(body: dict[str, Any]) -> ServerError | None:
        for name in fields:
            outer, _, inner = name.partition(".")
            if outer in body and (not inner or json.dumps(body[outer]).find(inner) >= 0):
                return ServerError(400, words.replace("NAME", name), parameter=param and name)
        return None

    return refused


def asked(
    dialects: Dialects, asking: Request, server: Callable[[dict[str, Any]], ServerError | None]
) -> tuple[Any, int]:
    """The body that a server takes of a request, or None; and how many it was sent."""
    dialect, sent = dialects.of(asking), 1
    error = server(body_of(asking, dialect))
    search = None if error is None else dialects.search(asking, dialect, error)
    while error is not None:
        assert search is not None
        found = search.next()
        if found is None:
            return None, sent
        dialect, sent = found, sent + 1
        error = server(body_of(asking, dialect))
        if error is not None:
            search.refused(dialect, error)
    dialects.succeeded(asking, dialect, '{"label": "a"}', True)
    return body_of(asking, dialect), sent


SERVERS: dict[str, tuple[Serve, int]] = {
    "takes all": (refuses(), 1),
    "no json_schema, vaguely": (refuses("response_format.json_schema"), 2),
    "no response_format, vaguely": (refuses("response_format"), 2),
    "no schema, no tools": (refuses("response_format.json_schema", "tools"), 3),
    "words alone": (refuses("response_format", "tools"), 4),
    "the older limit, by name": (refuses("max_completion_tokens", words="Unrecognized argument: NAME"), 2),
    "the older limit, by param": (refuses("max_completion_tokens", param="x"), 2),
    "no temperature": (refuses("temperature", words="Unsupported value: 'NAME'"), 2),
    "neither": (refuses("temperature", "max_completion_tokens", words="unknown field NAME"), 3),
    "older limit and tools": (refuses("max_completion_tokens", "response_format", words="no NAME here"), 3),
    "schema told first": (refuses("response_format", "max_completion_tokens", words="no NAME here"), 3),
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_way_is_found_and_remembered(name: str) -> None:
    server, tries = SERVERS[name]
    dialects = Dialects()
    body, sent = asked(dialects, request(), server)
    assert body is not None and sent == tries
    assert asked(dialects, request("another row"), server)[1] == 1
    assert asked(dialects, request("x", schema=None), server)[1] == 1


def test_the_system_role_is_folded_in() -> None:
    def server(body: dict[str, Any]) -> ServerError | None:
        roles = [message["role"] for message in body["messages"]]
        return ServerError(400, "System role not supported") if "system" in roles else None

    for schema in (SCHEMA, None):
        body, sent = asked(Dialects(), request(schema=schema), server)
        assert sent == 2 and body["messages"][0] == {"role": "user", "content": "Choose.\n\na row"}


def test_a_vague_refusal_of_the_system_role_is_found_out_last() -> None:
    def server(body: dict[str, Any]) -> ServerError | None:
        return ServerError(400, "Bad Request") if body["messages"][0]["role"] == "system" else None

    body, _ = asked(Dialects(), request(), server)
    assert body["messages"][0]["role"] == "user" and "JSON Schema" in body["messages"][0]["content"]


def test_a_row_that_is_refused_teaches_nothing() -> None:
    dialects = Dialects()
    echo = ServerError(400, "..response_format is structured json_schema tool max_completion_tokens temperature..")
    assert asked(dialects, request(), lambda body: echo)[0] is None
    assert dialects.known == {} and dialects.of_schema == {}
    asked(dialects, request("fine"), refuses())
    assert asked(dialects, request(), lambda body: echo)[1] == 1, "the form is proven: the row is at fault"


def test_after_a_few_searches_in_vain_a_refusal_is_taken_as_it_comes() -> None:
    dialects = Dialects()
    for _ in range(3):
        assert not dialects.given_up(request())
        dialects.nothing_worked(request())
    assert dialects.given_up(request("another row")) and not dialects.given_up(request(schema=LARGE))


def test_too_large_a_schema_is_one_steps_affair() -> None:
    def server(body: dict[str, Any]) -> ServerError | None:
        large = len(json.dumps(body.get("response_format", {}))) > 3_000
        return ServerError(400, "schema is too large") if large else None

    learnt: list[Any] = []
    dialects = Dialects(learnt=lambda model, dialect: learnt.append(dialect))
    body, _ = asked(dialects, request(schema=LARGE), server)
    assert "tools" in body and learnt == []
    body, sent = asked(dialects, request(), server)
    assert "response_format" in body and sent == 1
    assert asked(dialects, request("y", schema=LARGE), server)[1] == 1


def test_a_form_that_is_passed_over_is_told_in_words_too() -> None:
    dialects = Dialects()
    dialects.succeeded(request(), USUAL, '{"answer": "a"}', True)
    body = body_of(request(), dialects.of(request()))
    assert "response_format" in body and "JSON Schema" in body["messages"][0]["content"]
    kept = Dialects()
    kept.succeeded(request(), USUAL, '{"label": "a"}', True)
    kept.succeeded(request(), USUAL, '{"answer": "a"}', True)
    assert kept.of(request()) == USUAL, "it keeps to the form, and failed once"
    cut = Dialects()
    cut.succeeded(request(), USUAL, '{"lab', False)
    assert cut.of(request()) == USUAL, "an answer cut short says nothing"


def test_a_better_form_that_works_is_never_given_up() -> None:
    dialects = Dialects()
    dialects.succeeded(request(), USUAL, '{"label": "a"}', True)
    dialects.succeeded(request("slow"), Dialect("tool"), '{"label": "a"}', True)
    assert dialects.of(request()) == USUAL
    late = Dialects()
    late.succeeded(request(), Dialect("json"), '{"label": "a"}', True)
    late.succeeded(request(), USUAL, '{"label": "a"}', True)
    assert late.of(request()) == USUAL


def test_what_left_in_the_old_way_is_asked_again_in_the_new_one() -> None:
    dialects = Dialects()
    without = Dialect(without=frozenset({"temperature"}))
    dialects.succeeded(request(), without, '{"label": "a"}', True)
    search = dialects.search(request("was under way"), USUAL, ServerError(400, "Unsupported value"))
    assert search.next() == without


def test_a_question_asked_again_tells_the_schema_in_words() -> None:
    again = request().again('{"x": 1}', "That does not fit.")
    assert "JSON Schema" in body_of(again, USUAL)["messages"][0]["content"]
    assert "JSON Schema" not in body_of(request(), USUAL)["messages"][0]["content"]


def test_the_users_own_limit_is_renamed_and_kept() -> None:
    assert body_of(request(), Dialect(old_limit=True))["max_tokens"] == 50
    assert "max_completion_tokens" not in body_of(request(), Dialect(old_limit=True))
    recorded = request(max_tokens=9)  # of a version that sent both
    assert body_of(recorded, Dialect(old_limit=True))["max_tokens"] == 9


def test_half_a_surrogate_pair_is_sent_as_what_cannot_be_read() -> None:
    sent = body_of(request("a\ud800b größe"), USUAL)["messages"][1]["content"]
    assert sent == "a?b größe" and sent.encode("utf-8")


@pytest.mark.parametrize(
    "dialect",
    [
        USUAL,
        Dialect("tool"),
        Dialect("words", True, True, True, frozenset({"temperature", "seed"})),
        Dialect("json", old_limit=True),
    ],
)
def test_a_dialect_is_kept_as_a_text(dialect: Dialect) -> None:
    assert Dialect.read(dialect.written(), dialect.old_limit) == dialect
    assert bool(dialect.told()) == (dialect != USUAL)


def test_how_earlier_versions_wrote_dialects() -> None:
    assert [Dialect.read(form, False) for form in ("schema", "tool", "json", "words", "of tomorrow")] == [
        USUAL, Dialect("tool"), Dialect("json"), Dialect("words"), USUAL,
    ]  # fmt: skip


def test_what_keeps_to_a_form() -> None:
    assert conforms('{"label": "z"}', SCHEMA)
    assert not any(
        conforms(text, SCHEMA) for text in ("", "a", "[]", "{}", '{"label": 1, "x": 2}', '{"labels": "a"}', "[" * 9**6)
    )


def test_a_later_form_is_learned_only_from_an_answer_that_fits() -> None:
    dialects = Dialects()
    dialects.succeeded(request(), Dialect("words", folded=True), "I cannot say.", True)
    assert dialects.of(request()) == USUAL
    dialects.succeeded(request(), Dialect("words"), '<think>{"label": "a"}</think>\n```json\n{"label": "b"}\n```', True)
    assert dialects.of(request()) == Dialect("words"), "a thought and a fence are no misfit"


def test_a_parameter_may_be_named_in_another_spelling() -> None:
    """As xAI names it (BerriAI/litellm #14056)."""
    server = refuses("presence_penalty", words="Argument not supported on this model: presencePenalty")
    body, sent = asked(Dialects(), request(presence_penalty=0.5), server)
    assert sent == 2 and "presence_penalty" not in body and "response_format" in body
