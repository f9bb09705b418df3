"""The settings of a run: which models, within which limits.

In: what a user says. Out: an immutable value. Law: nothing here is secret; keys stay in the environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.diagnostics import UserError
from rlm_dsl.request import ModelSettings
from rlm_dsl.runtime.rounds import WINDOW

DEFAULT_URL = "https://api.openai.com/v1"
OUTPUT = 4_096
"""The most tokens one answer may have, unless a parameter says other; reserved from the budget before each call."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may spend. `calls` and `tokens` are upper bounds over everything that it asks."""

    calls: int = 1_000
    tokens: int = 2_000_000

    @staticmethod
    def read(text: str) -> Limits:
        """From `calls=500,tokens=100000`."""
        found: dict[str, int] = {}
        for part in filter(None, text.replace(" ", "").split(",")):
            name, _, amount = part.partition("=")
            if name not in ("calls", "tokens") or not amount.replace("_", "").isdigit():
                raise UserError(f"no budget: {part!r}", "write --budget calls=500,tokens=1000000")
            found[name] = int(amount)
        return Limits(**found)


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, given and answered."""

    prompt: float
    completion: float

    @staticmethod
    def read(text: str) -> Price:
        """From `0.25/2.00`."""
        given, _, answered = text.partition("/")
        try:
            return Price(float(given), float(answered or given))
        except ValueError:
            raise UserError(
                f"no price: {text!r}", "write --price 0.25/2.00 (dollars for a million tokens, in/out)"
            ) from None

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about a run but its program and data. `models` is by alias; root and sub are always there."""

    models: Mapping[str, str] = field(default_factory=dict)
    base_url: str = DEFAULT_URL
    parameters: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = Limits()
    price: Price | None = None
    concurrency: int = 16
    window: int = WINDOW
    timeout_seconds: float = 120.0
    threads: int | None = None
    memory: str | None = None
    store: str | None = None
    turns: int = 20

    def by_alias(self) -> dict[str, ModelSettings]:
        """The models' settings by alias; every alias sends the same parameters and the same bound of output."""
        parameters = {"max_completion_tokens": OUTPUT, **self.parameters}
        return {
            alias: ModelSettings(model, self.base_url, parameters=parameters) for alias, model in self.models.items()
        }


def read_models(given: Sequence[str]) -> dict[str, str]:
    """Models from `NAME` (for all) and `ALIAS=NAME`."""
    found: dict[str, str] = {}
    for part in given:
        alias, separator, model = part.partition("=")
        if not separator:
            found |= {"root": part, "sub": part}
        elif alias and model:
            found[alias] = model
        else:
            raise UserError(f"no model: {part!r}", "write --model gpt-5-mini, or --model sub=gpt-5-nano")
    return {**({"sub": found["root"]} if "root" in found else {}), **found}
