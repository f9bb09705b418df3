"""Alibaba's DashScope with Qwen: JSON mode for prompts that speak of JSON, no forced tool while it thinks.

In: requests, problems and completions as `wire` has them. Out: the same, as DashScope has them. Law: none of its own.

Seen in public: help.aliyun.com, "Error messages" ("<400> InternalError.Algo.InvalidParameter: 'messages' must contain
the word 'json' in some form ...", "... tool_choice ... in thinking mode"), "Batch" (OpenAI's form);
presenton/presenton #184 ("Json mode response is not supported when enable_thinking is true"), langchain4j/langchain4j
#3974 ("parameter.enable_thinking must be set to false for non-streaming calls"), musistudio/claude-code-router #948.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import THOUGHT, form_of, message_with, payload_of, refusing, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem

HEAD = "<400> InternalError.Algo.InvalidParameter: "
NO_SCHEMA = Problem(400, f"{HEAD}'response_format.type' Invalid value: 'json_schema'", "invalid_parameter_error")
NO_CHOICE = Problem(
    400,
    f"{HEAD}The tool_choice parameter does not support being set to required or object in thinking mode",
    "invalid_parameter_error",
)
NO_MODE = Problem(
    400,
    f"{HEAD}Json mode response is not supported when enable_thinking is true",
    "invalid_parameter_error",
)


def thinking(body: Json) -> Problem | None:
    """Models that always think have no JSON mode."""
    return NO_MODE if form_of(body) == "json_object" else None


def error(problem: Problem) -> Payload:
    told = {"message": problem.message, "type": "invalid_request_error", "param": None, "code": problem.code}
    return payload_of(problem, {"error": told, "request_id": "0-0"})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    return message_with(told, reasoning_content=THOUGHT)


DASHSCOPE = replace(
    OPENAI,
    name="dashscope",
    refusals=refusing(without_form("json_schema", NO_SCHEMA), without_form("tool", NO_CHOICE), thinking),
    error=error,
    completion=completion,
    path="/compatible-mode/v1",
    grammars=frozenset(),
)
