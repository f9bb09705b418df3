"""Where the rows of contexts are read and worked on, if not in the process that asks: an engine by name, and its ways.

In: what a user says, `ray` or `ray:ADDRESS`, or a mapping with more. Out: a value. Law: an engine that there is not is
refused where it is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.memory import memory_bytes

ENGINES = ("local", "ray")
OPTIONS = ("shard", "memory")
SHARD = 256_000_000
"""Bytes of files that are one shard, unless it is said."""
AUTO = "auto"
"""The address of the cluster that runs here, or that the environment names; where there is none, one is started."""
EXAMPLE = "engine: ray, or engine: {ray: auto, shard: 256MB, memory: 2GB}"


@dataclass(frozen=True, slots=True)
class Placement:
    """`engine` does the work; `address` is its cluster's; files of `shard` bytes go together; each task may take
    `memory` bytes, where that is said."""

    engine: str
    address: str = AUTO
    shard: int = SHARD
    memory: int | None = None

    @staticmethod
    def read(text: str) -> Placement | None:
        """From `ray` or `ray:ADDRESS`; None for `local`, which is this process."""
        engine, _, address = text.strip().partition(":")
        return None if known_engine(engine) == "local" else Placement(engine, address or AUTO)

    @staticmethod
    def of(given: Any) -> Placement | None:
        """From a text, or a mapping of an engine to its address beside `shard` and `memory`."""
        if given is None or isinstance(given, Placement):
            return given
        if isinstance(given, str):
            return Placement.read(given)
        if not isinstance(given, Mapping):
            raise UserError(f"no engine: {given!r}", EXAMPLE)
        named = [str(key) for key in given if key not in OPTIONS]
        for key in named if len(given) > 1 else ():
            if key not in ENGINES:
                raise UserError(f"an engine has no `{key}`", *did_you_mean(key, (*ENGINES, *OPTIONS), what="it takes"))
        if len(named) != 1:
            raise UserError("an engine is named once" if named else "this names no engine", EXAMPLE)
        found = Placement.read(f"{named[0]}:{given[named[0]] or AUTO}")
        if found is None:
            return None
        said = {key: memory_bytes(str(given[key])) for key in OPTIONS if given.get(key) is not None}
        return Placement(found.engine, found.address, **said)


def known_engine(engine: str) -> str:
    if engine not in ENGINES:
        raise UserError(f"no engine is called `{engine}`", *did_you_mean(engine, ENGINES, what="engines"))
    return engine
