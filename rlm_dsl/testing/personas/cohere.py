"""Cohere's compatible endpoint: its own short errors, no choice of one tool.

In: requests, problems and completions as `wire` has them. Out: the same, as Cohere has them. Law: none of its own.

Seen in public: docs.cohere.com, "Using Cohere models via the OpenAI SDK" (the path; which parameters are supported:
`max_tokens`, no `logit_bias`, no `n`) and "Errors" (`{"id": ..., "message": ...}`); danny-avila's librechat.ai,
"Cohere" (parameters to drop). The words of its refusals are made up after these.
"""

from __future__ import annotations

from dataclasses import replace

from rlm_dsl.testing.habits import payload_of, refusing, without_field, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Payload, Problem

NO_SCHEMA = Problem(400, "invalid request: response_format.type must be one of [text, json_object]")
NO_CHOICE = Problem(422, "invalid request: tool_choice must be one of [REQUIRED, NONE]")
NO_LIMIT = Problem(422, "invalid request: unknown field: parameter 'max_completion_tokens' is not a valid field")


def error(problem: Problem) -> Payload:
    return payload_of(problem, {"id": "c0ffee00", "message": problem.message})


def too_long(window: int, asked: int) -> Problem:
    told = f"too many tokens: total number of tokens in the prompt cannot exceed {window} - received {asked}."
    return Problem(400, told)


COHERE = replace(
    OPENAI,
    name="cohere",
    refusals=refusing(
        without_field("max_completion_tokens", NO_LIMIT),
        without_form("json_schema", NO_SCHEMA),
        without_form("tool", NO_CHOICE),
    ),
    error=error,
    too_long=too_long,
    path="/compatibility/v1",
    batches=False,
    grammars=frozenset(),
)
