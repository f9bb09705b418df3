"""A store that is only read: what is missing is asked within the budget, and not kept.

In: any store. Out: its answers. Law: nothing reaches the store but questions; what would have to be noted in it is
refused before anything is asked, what may be forgotten is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, NoReturn

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.protocol import Claim, Entry, ReadableStore, Row, Stats
from rlm_dsl.models.request import Answer, Request
from rlm_dsl.models.server.dialects import Dialect


class ReadOnly:
    """Stands before a store. Whoever asks holds the claim here: to tell others of it would be to write."""

    read_only = True

    def __init__(self, store: ReadableStore) -> None:
        self.store = store

    @property
    def told(self) -> str:
        return self.store.told

    @property
    def damage(self) -> Mapping[str, Any]:
        return self.store.damage

    @property
    def upgraded(self) -> bool:
        return self.store.upgraded

    def held(self, keys: Iterable[str]) -> dict[str, str]:
        return self.store.held(keys)

    def read(self, text: str) -> Answer:
        return self.store.read(text)

    def request(self, key: str) -> str | None:
        return self.store.request(key)

    def most_answers(self) -> int:
        return self.store.most_answers()

    def put(self, request: Request, answer: Answer) -> Future[None]:
        if not answer.keepable:
            raise ValueError("refusals and answers cut short are not kept")
        done: Future[None] = Future()
        done.set_result(None)
        return done

    async def claim(self, key: str) -> Claim:
        return Claim(mine=True)

    def give_back(self, key: str) -> None:
        """There is none."""

    def pack_size(self, asking: str) -> int | None:
        return self.store.pack_size(asking)

    def learn_packs(self, asking: str, size: int, agreed: int, compared: int) -> None:
        """It is found out again the next time."""

    def dialects(self, base_url: str) -> dict[str, Dialect]:
        return self.store.dialects(base_url)

    def learn(self, base_url: str, model: str, dialect: Dialect) -> None:
        """It is found out again the next time."""

    def batches(self, base_url: str) -> dict[str, list[str]]:
        self.refuse("a batch under way is noted in the store", "leave --batch out, or name a store that is written to")

    def keep_batch(self, base_url: str, batch: str, keys: list[str]) -> None:
        self.batches(base_url)

    def forget_batch(self, batch: str) -> None:
        self.refuse("a batch is forgotten in the store", "name the store without read-only")

    def stats(self) -> Stats:
        return self.store.stats()

    def entries(self, model: str | None = None) -> Iterator[Entry]:
        return self.store.entries(model)

    def discard(self, keys: Iterable[str]) -> None:
        self.refuse("answers are taken out of it", "name the store without read-only")

    def rows_in(self, table: str) -> Iterator[Row]:
        return self.store.rows_in(table)

    def add_rows(self, table: str, rows: Iterable[Row]) -> int:
        self.refuse("answers are added to it", "name the store without read-only")

    def refuse(self, what: str, instead: str) -> NoReturn:
        raise UserError(f"the answer store {self.told} is read-only, and {what}", instead, code="store")

    def close(self) -> None:
        self.store.close()
