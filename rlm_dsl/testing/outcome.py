"""What becomes of a request: dropped, refused, or answered.

In: a request as it arrived (`Arrival`) and the `Settings`. Out: an `Outcome`. No I/O.
Law: checks come in one order: connection, key, faults of the server, form of the body, abilities, window, answer.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.testing.answers import (
    answer,
    as_tool_call,
    by_grammar,
    custom_tool,
    kept_to_grammar,
    result_schema,
    schema_told,
    within_limit,
)
from rlm_dsl.testing.faults import Fault, Faults, applied, fault_met, latency_of, spoiled
from rlm_dsl.testing.persona import Persona
from rlm_dsl.testing.settings import Settings
from rlm_dsl.testing.token_odds import token_odds
from rlm_dsl.testing.wire import (
    Json,
    Payload,
    Problem,
    Reply,
    Usage,
    completion,
    events,
    in_parts,
    json_payload,
    odd_payload,
    prompt_tokens,
    stream_payload,
    usage_of,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came in: its number from 1, how many are in flight with it, its JSON body or None."""

    number: int
    in_flight: int
    authorization: str
    body: object


NOTHING_USED = Usage()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is said; None is a dropped connection. `fault` is the one that was met."""

    said: Reply | Problem | None
    fault: Fault | None = None
    usage: Usage = NOTHING_USED


def outcome(arrival: Arrival, settings: Settings) -> Outcome:
    """What becomes of the request, faults included."""
    faults, number = settings.faults, arrival.number
    if faults.down_after is not None and number > faults.down_after:
        return Outcome(None, "drop")
    if problem := key_problem(arrival.authorization, settings, number):
        return Outcome(problem)
    if (trouble := settings.persona.troubles.get(number)) is not None:
        return Outcome(trouble)
    fault = fault_met(faults, number)
    if fault == "drop":
        return Outcome(None, fault)
    if problem := busy_problem(fault, arrival.in_flight, faults):
        return Outcome(problem, fault)
    if problem := next(body_problems(arrival.body, settings), None):
        return Outcome(problem)
    assert isinstance(arrival.body, Mapping)
    return answered(arrival.body, fault, number, settings)


def answered(body: Json, fault: Fault | None, number: int, settings: Settings) -> Outcome:
    said, persona = answer(body, settings.answering, settings.faults.lapses), settings.persona
    delay = said.delay + latency_of(settings.faults, number)
    if isinstance(said, Problem):
        return Outcome(replace(said, delay=delay))
    schema = result_schema(body)
    fault = applied(fault, schema)
    if not persona.heeds(body) and schema_told(body) is None and schema is not None:
        said = strayed(said)
    spoken = persona.said(thought(within_limit(spoiled(said, fault, schema), body), settings.faults.think), body)
    spoken = kept_to_grammar(spoken) if schema is None and by_grammar(body, persona.grammars) else spoken
    reply = as_tool_call(spoken, body) if persona.heeds(body) else spoken
    return Outcome(replace(reply, delay=delay), fault, usage_of(body["messages"], reply))


def strayed(reply: Reply) -> Reply:
    """An answer by a model that was not told the properties: its own names for them."""
    value = json.loads(reply.content or "null")
    if not isinstance(value, dict):
        return reply
    names = ["answer"] if len(value) == 1 else [f"answer {number}" for number in range(1, len(value) + 1)]
    return replace(reply, content=json.dumps(dict(zip(names, value.values(), strict=True)), ensure_ascii=False))


def thought(reply: Reply, aloud: bool) -> Reply:
    """The reply with its reasoning before it, as some servers leave it in the text."""
    if not aloud or not reply.content:
        return reply
    return replace(reply, content=f"<think>\nIs it {{this}}? No.\n</think>\n\n{reply.content}")


def key_problem(authorization: str, settings: Settings, number: int) -> Problem | None:
    """A missing, wrong or expired key. No message holds the key."""
    wanted, holds = settings.key, settings.faults.expire_key_after
    if wanted is not None and not_same(authorization, f"Bearer {wanted}"):
        return Problem(401, "Incorrect API key provided.", "invalid_api_key")
    if holds is not None and number > holds:
        return Problem(401, "The API key has expired.", "invalid_api_key")
    return None


def not_same(told: str, wanted: str) -> bool:
    """In constant time, and for header bytes that are no UTF-8 too."""
    return not hmac.compare_digest(told.encode("utf-8", "surrogateescape"), wanted.encode("utf-8", "surrogateescape"))


def busy_problem(fault: Fault | None, in_flight: int, faults: Faults) -> Problem | None:
    """What a server under strain says."""
    if faults.max_in_flight is not None and in_flight > faults.max_in_flight:
        return Problem(429, "Too many requests at once.", "rate_limit_exceeded", retry_after=faults.retry_after)
    if fault == "429":
        return Problem(429, "Rate limit reached.", "rate_limit_exceeded", retry_after=faults.retry_after)
    return Problem(500, "The server had an error.", "server_error") if fault == "500" else None


def body_problems(body: object, settings: Settings) -> Iterator[Problem]:
    """What is wrong with a body, the gravest first."""
    if not isinstance(body, Mapping):
        yield Problem(400, "The body of the request must be a JSON object.")
        return
    yield from form_problems(body)
    if not settings.accepts(body["model"]):
        yield Problem(404, f"The model {body['model']!r} does not exist.", "model_not_found", "model")
    yield from ability_problems(body, settings.faults, settings.persona)
    yield from settings.persona.refusals(body)
    if custom_tool(body) and "custom" not in settings.persona.grammars:
        yield settings.persona.unsupported("tools", " of type 'custom'")
    yield from window_problems(body, settings.faults.context_window, settings.persona)


def form_problems(body: Json) -> Iterator[Problem]:
    if not isinstance(body.get("model"), str) or not body["model"]:
        yield Problem(400, "You must provide a model parameter.", None, "model")
    if not are_messages(body.get("messages")):
        yield Problem(400, "messages must be a list, not empty, of objects with a role.", None, "messages")
    if not isinstance(body.get("stream_options") or {}, Mapping):
        yield Problem(400, "stream_options must be an object.", "invalid_type", "stream_options")
    if body.get("n") not in (None, 1):
        yield Problem(400, "Only n=1 is supported here.", "unsupported_value", "n")
    if problem := response_format_problem(body.get("response_format")):
        yield Problem(400, problem, "invalid_value", "response_format")


def are_messages(messages: object) -> bool:
    if not isinstance(messages, list) or not messages:
        return False
    return all(isinstance(message, Mapping) and isinstance(message.get("role"), str) for message in messages)


def response_format_problem(form: Any) -> str | None:
    if form is None:
        return None
    if not isinstance(form, Mapping) or form.get("type") not in ("text", "json_object", "json_schema"):
        return "response_format has a type: text, json_object or json_schema."
    told = form.get("json_schema")
    if form["type"] != "json_schema":
        return None
    if not isinstance(told, Mapping) or not isinstance(told.get("name"), str):
        return "Missing required parameter: 'response_format.json_schema.name'."
    return None if isinstance(told.get("schema"), Mapping) else "response_format.json_schema.schema must be an object."


def ability_problems(body: Json, faults: Faults, persona: Persona) -> Iterator[Problem]:
    """What servers say that lack a parameter."""
    form = body.get("response_format")
    if faults.no_response_format and form is not None:
        yield persona.unsupported("response_format", "")
    if faults.no_json_schema and form is not None and form["type"] == "json_schema":
        yield persona.unsupported("response_format", " of type 'json_schema'")
    if faults.no_tools and body.get("tools"):
        yield persona.unsupported("tools", "")
    if faults.no_logprobs and body.get("logprobs"):
        yield persona.unsupported("logprobs", "")
    if faults.no_max_completion_tokens and "max_completion_tokens" in body:
        yield persona.unsupported("max_completion_tokens", "")


def window_problems(body: Json, window: int | None, persona: Persona) -> Iterator[Problem]:
    asked = prompt_tokens(body["messages"]) if window is not None else 0
    if window is not None and asked > window:
        yield persona.too_long(window, asked)


PAGE = b"<html><head><title>Gateway</title></head><body>This page stands where JSON should.</body></html>\n"


def payload(result: Outcome, body: object, number: int, settings: Settings) -> Payload | None:
    """The outcome as an HTTP reply; None for a dropped connection."""
    match result:
        case Outcome(None):
            return None
        case Outcome(Problem() as problem):
            return odd_payload(problem) if settings.faults.odd_errors else settings.persona.error(problem)
        case Outcome(fault="not_json_body"):
            return Payload(200, PAGE, "text/html")
        case Outcome(Reply() as reply, usage=usage):
            used = None if settings.faults.no_usage else usage
            return reply_payload(reply, body, number, used, settings)
    raise AssertionError(result)


def reply_payload(reply: Reply, body: Any, number: int, usage: Usage | None, settings: Settings) -> Payload:
    """The reply in the persona's shape, whole or as a stream."""
    persona = settings.persona
    if not body.get("stream"):
        told = completion(reply, number, usage)
        told["choices"][0]["logprobs"] = token_odds(reply, body, settings.answering)
        return json_payload(persona.completion(in_parts(told) if settings.faults.content_parts else told))
    asked = (body.get("stream_options") or {}).get("include_usage")
    return stream_payload(map(persona.event, events(reply, number, usage if asked else None)))
