"""Server personas: how families of OpenAI-compatible servers differ, found by reading `personas/`.

In: the modules of `personas/`. Out: personas by name. Law: adding one is adding one file; nothing else names it.

A file there defines a `Persona`, by what is other than at OpenAI:

    VLLM = replace(OPENAI, name="vllm", error=error_of_vllm)
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from rlm_dsl.testing import personas
from rlm_dsl.testing.wire import Json, Payload, Problem, Reply


@dataclass(frozen=True, slots=True)
class Persona:
    """One family of servers: what it refuses, in what words, the shape of what it says, and what it tells of itself.

    Which fields are refused and how long a prompt may be is a setting too (`Faults`); the words are the persona's.
    """

    name: str
    refusals: Callable[[Json], Iterator[Problem]]
    """What it refuses of a request that is well formed, by itself, the gravest first."""
    unsupported: Callable[[str, str], Problem]
    """What it says of a field that it does not support; the second text says more of what the field holds."""
    too_long: Callable[[int, int], Problem]
    """What it says of a prompt that is longer than its window: tokens of the window, tokens asked."""
    error: Callable[[Problem], Payload]
    """A problem as it is sent: status, body, headers."""
    completion: Callable[[dict[str, Any]], dict[str, Any]]
    """A whole completion as it is sent, made from OpenAI's."""
    event: Callable[[dict[str, Any]], dict[str, Any]]
    """One event of a stream as it is sent, made from OpenAI's."""
    said: Callable[[Reply, Json], Reply] = lambda reply, body: reply
    """A model's reply to a request as its template leaves it: with its thoughts, in a fence, with marks of its own."""
    heeds: Callable[[Json], bool] = lambda body: True
    """Whether it keeps to the form that a request asks for. Where it passes a form over and the schema is not told in
    words, the answer has properties of its own."""
    troubles: Mapping[int, Problem] = field(default_factory=dict)
    """What single requests meet, by their numbers from 1, such as 503 while a model is loaded."""
    tells: Mapping[str, Any] = field(default_factory=dict)
    """What it tells of itself: JSON by the path from its root, such as `/props`."""
    listed: Callable[[dict[str, Any]], dict[str, Any]] = lambda told: told
    """A model in the list of models, made from OpenAI's."""
    path: str = "/v1"
    """Where its routes stand; the base URL ends so."""
    query: Mapping[str, str] = field(default_factory=dict)
    """What each request must have in its query."""
    key_header: str = ""
    """The header that carries the key, where it is not `Authorization`."""
    grammars: frozenset[str] = frozenset()
    """The fields by which it takes a grammar of a reply; "custom" for the format of a custom tool."""
    batches: bool = False
    """Whether it has OpenAI's Batch API."""


@cache
def personas_by_name() -> Mapping[str, Persona]:
    """Every persona, in the order of the modules' names."""
    found: dict[str, Persona] = {}
    for module in pkgutil.iter_modules(personas.__path__):
        for value in vars(importlib.import_module(f"{personas.__name__}.{module.name}")).values():
            if isinstance(value, Persona):
                found.setdefault(value.name, value)
    return found


def persona_named(name: str) -> Persona:
    """Raises ValueError for a name that no persona has."""
    known = personas_by_name()
    if name not in known:
        raise ValueError(f"no persona is called {name!r}; there are {', '.join(known)}")
    return known[name]
