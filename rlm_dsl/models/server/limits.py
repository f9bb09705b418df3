"""What a local server tells of itself: how many requests it works on at once, and how much one may show.

In: an open endpoint; settings. Out: limits; settings within them. Law: only servers of this machine or network are
asked, once a run and for seconds at most; a server that tells nothing changes nothing; a limit only ever narrows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.local.choice import with_local_models
from rlm_dsl.models.server.address import WEIGHTS, is_local
from rlm_dsl.models.server.client import Endpoint
from rlm_dsl.models.server.servers import Keys, endpoint_of
from rlm_dsl.models.settings import OUTPUT, Settings

PATIENCE = 3.0
"""Seconds that a server has to tell of itself."""
WINDOWS = ("max_model_len", "max_context_length", "context_length", "context_window", "n_ctx")
"""Names that servers have for a model's window, in tokens."""
GUIDED = {"vllm", "sglang"}
"""Servers that take a grammar as a field of their own."""
SHARE = 4
"""The part of a small window that one answer may take, where the user says nothing."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """None for what a server does not tell: `slots` are requests at once, `windows` tokens by model ("" for any);
    `form` is the form of grammars that it takes, "" for none that is known: llama.cpp's, or vLLM's and SGLang's."""

    slots: int | None = None
    windows: Mapping[str, int] | None = None
    form: str = ""

    def window(self, model: str) -> int | None:
        held = self.windows or {}
        return held.get(model, held.get(""))


def limits_of(endpoint: Endpoint, models: Any = None) -> ServerLimits:
    """What a server tells at `/props` (llama.cpp), `/slots` and `/models`, which may be at hand as `models`; nothing
    where it cannot be reached."""
    parts = urlsplit(endpoint.base_url)
    root = f"{parts.scheme}://{parts.netloc}"
    try:
        props = endpoint.told(f"{root}/props", PATIENCE)
        slots = endpoint.told(f"{root}/slots", PATIENCE) if isinstance(props, Mapping) else None
        models = endpoint.told(f"{endpoint.base_url}/models", PATIENCE) if models is None else models
    except UserError:
        return ServerLimits()  # told by the first call, with what to do about it
    told = props if isinstance(props, Mapping) else {}
    generation = told.get("default_generation_settings")
    windows = windows_of(models)
    if isinstance(generation, Mapping) and (window := count(generation.get("n_ctx"))):
        windows = {"": window}
    listed = len(slots) if isinstance(slots, list) and all(isinstance(slot, Mapping) for slot in slots) else None
    form = "llguidance" if isinstance(generation, Mapping) else "guided" if GUIDED & owners_of(models) else ""
    return ServerLimits(count(told.get("total_slots")) or listed or None, windows, form)


def limits_at(url: str, settings: Settings, keys: Keys) -> ServerLimits:
    """What is told by a server, or known of one that is started when it is first asked."""
    if WEIGHTS.fullmatch(url):
        serving = settings.local.get(url)
        return ServerLimits() if serving is None else ServerLimits(serving.slots, {"": serving.window}, "llguidance")
    return limits_of(endpoint_of(settings, keys, url))


def owners_of(models: Any) -> set[str]:
    """Whose the models of a list are, in small letters: servers name themselves there."""
    listed = models.get("data") if isinstance(models, Mapping) else None
    named = [model for model in listed if isinstance(model, Mapping)] if isinstance(listed, list) else []
    return {str(model.get("owned_by")).lower() for model in named}


def windows_of(models: Any) -> dict[str, int]:
    """Each model's window, where a list of models tells it."""
    listed = models.get("data") if isinstance(models, Mapping) else None
    found: dict[str, int] = {}
    for model in listed if isinstance(listed, list) else []:
        if isinstance(model, Mapping) and isinstance(model.get("id"), str):
            window = next((size for name in WINDOWS if (size := count(model.get(name)))), None)
            if window is not None:
                found[model["id"]] = window
    return found


def count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 2**40 else None


def within_limits(settings: Settings, keys: Keys) -> Settings:
    """The settings of a run, with its own weights read, and narrowed to what its local servers tell: requests in
    flight, the window, and the length of answers for which the user names none."""
    settings = with_local_models(settings)
    chosen = settings.by_alias()
    urls = {model.base_url for model in chosen.values() if is_local(model.base_url)} - settings.unsaid
    if not urls:
        return settings
    found = {url: limits_at(url, settings, keys) for url in sorted(urls)}
    slots = {url: limits.slots for url, limits in found.items() if limits.slots}
    windows = {
        (model.base_url, model.model): window
        for model in chosen.values()
        if model.base_url in found and (window := found[model.base_url].window(model.model))
    }
    grammars = {url: limits.form for url, limits in found.items() if limits.form}
    settings = replace(settings, slots=slots, grammars=grammars, windows=windows)
    return settings if not windows else within_window(settings, min(windows.values()))


def within_window(settings: Settings, window: int) -> Settings:
    """Room for the answer is kept: the user's limit where there is one, else a part of the window."""
    named = [
        parameters[name]
        for parameters in (settings.parameters, *(settings.chosen(alias).parameters for alias in settings.models))
        for name in ("max_completion_tokens", "max_tokens")
        if type(parameters.get(name)) is int
    ]
    if named:
        return replace(settings, window=min(settings.window, max(1, window - max(named))))
    answer = min(OUTPUT, max(1, window // SHARE))
    parameters = settings.parameters if answer == OUTPUT else {**settings.parameters, "max_completion_tokens": answer}
    return replace(settings, window=min(settings.window, window - answer), parameters=parameters)
