"""SGLang: errors without `error`, thoughts in a field of their own, numbers where others have words.

In: requests, problems and completions as `wire` has them. Out: the same, as SGLang has them. Law: none of its own.

Seen in public: sgl-project/sglang #14821 (`matched_stop`, `reasoning_content`, `metadata`), #5874 (answers in
`reasoning_content`), #2023 and #11401 (grammars that fail), docs.sglang.ai "Reasoning parser".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import THOUGHT, choice_with, message_with, payload_of, refusing, schema_given
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem

WINDOW = 32_768


def no_grammar(body: Json) -> Problem | None:
    if not schema_given(body):
        return None
    return Problem(400, "Failed to compile json grammar: grammar backend is none")


def error(problem: Problem) -> Payload:
    told = {"object": "error", "message": problem.message, "type": "BadRequestError", "param": None}
    return payload_of(problem, {**told, "code": problem.status})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    told = choice_with(message_with(told, reasoning_content=THOUGHT, tool_calls=None), matched_stop=151_645)
    return {**told, "metadata": {"weight_version": "default"}}


SGLANG = replace(
    OPENAI,
    name="sglang",
    refusals=refusing(no_grammar),
    error=error,
    completion=completion,
    listed=lambda told: {**told, "max_model_len": WINDOW},
    batches=False,
    grammars=frozenset({"ebnf"}),
)
