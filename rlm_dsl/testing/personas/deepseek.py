"""DeepSeek: no json_schema, no forced tool of its reasoning models, JSON mode for prompts that speak of JSON.

In: requests, problems and completions as `wire` has them. Out: the same, as DeepSeek has them. Law: none of its own.

Seen in public: khoj-ai/khoj #1336 and llm-exe/llm-exe #662 ("This response_format type is unavailable now"),
BerriAI/litellm #31466 (reasoning models refuse a forced tool_choice; the prompt must say "json"),
api-docs.deepseek.com "Error Codes" (402 Insufficient Balance), "Reasoning Model" (`reasoning_content`), "Create Chat
Completion" (finish `insufficient_system_resource`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import (
    THOUGHT,
    json_in_words,
    message_with,
    payload_of,
    refusing,
    without_form,
)
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Payload, Problem

CODE = "invalid_request_error"
NO_SCHEMA = Problem(400, "This response_format type is unavailable now", CODE)
NO_CHOICE = Problem(400, "deepseek-reasoner does not support this tool_choice", CODE)
NO_WORD = Problem(
    400, "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.", CODE
)


def error(problem: Problem) -> Payload:
    code = problem.code or CODE
    return payload_of(problem, {"error": {"message": problem.message, "type": code, "param": None, "code": code}})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    return message_with(told, reasoning_content=THOUGHT)


DEEPSEEK = replace(
    OPENAI,
    name="deepseek",
    refusals=refusing(
        without_form("json_schema", NO_SCHEMA),
        without_form("tool", NO_CHOICE),
        json_in_words(NO_WORD),
    ),
    error=error,
    completion=completion,
    batches=False,
    grammars=frozenset(),
)
