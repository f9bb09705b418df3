"""Gemini's compatible endpoint: errors in a list, schemas with `additionalProperties` refused, finishes of its own.

In: requests, problems and completions as `wire` has them. Out: the same, as Gemini has them. Law: none of its own.

Seen in public: ai.google.dev, "OpenAI compatibility" (the path, batches whose files go another way);
mozilla-ai/any-llm #1143 and QuantumNous/new-api #1037 ("Invalid JSON payload received. Unknown name ... at
'generation_config.response_schema': Cannot find field."), receptron/mulmocast-app #934 (the same of tools); error
bodies that are a list of one error with a `status`; finishes SAFETY and MAX_TOKENS with no content, MacPaw/OpenAI
#312.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import finishing, form_of, payload_of, schema_given, uses
from rlm_dsl.testing.habits import refusing as refusing_by
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem

STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
PLACES = {
    "json_schema": "generation_config.response_schema",
    "tool": "tools[0].function_declarations[0].parameters",
}


def unknown_name(body: Json) -> Problem | None:
    if not uses(schema_given(body), "additionalProperties"):
        return None
    at = PLACES[form_of(body)]
    told = f"Invalid JSON payload received. Unknown name \"additionalProperties\" at '{at}': Cannot find field."
    return Problem(400, told)


def error(problem: Problem) -> Payload:
    status = STATUSES.get(problem.status, "INTERNAL")
    return payload_of(problem, [{"error": {"code": problem.status, "message": problem.message, "status": status}}])


def completion(told: dict[str, Any]) -> dict[str, Any]:
    told = finishing(told, {"length": "MAX_TOKENS", "content_filter": "SAFETY"})
    message = told["choices"][0]["message"]
    if message["refusal"] is not None:
        told["choices"][0] = {"index": 0, "finish_reason": "SAFETY", "message": {"role": "assistant"}}
    return told


def too_long(window: int, asked: int) -> Problem:
    told = f"The input token count ({asked}) exceeds the maximum number of tokens allowed ({window})."
    return Problem(400, told)


GEMINI = replace(
    OPENAI,
    name="gemini",
    refusals=refusing_by(unknown_name),
    error=error,
    completion=completion,
    too_long=too_long,
    listed=lambda told: {**told, "id": f"models/{told['id']}"},
    path="/v1beta/openai",
    troubles={2: Problem(503, "The model is overloaded. Please try again later.")},
    batches=False,
    grammars=frozenset(),
)
