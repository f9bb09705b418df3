"""xAI: parameters refused by names of another spelling, thoughts in a field.

In: requests, problems and completions as `wire` has them. Out: the same, as xAI has them. Law: none of its own.

Seen in public: BerriAI/litellm #14056 (`{"code": "Client specified an invalid argument", "error": "Argument not
supported on this model: frequencyPenalty"}`), langchain-ai/langchain #38335 (`stop`), NousResearch/hermes-agent
#23435 (`reasoningEffort`), docs.x.ai "Reasoning" (`reasoning_content`), "Structured outputs".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import THOUGHT, message_with, payload_of, refusing
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem

NAMES = {
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "stop": "stop",
    "reasoning_effort": "reasoningEffort",
}


def argument(body: Json) -> Problem | None:
    found = next((told for name, told in NAMES.items() if name in body), None)
    return Problem(400, f"Argument not supported on this model: {found}") if found else None


def error(problem: Problem) -> Payload:
    return payload_of(problem, {"code": "Client specified an invalid argument", "error": problem.message})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    return message_with(told, reasoning_content=THOUGHT)


XAI = replace(
    OPENAI,
    name="xai",
    refusals=refusing(argument),
    error=error,
    completion=completion,
    batches=False,
    grammars=frozenset(),
)
