"""LM Studio: a schema or nothing, no tool by name, errors that are a text.

In: requests, problems and completions as `wire` has them. Out: the same, as LM Studio has them. Law: none of its own.

Seen in public: lmstudio-ai/lmstudio-bug-tracker #169, #189 and #307 ("'response_format.type' must be 'json_schema' or
'text'", told as `{"error": "..."}`); "Invalid tool_choice type: 'object'. Supported string values: none, auto,
required"; `<|im_end|>` in the text. What its other engine says of a schema is made up after these.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import form_of, payload_of, refusing, schema_given, uses, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem, Reply

NO_MODE = Problem(400, "'response_format.type' must be 'json_schema' or 'text'")
NO_CHOICE = Problem(400, "Invalid tool_choice type: 'object'. Supported string values: none, auto, required")


def no_nulls(body: Json) -> Problem | None:
    """Of the engine for MLX, whose grammars know few keywords."""
    refused = form_of(body) == "json_schema" and uses(schema_given(body), "anyOf")
    return (
        Problem(400, "Error in iterating prediction stream: ValueError: unsupported schema: anyOf") if refused else None
    )


def said(reply: Reply, body: Json) -> Reply:
    return replace(reply, content=f"{reply.content}<|im_end|>") if reply.content else reply


def error(problem: Problem) -> Payload:
    return payload_of(problem, {"error": problem.message})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "stats": {}}


LMSTUDIO = replace(
    OPENAI,
    name="lmstudio",
    refusals=refusing(no_nulls, without_form("json_object", NO_MODE), without_form("tool", NO_CHOICE)),
    said=said,
    error=error,
    completion=completion,
    listed=lambda told: {**told, "max_context_length": 32_768},
    batches=False,
    grammars=frozenset(),
)
