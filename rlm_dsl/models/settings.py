"""The settings of a run: which models, on which servers, within which limits.

In: what a user says. Out: immutable values. Law: nothing here is secret; keys stay in the environment, under the names
that servers give them here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.placement import Placement
from rlm_dsl.models.local.room import Serving
from rlm_dsl.models.prices import Price, known_price, price_name
from rlm_dsl.models.protocol import AUTO
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.models.server.address import server_address

DEFAULT_URL = "https://api.openai.com/v1"
OUTPUT = 4_096
"""The most tokens one answer may have, unless a parameter says other; reserved from the budget before each call."""
KEY = "OPENAI_API_KEY"
"""The environment's variable that holds a server's key, unless the server names another."""
WINDOW = 32_000
"""Estimated tokens that one call may show at most, unless settings say other."""
BUDGET = "write --budget calls=500,tokens=1000000,usd=2,seconds=600"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may spend: upper bounds over everything that it asks, its sub-runs too. `usd` needs prices; after
    `seconds` no call leaves any more."""

    calls: int = 1_000
    tokens: int = 2_000_000
    usd: float | None = None
    seconds: float | None = None

    @staticmethod
    def read(text: str, usual: str = "") -> Limits:
        """From `calls=500,tokens=100000,usd=2.50,seconds=600`; `usual` holds for what it does not name."""
        return Limits(**{**Limits.named(usual), **Limits.named(text)})

    @staticmethod
    def named(text: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in filter(None, text.replace(" ", "").split(",")):
            name, _, amount = part.partition("=")
            held = Limits.amount(name, amount.replace("_", ""), part)
            if name in found:
                raise UserError(f"the budget's {name} is given twice: {text!r}", "give each limit once")
            found[name] = held
        return found

    @staticmethod
    def amount(name: str, amount: str, part: str) -> int | float:
        if name in ("calls", "tokens") and amount.isdigit():
            return int(amount)
        if name in ("usd", "seconds") and re.fullmatch(r"\d+(\.\d*)?|\.\d+", amount):
            return float(amount)
        raise UserError(f"no budget: {part!r}", BUDGET)

    def as_json(self) -> dict[str, Any]:
        """Floats as text, as whatever is hashed has them."""
        found: dict[str, Any] = {"calls": self.calls, "tokens": self.tokens}
        more = {"usd": self.usd, "seconds": self.seconds}
        return found | {name: repr(amount) for name, amount in more.items() if amount is not None}


@dataclass(frozen=True, slots=True)
class Server:
    """How one server is spoken to. `key` names the environment's variable that holds its key, `key_header` the header
    that carries it where that is not `Authorization`; the values of `headers` may name variables as ${NAME}. The
    rates are a minute's. None stands for the run's own setting, or for no limit."""

    url: str
    key: str = KEY
    key_header: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", server_address(self.url))


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model as an alias names it: its name, its server's address ("" for the run's own), and what is sent to it."""

    model: str
    base_url: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    price: Price | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", server_address(self.base_url) if self.base_url else "")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about a run but its program and data. `models` is by alias; root and sub are always there.

    `prices` are by model and go before those that are known here; `price`, where it is given, goes before both.
    A step of which more than the share `max_failed` fails stops early. With `batch`, a step's requests are handed to
    the server's Batch API, and only what that leaves unanswered is asked one by one. `rows_per_call` says by step how
    many rows go into one request, as labelled rows proved it, and `pack` of all other steps: 1 for each row alone,
    "auto" for as many as are answered as they are alone; without it, what RLM_DSL_PACK says, else "auto".
    `proxies` are those of cascades, as JSON by their digests. `concurrency` is how many requests may be in flight at a
    server; where it is not said, as many as the server's `slots`, which local servers tell, else 16. `grammars` are
    the servers that are asked by grammars, each with the form of them; `windows` the tokens of a request with its
    answer by server and model, as local servers tell them; `local` how models of the user's own weights are served, by
    what stands for their server's address. `keep` is the folder in which data that was read is kept between runs.
    `engine` reads and works on the rows of contexts where it is another than this process: "ray", or a Placement.
    `card` is how much of the language a root model is told: small, medium or full; where it is not said, small for
    models whose size or window is known to be small, else medium.
    `unsaid` are servers that a trace alone names: nothing is sent there, neither rows nor a key.
    """

    models: Mapping[str, str | ModelChoice] = field(default_factory=dict)
    base_url: str = DEFAULT_URL
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = Limits()
    price: Price | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    servers: tuple[Server, ...] = ()
    concurrency: int | None = None
    window: int = WINDOW
    timeout_seconds: float = 120.0
    threads: int | None = None
    memory: str | None = None
    store: str | None = None
    heads: str | None = None
    keep: str | None = None
    engine: Placement | None = None
    turns: int = 20
    card: str = ""
    max_failed: float = 0.2
    batch: bool = False
    rows_per_call: Mapping[str, int] = field(default_factory=dict)
    pack: int | str | None = None
    proxies: Mapping[str, Any] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    grammars: Mapping[str, str] = field(default_factory=dict)
    windows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    unsaid: frozenset[str] = frozenset()
    local: Mapping[str, Serving] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", server_address(self.base_url))
        object.__setattr__(self, "pack", pack_size(self.pack))
        object.__setattr__(self, "engine", Placement.of(self.engine))
        object.__setattr__(self, "card", card_size(self.card) if self.card else "")

    @property
    def rows_together(self) -> int:
        """`pack` as a number of rows, or AUTO."""
        assert isinstance(self.pack, int)
        return self.pack

    def chosen(self, alias: str) -> ModelChoice:
        given = self.models[alias]
        return ModelChoice(given) if isinstance(given, str) else given

    def by_alias(self) -> dict[str, ModelSettings]:
        """The models' settings by alias; every alias sends the same bound of output, unless it says other."""
        found = {}
        for alias in self.models:
            choice = self.chosen(alias)
            parameters = sent_parameters({**self.parameters, **choice.parameters})
            found[alias] = ModelSettings(choice.model, choice.base_url or self.base_url, parameters=parameters)
        return found

    def said(self) -> frozenset[str]:
        """The servers that whoever runs this names."""
        choices = {choice.base_url for choice in map(self.chosen, self.models) if choice.base_url}
        return frozenset({self.base_url, DEFAULT_URL, *choices, *(server.url for server in self.servers)})

    def server(self, url: str) -> Server:
        """How the server at an address is spoken to."""
        return next((server for server in self.servers if server.url == url), Server(url))

    def price_of(self, model: str, answered: str = "") -> Price | None:
        """What a model costs; None where that is not known. Of an answer by another model than the one named, what the
        user says, and never what the named one costs elsewhere."""
        own = (choice.price for choice in map(self.chosen, self.models) if choice.model == model)
        said = self.price or next(filter(None, own), None) or self.prices.get(model)
        return said or known_price(price_name(model, answered))


def pack_size(given: int | str | None) -> int:
    """A number of rows, or AUTO for "auto"; where nothing is given, what RLM_DSL_PACK says. Raises UserError."""
    said = os.environ.get("RLM_DSL_PACK", "auto") if given is None else given
    if said in ("auto", AUTO):
        return AUTO
    if isinstance(said, int) and not isinstance(said, bool) and said > 0:
        return said
    if isinstance(said, str) and said.isascii() and said.isdigit() and int(said) > 0:
        return int(said)
    raise UserError(f"no number of rows in a request: {said!r}", "write pack auto, 1 for each row alone, or such as 20")


SIZES = ("small", "medium", "full")


def card_size(given: str) -> str:
    """How much of the language a root model is told. Raises UserError."""
    if given in SIZES:
        return given
    raise UserError(f"no size of a card: {given!r}", f"write one of {', '.join(SIZES)}")


def sent_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """A user's parameters in the one form that stands in keys: a number by its value and not by its spelling (0.0 is
    0), the output's limit by its newer name. Without a limit of the user's, there is one of ours."""
    found = {name: by_value(value) for name, value in given.items()}
    if "max_tokens" in found:
        if found.get("max_completion_tokens", found["max_tokens"]) != found["max_tokens"]:
            raise UserError(
                "`max_tokens` and `max_completion_tokens` are one limit, and two numbers are given",
                "say one of them: it is sent by the name that the server knows",
            )
        found["max_completion_tokens"] = found.pop("max_tokens")
    return {"max_completion_tokens": OUTPUT, **found}


def by_value(value: Any) -> Any:
    """A number that is whole as a whole number, wherever it stands."""
    match value:
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case Mapping():
            return {name: by_value(item) for name, item in value.items()}
        case list() | tuple():
            return [by_value(item) for item in value]
        case _:
            return value


def read_models(given: Sequence[str]) -> dict[str, str]:
    """Models from `NAME` (for all) and `ALIAS=NAME`, which holds for its alias alone."""
    found: dict[str, str] = {}
    for part in given:
        alias, separator, model = part.partition("=")
        if separator and not (alias and model):
            raise UserError(f"no model: {part!r}", "write --model gpt-5-mini, or --model sub=gpt-5-nano")
        named = alias if separator else ""
        if named in found:
            told = f"the model {named} is" if named else "a model for all is"
            raise UserError(f"{told} given twice", "give each alias one model: --model root=NAME --model sub=NAME")
        found[named] = model if separator else part
    every = found.pop("", "")
    usual = {"root": every, "sub": every} if every else {"sub": found["root"]} if "root" in found else {}
    return {**usual, **found}


def named_models(given: Sequence[str]) -> dict[str, str]:
    """Models as they are named where others hold already: `NAME` is the root's alone."""
    read_models(given)
    return {part.partition("=")[0] if "=" in part else "root": part.partition("=")[2] or part for part in given}


Models = str | ModelChoice | Mapping[str, str | ModelChoice]
"""A model for everything, or models by alias: a name, or a choice with its server's address and parameters."""


def settings_of(
    model: Models | None, base_url: str | None, budget: Mapping[str, float] | None, **more: Any
) -> Settings:
    """Settings from keywords; `model` is one model for all, or models by alias (root, sub, ...)."""
    models = dict(model or {}) if isinstance(model, Mapping) or model is None else {"root": model, "sub": model}
    if "root" in models:
        models.setdefault("sub", models["root"])
    url = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
    limits: dict[str, Any] = dict(budget or {})
    return Settings(models=models, base_url=url, limits=Limits(**limits), **more)
