"""OpenRouter: errors in a 200, errors within a choice, models of providers that lack what is asked.

In: requests, problems and completions as `wire` has them. Out: the same, as OpenRouter has them. Law: none of its own.

Seen in public: openrouter.ai/docs, "Errors and debugging" (an error once generating has begun comes with status 200),
"Provider routing" (`require_parameters`), "Reasoning tokens" (`reasoning`); genkit-ai/genkit #6259 and MacPaw/OpenAI
#312 (finish `error`, the error beside the choice's text), open-webui/computer #293 ("Provider returned error", the
reason in `metadata.raw`); "No endpoints found that support tool use".
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import THOUGHT, choice_with, message_with, payload_of, refusing, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Payload, Problem

PARAMETERS = Problem(
    404,
    "No endpoints found that can handle the requested parameters. To learn more about provider routing, visit: "
    "https://openrouter.ai/docs/guides/routing/provider-selection",
)
TOOLS = Problem(404, 'No endpoints found that support tool use. Try disabling "result".')
MIDWAY, WITHIN = "error_midway", "error_within"
"""Problems told in a reply with status 200: in a choice, and in a completion's stead."""


def error(problem: Problem) -> Payload:
    raw = json.dumps({"error": {"message": problem.message}})
    held = {"message": problem.message, "code": problem.status}
    if problem.status == 429:
        held = {"message": "Provider returned error", "code": 429, "metadata": {"raw": raw, "provider_name": "P"}}
    match problem.code:
        case "error_midway":
            message = {"role": "assistant", "content": "", "refusal": None}
            choice = {"index": 0, "finish_reason": "error", "native_finish_reason": None, "message": message}
            told: dict[str, Any] = {"id": "gen-0", "object": "chat.completion", "choices": [{**choice, "error": held}]}
            return payload_of(replace(problem, status=200), told)
        case "error_within":
            return payload_of(replace(problem, status=200), {"error": held, "user_id": "user_0"})
    return payload_of(problem, {"error": held, "user_id": "user_0"})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    told = message_with(told, reasoning=THOUGHT, reasoning_details=[{"type": "reasoning.text", "text": THOUGHT}])
    ended = told["choices"][0]["finish_reason"]
    return {**choice_with(told, native_finish_reason=ended.upper()), "provider": "P"}


OPENROUTER = replace(
    OPENAI,
    name="openrouter",
    refusals=refusing(without_form("json_schema", PARAMETERS), without_form("tool", TOOLS)),
    error=error,
    completion=completion,
    troubles={
        5: Problem(502, "Upstream error from P", MIDWAY),
        7: Problem(502, "Provider disconnected", WITHIN),
        9: Problem(429, "m is temporarily rate-limited upstream", retry_after=0.01),
    },
    path="/api/v1",
    batches=False,
    grammars=frozenset(),
)
