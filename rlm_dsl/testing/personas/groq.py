"""Groq: schemas for few models, and what a model generated checked before it is sent.

In: requests, problems and completions as `wire` has them. Out: the same, as Groq has them. Law: none of its own.

Seen in public: console.groq.com, "Structured outputs" (supported models), "Batch processing" (OpenAI's form);
thepersonalaicompany/amurex-backend #38 and build-with-groq/g1 #23 (400 `json_validate_failed` with
`failed_generation`, "Try again" helps: Bklieger/infinite-bookshelf #42); `tool_use_failed` likewise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import payload_of, refusing, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Payload, Problem, error_type

NO_SCHEMA = Problem(
    400,
    "This model does not support response format `json_schema`. See supported models at "
    "https://console.groq.com/docs/structured-outputs#supported-models",
    param="response_format",
)
TOOL_FAILED = Problem(
    400,
    "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
    "tool_use_failed",
)


def error(problem: Problem) -> Payload:
    told: dict[str, Any] = {"message": problem.message, "type": error_type(problem.status)}
    told |= {"param": problem.param} if problem.param else {}
    told |= {"code": problem.code} if problem.code else {}
    if problem.code in ("tool_use_failed", "json_validate_failed"):
        told["failed_generation"] = '<tool-use>{"tool_calls": [{"id": "pending", "type": "function"'
    return payload_of(problem, {"error": told})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "x_groq": {"id": "req_0"}, "usage_breakdown": None}


GROQ = replace(
    OPENAI,
    name="groq",
    refusals=refusing(without_form("json_schema", NO_SCHEMA)),
    error=error,
    completion=completion,
    path="/openai/v1",
    troubles={9: TOOL_FAILED},
    grammars=frozenset(),
)
