"""OpenAI's own servers: the persona that every other one differs from.

In: requests, problems and completions as `wire` has them. Out: the same. Law: it refuses nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlm_dsl.testing.persona import Persona
from rlm_dsl.testing.wire import Json, Problem, error_payload


def refuses_nothing(body: Json) -> Iterator[Problem]:
    yield from ()


def unsupported(name: str, more: str = "") -> Problem:
    return Problem(400, f"Unsupported parameter: '{name}'{more} is not supported here.", "unsupported_parameter", name)


def too_long(window: int, asked: int) -> Problem:
    message = f"This model's maximum context length is {window} tokens, but the messages have {asked} tokens."
    return Problem(400, message, "context_length_exceeded", "messages")


def unchanged(told: dict[str, Any]) -> dict[str, Any]:
    return told


OPENAI = Persona(
    "openai",
    refuses_nothing,
    unsupported,
    too_long,
    error_payload,
    unchanged,
    unchanged,
    batches=True,
    grammars=frozenset({"custom"}),
)
