"""Ollama: older versions pass `response_format` over, leave thoughts in the text, and answer nothing while they load.

In: requests, problems and completions as `wire` has them. Out: the same, as Ollama has them. Law: none of its own.

Seen in public: callstackincubator/fabrice-ai #118 (response_format ignored), ollama/ollama #9137 (thoughts in
`content`), #15288 (all text in `reasoning`, `content` empty), docs/api.md (`done_reason` load: an empty answer while
a model is loaded), "registry.ollama.ai/library/... does not support tools".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import THOUGHT, payload_of, refusing, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem, Reply

LOAD = "load"
NO_TOOLS = Problem(400, "registry.ollama.ai/library/m:latest does not support tools")


def said(reply: Reply, body: Json) -> Reply:
    return replace(reply, content=f"<think>\n{THOUGHT}\n</think>\n\n{reply.content}") if reply.content else reply


def error(problem: Problem) -> Payload:
    if problem.code == LOAD:
        message = {"role": "assistant", "content": ""}
        choices: list[Any] = [{"index": 0, "message": message, "finish_reason": LOAD}]
        return payload_of(problem, {"id": "chatcmpl-0", "object": "chat.completion", "choices": choices})
    return payload_of(
        problem, {"error": {"message": problem.message, "type": "api_error", "param": None, "code": None}}
    )


OLLAMA = replace(
    OPENAI,
    name="ollama",
    refusals=refusing(without_form("tool", NO_TOOLS)),
    heeds=lambda body: False,
    said=said,
    error=error,
    troubles={1: Problem(200, "", LOAD)},
    batches=False,
    grammars=frozenset(),
)
