"""Habits that several families of servers share, for personas to be put together from.

In: requests, problems, replies and completions as `wire` has them. Out: the same, as a server with the habit has them.
Law: a habit is a function of what it is given alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rlm_dsl.testing.wire import Json, Payload, Problem, Reply, encoded, retry_headers

THOUGHT = 'Is it {"label": "this"}? No, I think not.'
"""What a model thinks before it answers: with a draft in it, which is no answer."""


def payload_of(problem: Problem, value: object) -> Payload:
    """A problem told as a value."""
    return Payload(problem.status, encoded(value), headers=retry_headers(problem.retry_after))


def form_of(body: Json) -> str:
    """How a request asks for a result's type: json_schema, json_object, text, tool, or "" where it does not."""
    choice = body.get("tool_choice")
    if isinstance(choice, Mapping) and "function" in choice:
        return "tool"
    form = body.get("response_format")
    return str(form.get("type", "")) if isinstance(form, Mapping) else ""


def schema_given(body: Json) -> Mapping[str, Any]:
    """The schema that a request gives as one, in its response_format or its tool; empty where it gives none."""
    match form_of(body):
        case "json_schema":
            given = body["response_format"]["json_schema"].get("schema")
        case "tool":
            given = body["tools"][0]["function"].get("parameters")
        case _:
            given = None
    return given if isinstance(given, Mapping) else {}


def uses(value: Any, keyword: str) -> bool:
    """Whether a schema uses a keyword anywhere."""
    if isinstance(value, Mapping):
        return keyword in value or any(uses(item, keyword) for item in value.values())
    return isinstance(value, list) and any(uses(item, keyword) for item in value)


def refusing(*checks: Callable[[Json], Problem | None]) -> Callable[[Json], Iterator[Problem]]:
    """A persona's refusals, by checks of which each may have a problem."""

    def problems(body: Json) -> Iterator[Problem]:
        for check in checks:
            if (problem := check(body)) is not None:
                yield problem

    return problems


def without_form(form: str, problem: Problem) -> Callable[[Json], Problem | None]:
    return lambda body: problem if form_of(body) == form else None


def without_field(name: str, problem: Problem) -> Callable[[Json], Problem | None]:
    return lambda body: problem if name in body else None


def without_system(problem: Problem) -> Callable[[Json], Problem | None]:
    """A template that knows no role of the system's."""
    return lambda body: problem if any(message["role"] == "system" for message in body["messages"]) else None


def alternating(problem: Problem) -> Callable[[Json], Problem | None]:
    """A template for which user and assistant take turns, after the system at most."""

    def check(body: Json) -> Problem | None:
        roles = [message["role"] for message in body["messages"] if message["role"] != "system"]
        return problem if any(role != ("user", "assistant")[at % 2] for at, role in enumerate(roles)) else None

    return check


def json_in_words(problem: Problem) -> Callable[[Json], Problem | None]:
    """JSON mode only for prompts that speak of JSON."""

    def check(body: Json) -> Problem | None:
        spoken = "json" in json.dumps(body["messages"]).lower()
        return problem if form_of(body) == "json_object" and not spoken else None

    return check


def message_with(told: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A completion whose message has more fields, or others."""
    choice = told["choices"][0]
    return {**told, "choices": [{**choice, "message": {**choice["message"], **fields}}]}


def choice_with(told: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**told, "choices": [{**told["choices"][0], **fields}]}


def finishing(told: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A completion that ends in a server's own words."""
    reason = told["choices"][0]["finish_reason"]
    return choice_with(told, finish_reason=names.get(reason, reason))


def fenced(reply: Reply) -> Reply:
    """An answer in a fence, as models write JSON that is not asked for by form."""
    return replace(reply, content=f"```json\n{reply.content}\n```")


def is_json(reply: Reply) -> bool:
    return bool(reply.content) and (reply.content or "").startswith("{")


def spaced(reply: Reply) -> Reply:
    """JSON with the white space that a loose grammar lets a model write."""
    try:
        value = json.loads(reply.content or "")
    except ValueError:
        return reply
    return replace(reply, content="\n" + json.dumps(value, ensure_ascii=False, indent=4) + "\n \n")
