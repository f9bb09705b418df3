"""Azure OpenAI: a deployment in the path, the interface's version in the query, the key in `api-key`.

In: requests, problems and completions as `wire` has them. Out: the same, as Azure has them. Law: none of its own.

Seen in public: learn.microsoft.com, "Azure OpenAI in Azure AI Foundry Models REST API reference" (api-version,
api-key, `content_filter_results`, `prompt_filter_results`) and "Content filtering" (400 `content_filter` with an
`innererror`; finish `content_filter`); "response_format value as json_schema is enabled only for api versions
2024-08-01-preview and later" and "Unrecognized request argument supplied: max_completion_tokens" at older versions of
the interface.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import choice_with, message_with, payload_of, refusing, without_field, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Payload, Problem

SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
NO_SCHEMA = Problem(
    400,
    "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later",
    "BadRequest",
)
OLD_LIMIT = Problem(400, "Unrecognized request argument supplied: max_completion_tokens")


def error(problem: Problem) -> Payload:
    return payload_of(problem, {"error": {"code": problem.code or str(problem.status), "message": problem.message}})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    filtered = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]}
    if told["choices"][0]["message"]["refusal"] is not None:
        return choice_with(message_with(told, content=None, refusal=None), finish_reason="content_filter")
    return {**choice_with(told, content_filter_results=SAFE), **filtered}


AZURE = replace(
    OPENAI,
    name="azure",
    refusals=refusing(
        without_form("json_schema", NO_SCHEMA),
        without_field("max_completion_tokens", OLD_LIMIT),
    ),
    error=error,
    completion=completion,
    path="/openai/deployments/mini",
    query={"api-version": "2024-06-01"},
    key_header="api-key",
    batches=False,
    grammars=frozenset(),
)
