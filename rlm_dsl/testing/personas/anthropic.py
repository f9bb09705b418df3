"""Anthropic's compatible endpoint: `response_format` and `strict` are taken and passed over; tools are heeded.

In: requests, problems and completions as `wire` has them. Out: the same, as Anthropic has them. Law: none of its own.

Seen in public: docs.anthropic.com, "OpenAI SDK compatibility": `response_format` ignored, `strict` ignored, system
messages hoisted to the beginning, `refusal` always empty, error bodies of OpenAI's form with other words; no Batch
API of OpenAI's form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import fenced, form_of, is_json, message_with, payload_of
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem, Reply, error_type


def heeds(body: Json) -> bool:
    return form_of(body) == "tool"


def said(reply: Reply, body: Json) -> Reply:
    return fenced(reply) if is_json(reply) and not heeds(body) else reply


def error(problem: Problem) -> Payload:
    kind = {401: "authentication_error", 529: "overloaded_error"}.get(problem.status, error_type(problem.status))
    told = {"code": None, "message": problem.message, "type": kind, "param": None}
    return payload_of(problem, {"error": told})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    return message_with(told, refusal=None)


def too_long(window: int, asked: int) -> Problem:
    return Problem(400, f"prompt is too long: {asked} tokens > {window} maximum")


ANTHROPIC = replace(
    OPENAI,
    name="anthropic",
    heeds=heeds,
    said=said,
    error=error,
    completion=completion,
    too_long=too_long,
    troubles={3: Problem(529, "Overloaded", "overloaded_error")},
    batches=False,
    grammars=frozenset(),
)
