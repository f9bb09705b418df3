"""OpenAI's reasoning models: no `max_tokens`, no `temperature`, and tokens that are spent unseen.

In: requests, problems and completions as `wire` has them. Out: the same, as they have them. Law: none of its own.

Seen in public: platform.openai.com, "Reasoning models" (`max_completion_tokens`, `reasoning_tokens`); "Unsupported
parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead." and "Unsupported
value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", as BerriAI/litellm
#33738 and kd-research/Techies #42 have it of such parameters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_dsl.testing.habits import refusing
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import Json, Problem


def old_limit(body: Json) -> Problem | None:
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return Problem(400, words, "unsupported_parameter", "max_tokens") if "max_tokens" in body else None


def sampling(body: Json) -> Problem | None:
    for name in ("temperature", "top_p"):
        if body.get(name, 1) != 1:
            words = (
                f"Unsupported value: '{name}' does not support {body[name]} with this model. "
                "Only the default (1) value is supported."
            )
            return Problem(400, words, "unsupported_value", name)
    return None


def completion(told: dict[str, Any]) -> dict[str, Any]:
    details = {"completion_tokens_details": {"reasoning_tokens": 7}}
    return {**told, "usage": {**told["usage"], **details}} if "usage" in told else told


OPENAI_REASONING = replace(
    OPENAI, name="openai-reasoning", refusals=refusing(old_limit, sampling), completion=completion
)
