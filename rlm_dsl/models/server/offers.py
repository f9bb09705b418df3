"""What can be asked from here: the models that settings name, and what each server offers.

In: settings, keys. Out: offers, a server each. Law: no model is asked and nothing is started; only servers that the
settings name, and this machine's usual ports, are looked at, for seconds at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.local.choice import with_local_models
from rlm_dsl.models.server.address import WEIGHTS, is_local
from rlm_dsl.models.server.limits import PATIENCE, ServerLimits, limits_at, limits_of, windows_of
from rlm_dsl.models.server.servers import Keys, endpoint_of
from rlm_dsl.models.settings import Settings

USUAL_PORTS = {11434: "Ollama", 1234: "LM Studio", 8000: "vLLM", 8080: "llama.cpp", 30000: "SGLang"}
"""Where servers of this machine listen unless they are told otherwise, and whose port it is."""
MOST = 200
"""Names of models that are told of one server."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One server: the models that settings ask of it, by alias; those that it says it has; `problem` says why it says
    none, `starts` that the run starts it when it is first asked."""

    url: str
    named: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    limits: ServerLimits = field(default_factory=ServerLimits)
    problem: str = ""
    usually: str = ""
    starts: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Aliases whose model is not among those that the server lists."""
        return tuple(alias for alias, model in self.named.items() if self.models and model not in self.models)

    def as_json(self) -> dict[str, Any]:
        return {
            "server": self.url,
            "named": dict(self.named),
            "answers": not self.problem,
            "problem": self.problem or None,
            "models": list(self.models),
            "windows": dict(self.limits.windows or {}),
            "slots": self.limits.slots,
        }


def offers(settings: Settings, keys: Keys, usual_ports: Mapping[int, str] = USUAL_PORTS) -> list[Offer]:
    """Those of the settings first, in their order, then what else answers on this machine."""
    settings = with_local_models(settings)
    named: dict[str, dict[str, str]] = {}
    for alias, model in settings.by_alias().items():
        named.setdefault(model.base_url, {})[alias] = model.model
    for server in settings.servers:
        named.setdefault(server.url, {})
    others = {
        f"http://localhost:{port}/v1": whose
        for port, whose in usual_ports.items()
        if not any(f"http://{host}:{port}/v1" in named for host in ("localhost", "127.0.0.1"))
    }
    with ThreadPoolExecutor(8) as pool:
        ours = list(pool.map(lambda url: offer_of(url, named[url], settings, keys), named))
        found = list(pool.map(lambda url: offer_of(url, {}, settings, Keys({}), others[url]), others))
    return [*ours, *(offer for offer in found if not offer.problem)]


def offer_of(url: str, named: Mapping[str, str], settings: Settings, keys: Keys, usually: str = "") -> Offer:
    if WEIGHTS.fullmatch(url):
        serving = settings.local.get(url)
        if serving is None:
            return Offer(url, named, problem="the weights are not at hand: name them by local:PATH.gguf")
        return Offer(url, named, (serving.weights.name,), limits_at(url, settings, keys), starts=True)
    endpoint = endpoint_of(settings, keys, url)
    try:
        listed = endpoint.told(f"{endpoint.base_url}/models", PATIENCE)
    except UserError as failure:
        why = failure.message.rpartition("cannot be reached: ")[2]
        return Offer(url, named, problem=f"does not answer: {why}", usually=usually)
    if not isinstance(listed, Mapping):
        problem = "it lists no models" if keys.of(settings.server(url)) else "it lists no models without a key"
        return Offer(url, named, problem=problem, usually=usually)
    limits = limits_of(endpoint, listed) if is_local(url) else ServerLimits(windows=windows_of(listed))
    return Offer(url, named, tuple(names_of(listed)), limits, usually=usually)


def names_of(listed: Mapping[str, Any]) -> Iterable[str]:
    models = listed.get("data")
    named = [model for model in models if isinstance(model, Mapping)] if isinstance(models, list) else []
    return [str(model["id"]) for model in named if isinstance(model.get("id"), str)][:MOST]
