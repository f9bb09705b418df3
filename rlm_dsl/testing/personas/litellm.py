"""LiteLLM's proxy: another server's error in its own words, codes that are texts.

In: requests, problems and completions as `wire` has them. Out: the same, as LiteLLM has them. Law: none of its own.

Seen in public: BerriAI/litellm #33738 and #14056 ("litellm.UnsupportedParamsError: ... To drop unsupported params set
`litellm.drop_params = True`", "Received Model Group=... Available Model Group Fallbacks=None", `"code": "400"`),
`"type": "None"` and `"param": "None"` beside it; docs.litellm.ai, "Batches" (OpenAI's form).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import payload_of, refusing, without_field, without_form
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Payload, Problem


def unsupported(names: str) -> Problem:
    told = (
        f"litellm.UnsupportedParamsError: hosted does not support parameters: {names}, for model=m. To drop these, set "
        "`litellm.drop_params=True` or for proxy:\n\n`litellm_settings:\n drop_params: true`\n. "
        "Received Model Group=m\nAvailable Model Group Fallbacks=None"
    )
    return Problem(400, told)


def any_form(body: Json) -> Problem | None:
    return unsupported("['response_format']") if "response_format" in body else None


def error(problem: Problem) -> Payload:
    told = {"message": problem.message, "type": "None", "param": "None", "code": str(problem.status)}
    return payload_of(problem, {"error": told})


def completion(told: dict[str, Any]) -> dict[str, Any]:
    """Made by a library for which every field is there."""
    return {**told, "service_tier": None, "system_fingerprint": told["system_fingerprint"]}


LITELLM = replace(
    OPENAI,
    name="litellm",
    refusals=refusing(
        any_form,
        without_field("temperature", unsupported("['temperature']")),
        without_form("tool", unsupported("['tools', 'tool_choice']")),
    ),
    error=error,
    completion=completion,
    grammars=frozenset(),
)
