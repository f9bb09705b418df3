"""Models that are named by their weights: `local:PATH.gguf` in a run's settings, as what is asked and recorded.

In: settings. Out: settings whose local models stand under the name of their file and the digest of its bytes. Law:
nothing is loaded here; no path and no port comes into a key or a trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.local.room import WINDOW, Serving, check_size, planned, this_machine
from rlm_dsl.models.local.weights import EXAMPLE, Weights, read_weights
from rlm_dsl.models.server.address import WEIGHTS
from rlm_dsl.models.settings import OUTPUT, ModelChoice, Settings

PREFIX = "local:"
ANSWER = 4
"""The part of a window that one answer may take."""


def names_weights(model: str) -> bool:
    return model.startswith(PREFIX)


def with_local_models(settings: Settings) -> Settings:
    """The settings with each local model's weights read, and how they are to be served. Raises UserError."""
    named = {alias: settings.chosen(alias) for alias in settings.models}
    paths = {choice.model for choice in named.values() if names_weights(choice.model)}
    if not paths:
        return settings
    servings = {path: serving_of(path, settings) for path in sorted(paths)}
    models: dict[str, str | ModelChoice] = {}
    for alias, choice in named.items():
        if choice.model in servings:
            weights = servings[choice.model].weights
            parameters = {**answer_limit(weights, {**settings.parameters, **choice.parameters}), **choice.parameters}
            choice = replace(choice, model=weights.name, base_url=weights.url, parameters=parameters)
        models[alias] = choice
    return replace(settings, models=models, local={one.weights.url: one for one in servings.values()})


def at_their_servers(settings: Settings, servers: Mapping[str, str]) -> Settings:
    """The settings with models asked where `servers` say, by alias, but for those whose server is said already; weights
    that stand there by their digest are those that some model of the settings names. Raises UserError without them."""
    models = dict(settings.models)
    for alias, url in servers.items():
        choice = settings.chosen(alias) if alias in models else None
        if choice is None or choice.base_url or names_weights(choice.model):
            continue
        if not WEIGHTS.fullmatch(url):
            models[alias] = replace(choice, base_url=url)
            continue
        named = [each.model for each in map(settings.chosen, models) if names_weights(each.model)]
        path = next(
            (each for each in named if read_weights(Path(each.removeprefix(PREFIX)).expanduser()).url == url), ""
        )
        if not path:
            hint = "say where they lie: --model local:PATH.gguf, or under `models` in rlm-dsl.yaml"
            raise UserError(f"the weights of {url.removeprefix(PREFIX)[:12]}… are not at hand", hint, code="local")
        models[alias] = replace(choice, model=path)
    return replace(settings, models=models)


def weights_at(model: str) -> Weights:
    return read_weights(Path(model.removeprefix(PREFIX)).expanduser())


def answer_limit(weights: Weights, given: Mapping[str, Any]) -> Mapping[str, int]:
    """How long an answer may be where the user does not say: by the weights alone, since it stands in every key, and
    other machines have other memory."""
    if "max_completion_tokens" in given or "max_tokens" in given:
        return {}
    return {"max_completion_tokens": min(OUTPUT, min(WINDOW, weights.window) // ANSWER)}


def serving_of(model: str, settings: Settings) -> Serving:
    path = model.removeprefix(PREFIX)
    if not path:
        raise UserError("local: names no file", EXAMPLE, code="local")
    found, machine = Path(path).expanduser(), this_machine()
    if found.is_file():
        check_size(found.name, found.stat().st_size, machine)  # before gigabytes are read for their digest
    weights = read_weights(found)
    own = settings.server(weights.url)
    return planned(weights, machine, own.concurrency or settings.concurrency, settings.threads)
