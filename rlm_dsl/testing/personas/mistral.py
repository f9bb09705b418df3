"""Mistral: unknown fields refused as a validator does, thoughts as parts of the content.

In: requests, problems and completions as `wire` has them. Out: the same, as Mistral has them. Law: none of its own.

Seen in public: docs.mistral.ai, "API" (422 with a list of `detail`, finish `model_length`) and "Reasoning" (content
as a list of `thinking` and `text`); charmbracelet/crush #279 ("Unexpected role 'tool' after role 'user'", code 3230).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import THOUGHT, finishing, message_with, payload_of, refusing
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem

KNOWN = frozenset(
    {"model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "response_format",
     "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n", "prediction", "parallel_tool_calls",
     "prompt_mode", "safe_prompt", "metadata"}
)  # fmt: skip


def extra(body: Json) -> Problem | None:
    unknown = next((name for name in body if name not in KNOWN), None)
    return Problem(422, "Extra inputs are not permitted", param=unknown) if unknown else None


def error(problem: Problem) -> Payload:
    told = {"object": "error", "type": "invalid_request_error", "param": None, "code": None}
    if problem.status != 422:
        return payload_of(problem, {**told, "message": problem.message, "code": problem.code})
    detail = [{"type": "extra_forbidden", "loc": ["body", problem.param], "msg": problem.message, "input": 0}]
    return payload_of(problem, {**told, "message": {"detail": detail}})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    told = finishing(told, {"length": "model_length"})
    content = told["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        return told
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}], "closed": True}
    return message_with(told, content=[thinking, {"type": "text", "text": content}])


MISTRAL = replace(
    OPENAI,
    name="mistral",
    refusals=refusing(extra),
    error=error,
    completion=completion,
    batches=False,
    grammars=frozenset(),
)
