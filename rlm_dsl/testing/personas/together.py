"""Together: finishes of its own, marks of the template left in the text.

In: requests, problems and completions as `wire` has them. Out: the same, as Together has them. Law: none of its own.

Seen in public: docs.together.ai, "Chat completions" (finish `eos`, `prompt` beside the choices) and "Structured
outputs"; togethercomputer/together-python #153 (finish `error`); `<|eot_id|>` at the end of Llama's texts. The words
of its refusals are made up after these.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import finishing, payload_of, refusing, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem, Reply, error_type

NO_SCHEMA = Problem(422, "response_format json_schema is not supported for this model", "invalid_request_error")
NO_TOOLS = Problem(422, "tools are not supported for this model", "invalid_request_error")


def said(reply: Reply, body: Json) -> Reply:
    return replace(reply, content=f"{reply.content}<|eot_id|>") if reply.content else reply


def error(problem: Problem) -> Payload:
    told = {"message": problem.message, "type": error_type(problem.status), "param": problem.param}
    return payload_of(problem, {"id": "o0", "error": {**told, "code": problem.code}})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    return {**finishing(told, {"stop": "eos"}), "prompt": []}


TOGETHER = replace(
    OPENAI,
    name="together",
    refusals=refusing(without_form("json_schema", NO_SCHEMA), without_form("tool", NO_TOOLS)),
    said=said,
    error=error,
    completion=completion,
    batches=False,
    grammars=frozenset(),
)
