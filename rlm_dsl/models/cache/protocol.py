"""An answer store: what each kind of it can do.

In: requests and answers. Out: the same answers, over runs, processes and machines. Law: what was acknowledged is there
after a crash; errors, refusals and answers cut short are never in it; who holds a claim asks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from rlm_dsl.models.cache.place import Place
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.dialects import Dialect

TABLES: Mapping[str, tuple[str, ...]] = {
    "answers": ("key", "request", "answer", "kept"),
    "manners": ("base_url", "model", "form", "old_limit", "found"),
    "batches": ("batch", "base_url", "keys", "submitted"),
    "upgraded": ("version",),
    "packs": ("asking", "size", "agreed", "compared"),
}
"""What a store holds, in any kind of it: answers as JSON, each with when it was kept; how each server's models are
asked, with when that was found out; the batches under way, with the keys that they will answer; the earlier versions
that answers were kept by; how many rows of a kind go together, with how many of those compared were answered alike.
Moments are seconds since the epoch."""
FORGOTTEN = 30 * 86_400.0
"""Seconds after which it is tried anew how a server is asked: servers learn too."""
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a request is ours to ask; where it is not, the answer that is there by now, or None while somebody else
    asks for it."""

    mine: bool
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer as those see it who look after a store: its age is in seconds, by the store's clock."""

    key: str
    model: str
    bytes: int
    age: float


@dataclass(frozen=True, slots=True)
class Stats:
    """What a store holds: answers and bytes in all, by model (answers, bytes, oldest and newest in seconds)."""

    path: str
    models: tuple[tuple[str, int, int, float, float], ...]
    batches: int

    @property
    def answers(self) -> int:
        return sum(model[1] for model in self.models)

    @property
    def bytes(self) -> int:
        return sum(model[2] for model in self.models)

    def as_json(self) -> dict[str, Any]:
        names = ("model", "answers", "bytes", "oldest", "newest")
        models = [dict(zip(names, row, strict=True)) for row in self.models]
        return {
            "path": self.path, "answers": self.answers, "bytes": self.bytes, "models": models, "batches": self.batches,
        }  # fmt: skip


class ReadableStore(Protocol):
    """What is there to be read. Whatever fails for good raises UserError, with what to do about it."""

    @property
    def told(self) -> str:
        """Where it is, without anything secret."""
        ...

    @property
    def damage(self) -> Mapping[str, Any]:
        """What a run's log is told where the store was found damaged and mended; empty where it was whole."""
        ...

    @property
    def upgraded(self) -> bool:
        """Whether answers may lie here under keys of an earlier version."""
        ...

    def held(self, keys: Iterable[str]) -> dict[str, str]:
        """The answers that there are, as they are kept, by key."""
        ...

    def read(self, text: str) -> Answer:
        """An answer as it was kept."""
        ...

    def request(self, key: str) -> str | None:
        """The request that was asked for an answer, as JSON."""
        ...

    def most_answers(self) -> int:
        """More answers there cannot be, as is known without counting them."""
        ...

    def pack_size(self, asking: str) -> int | None:
        """How many rows that are asked so go together, where that was found out."""
        ...

    def dialects(self, base_url: str) -> dict[str, Dialect]:
        """How a server's models are asked, as far as that was found out not too long ago."""
        ...

    def stats(self) -> Stats:
        """What it holds."""
        ...

    def entries(self, model: str | None = None) -> Iterator[Entry]:
        """Its answers, or those of a model, the newest first."""
        ...

    def rows_in(self, table: str) -> Iterator[Row]:
        """The rows of one of the TABLES, by key."""
        ...

    def close(self) -> None:
        """Finish what waits, then close."""
        ...


class AnswerStore(ReadableStore, Protocol):
    """Where answers are kept."""

    @property
    def read_only(self) -> bool:
        """Whether nothing is ever written to it."""
        ...

    def put(self, request: Request, answer: Answer) -> Future[None]:
        """Keep an answer; the future is done once it is safe. Raises ValueError for one that is not whole."""
        ...

    async def claim(self, key: str) -> Claim:
        """Take the claim on a key, unless its answer is there or somebody else who is still there holds it."""
        ...

    def give_back(self, key: str) -> None:
        """Let a claim go, if it is ours."""
        ...

    def learn_packs(self, asking: str, size: int, agreed: int, compared: int) -> None:
        """Remember how many rows go together. That it cannot be kept is no reason to stop."""
        ...

    def learn(self, base_url: str, model: str, dialect: Dialect) -> None:
        """Remember how a model is asked. That it cannot be kept is no reason to stop."""
        ...

    def batches(self, base_url: str) -> dict[str, list[str]]:
        """The batches under way at a server, each with the keys that it will answer."""
        ...

    def keep_batch(self, base_url: str, batch: str, keys: list[str]) -> None:
        """Write down a batch that was submitted, safely, before anything waits for it."""
        ...

    def forget_batch(self, batch: str) -> None: ...

    def discard(self, keys: Iterable[str]) -> None:
        """Take answers out for good."""
        ...

    def add_rows(self, table: str, rows: Iterable[Row]) -> int:
        """Add what is not there to one of the TABLES; how many rows that were."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of store: its name, the schemes of its addresses (none: paths), what opens one, and what opens one in
    which nothing is to be written."""

    name: str
    schemes: tuple[str, ...]
    open: Callable[[Place], AnswerStore]
    read: Callable[[Place], ReadableStore]
