"""Hugging Face's text-generation-inference: no json_schema by OpenAI's name, a tool's arguments as an object.

In: requests, problems and completions as `wire` has them. Out: the same, as TGI has them. Law: none of its own.

Seen in public: huggingface/text-generation-inference #2136 and #1624 (arguments as an object, `description` null),
#2899 (422 in plain text: "Failed to deserialize the JSON body into the target type: response_format: ..."), #2864
(`/info`); finish `eos_token`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import finishing, message_with, payload_of, refusing, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Payload, Problem

UNREADABLE = "Failed to deserialize the JSON body into the target type: "
NO_SCHEMA = Problem(
    422, f"{UNREADABLE}response_format.type: unknown variant `json_schema`, expected one of `json`, `regex`", "plain"
)
NO_MODE = Problem(422, f"{UNREADABLE}response_format: missing field `value` at line 1 column 168", "plain")


def error(problem: Problem) -> Payload:
    if problem.code == "plain":
        return Payload(problem.status, problem.message.encode(), "text/plain; charset=utf-8".partition(";")[0])
    return payload_of(problem, {"error": problem.message, "error_type": "validation"})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    told = finishing(told, {"stop": "eos_token", "tool_calls": "stop"})
    calls = told["choices"][0]["message"].get("tool_calls")
    if not calls:
        return told
    function = calls[0]["function"]
    held = {"description": None, "name": function["name"], "arguments": json.loads(function["arguments"])}
    return message_with(told, tool_calls=[{**calls[0], "id": 0, "function": held}])


def too_long(window: int, asked: int) -> Problem:
    told = (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= "
        f"{window}. Given: {asked} `inputs` tokens and 100 `max_new_tokens`"
    )
    return Problem(422, told)


TGI = replace(
    OPENAI,
    name="tgi",
    refusals=refusing(without_form("json_schema", NO_SCHEMA), without_form("json_object", NO_MODE)),
    error=error,
    completion=completion,
    too_long=too_long,
    tells={"/info": {"model_id": "m", "max_input_tokens": 8_191, "max_total_tokens": 8_192}},
    batches=False,
    grammars=frozenset(),
)
