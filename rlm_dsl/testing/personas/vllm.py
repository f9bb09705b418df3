"""vLLM: a grammar taken, schemas that its own cannot do refused, thoughts apart, itself and its window told.

In: requests, problems and completions as `wire` has them. Out: the same, as vLLM has them. Law: none of its own.

Seen in public: vllm-project/vllm #26421 and #12131 ("The provided JSON schema contains features not supported by
xgrammar."), #6862 (errors without `error`: object, message, type, code 400), docs.vllm.ai "Reasoning outputs"
(`reasoning_content`), "OpenAI-compatible server" (`max_model_len` and `owned_by` in the list of models), "Structured
outputs" (`grammar`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import THOUGHT, message_with, payload_of, refusing, schema_given, uses
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem

WINDOW = 16_384


def no_grammar(body: Json) -> Problem | None:
    told = "The provided JSON schema contains features not supported by xgrammar."
    return Problem(400, told) if uses(schema_given(body), "anyOf") else None


def error(problem: Problem) -> Payload:
    kind = {400: "BadRequestError", 404: "NotFoundError"}.get(problem.status, "InternalServerError")
    told = {"object": "error", "message": problem.message, "type": kind, "param": None, "code": problem.status}
    return payload_of(problem, told)


def completion(told: dict[str, Any]) -> dict[str, Any]:
    told = message_with(told, reasoning_content=f"\n{THOUGHT}\n")
    content = told["choices"][0]["message"]["content"]
    return message_with(told, content=f"\n\n{content}") if isinstance(content, str) else told


def too_long(window: int, asked: int) -> Problem:
    told = (
        f"This model's maximum context length is {window} tokens. However, you requested {asked} tokens in the "
        "messages. Please reduce the length of the messages."
    )
    return Problem(400, told)


VLLM = replace(
    OPENAI,
    name="vllm",
    refusals=refusing(no_grammar),
    error=error,
    completion=completion,
    too_long=too_long,
    listed=lambda told: {**told, "owned_by": "vllm", "max_model_len": WINDOW},
    batches=False,
    grammars=frozenset({"structured_outputs"}),
)
