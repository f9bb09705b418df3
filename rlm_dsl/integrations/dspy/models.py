"""A dspy language model as our settings.

In: `dspy.LM`s for the root and the rows. Out: settings of a run, and the key. Law: what cannot be sent is refused by
name, never left out in silence; the key goes nowhere but into the client.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dspy

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.recording import Usage
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import DEFAULT_URL, Limits, ModelChoice, Settings

SENT = frozenset(
    {
        *("temperature", "top_p", "seed", "stop", "max_tokens", "max_completion_tokens", "frequency_penalty"),
        *("presence_penalty", "logit_bias", "reasoning_effort", "extra_body"),
    }
)
"""Parameters of a `dspy.LM` that are sent with every request."""
OURS = frozenset({"api_key", "api_base", "base_url", "rollout_id", "timeout", "num_retries", "cache"})
"""Those that say where and how, and are no parameters."""


@dataclass(frozen=True, slots=True)
class Server:
    """A model, where it is, what is sent with every request."""

    model: str
    base_url: str
    api_key: str | None = field(repr=False)
    parameters: Mapping[str, Any]


def server_of(lm: Any) -> Server:
    """A `dspy.LM` as a server. Raises UserError for one that speaks something else."""
    if not isinstance(lm, dspy.LM):
        raise UserError(f"the language model is a {type(lm).__name__}", "configure one: dspy.LM('openai/NAME')")
    provider, _, name = lm.model.partition("/")
    if provider != "openai" or not name or lm.model_type != "chat":
        raise UserError(
            f"the language model {lm.model} speaks no OpenAI chat",
            "name any OpenAI-compatible server: dspy.LM('openai/NAME', api_base=URL, api_key=KEY)",
        )
    given = {key: value for key, value in lm.kwargs.items() if value is not None}
    if unknown := sorted(given.keys() - SENT - OURS):
        raise UserError(f"{lm.model} has settings that are not sent here: {', '.join(unknown)}", "leave them out")
    parameters = {key: value for key, value in given.items() if key in SENT}
    if "max_tokens" in parameters:
        parameters["max_completion_tokens"] = parameters.pop("max_tokens")
    url = given.get("api_base") or given.get("base_url") or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
    return Server(name, url, given.get("api_key") or os.environ.get("OPENAI_API_KEY"), parameters)


def settings_of(lm: Any, sub_lm: Any, limits: Limits, turns: int, more: Mapping[str, Any]) -> tuple[Settings, Keys]:
    """The settings of a run by these models, and their key. Raises UserError."""
    root, sub = server_of(lm), server_of(sub_lm or lm)
    if (root.base_url, root.api_key) != (sub.base_url, sub.api_key):
        raise UserError("sub_lm is at another server than the root's model", "name both at one server")
    models = {"root": ModelChoice(root.model, "", root.parameters), "sub": ModelChoice(sub.model, "", sub.parameters)}
    settings = Settings(models=models, base_url=root.base_url, limits=limits, turns=turns, **more)
    return settings, Keys(os.environ, root.api_key)


def note_usage(usage: Sequence[Usage]) -> None:
    """Tell dspy's tracker what was used, if there is one."""
    tracker = dspy.settings.usage_tracker
    for each in usage if tracker is not None else ():
        counts = {"prompt_tokens": each.prompt_tokens, "completion_tokens": each.completion_tokens}
        tracker.add_usage(f"openai/{each.model}", {**counts, "total_tokens": sum(counts.values()), "calls": each.calls})
