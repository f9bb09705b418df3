"""Rows that a budget can surely not pay for are refused at once, and nothing that might fit is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.engine.calls.options import CallOptions, Calls
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.sql import Sql
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.protocol import Room, TooDear
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from tests.support.small import OneModel, loaded, planned

SECRET = "sEcReT"


class Asked(Exception):
    """Raised in a round's stead, with the requests that it would have made."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self.keys = {request.key for request in requests}


class Stopped(OneModel):
    """A stack with so much room, which ends a run where its first round begins."""

    def __init__(self, room: Room | None) -> None:
        super().__init__()
        self.left = room

    def room(self) -> Room | None:  # type: ignore[override]
        return self.left

    def afford(self, step: str, requests: Any, pack: Any = None) -> None:
        raise Asked(requests)


@dataclass(slots=True)
class Work:
    """What a run came to: the requests of its first round, or why there are none; and what it did on the way."""

    requests: int = 0
    refused: str = ""
    made: list[str] = field(default_factory=list)
    read: int = 0


class Watched(Warehouse):
    """A warehouse that notes what is made in it and how many rows are read out of it."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.work = Work()

    def create(self, table: str, fragment: Sql) -> None:
        self.work.made.append(table)
        super().create(table, fragment)

    def rows(self, fragment: Sql) -> list[tuple[Any, ...]]:
        found = super().rows(fragment)
        self.work.read += len(found)
        return found


def tried(program: str, columns: Mapping[str, list[Any]], room: Room | None, **options: Any) -> Work:
    """The program's first round, over a table `t`, with so much room."""
    with Watched() as warehouse:
        types = {"t": loaded(warehouse, "t", columns)}
        plan = planned(program, types, warehouse)
        try:
            Runner(warehouse, Calls(Stopped(room), CallOptions(**options)), NoProgress()).run(plan)
        except TooDear as refusal:
            warehouse.work.refused = refusal.message
        except Asked as asked:
            warehouse.work.requests = len(asked.keys)
        return warehouse.work


@pytest.mark.parametrize("before", ["", "where(n >= 0) | ", "derive(m=n + 1) | where(m > 0) | "])
def test_pairs_that_no_budget_pays_for_are_refused_before_they_are_made(before: str) -> None:
    columns = {"n": [*range(150)], "s": [f"text {n}" for n in range(150)]}
    program = f'near = t | {before}pairs() | derive(b=b_s) | keep("alike", on=[a_s, b])\nanswer count(near)'
    work = tried(program, columns, Room(100, 120, 7))
    assert work.refused == (
        "near needs more than 100 new model calls for 11,175 rows, 100 of them at most in each, and the budget "
        "of 120 has 100 left"
    )
    assert work.made == [] and work.read < 10, "neither the pairs are made nor the rows read"
    alone = program.replace("[a_s, b]", "[a_s, b], pack=1")
    few = {"n": [*range(20)], "s": columns["s"][:20]}
    assert tried(alone, few, Room(150, 150, 39)).refused and tried(alone, few, Room(150, 150, 40)).requests == 190


def test_rows_that_only_their_query_counts_are_refused_before_they_are_read() -> None:
    columns = {"n": [*range(200)], "s": [f"text {n}" for n in range(200)]}
    program = 'answer t | join(t, on=left.n < right.n) | keep("alike", on=[s, other_s]) | count()'
    work = tried(program, columns, Room(100, 100, 0))
    assert "for 19,900 rows" in work.refused and len(work.made) == 1 and work.read < 10


WORDS = st.sampled_from(["a", "b", "c", "d", "e", f"{SECRET}1", f"{SECRET}2", "long " * 20, None, ""])
PROGRAMS = (
    't | keep("x", on=s, pack=1)',
    't | keep("x", on=s, pack=1) | take(1)',
    't | keep("x", on=[s, w], pack=1)',
    't | derive(u=concat(s, w)) | keep("x", on=u, pack=1)',
    't | where(s != "a") | keep("x", on=s, pack=1, on_error="null")',
    't | pairs() | keep("x", on=[a_s, b_s], pack=1)',
    't | pairs() | keep("x", on=a_s, pack=1)',
    't | where(s != "b") | pairs() | keep("x", on=[a_s, b_w], pack=1)',
    't | union(t) | classify(on=s, labels=["x", "y"], into=l, pack=1)',
    't | match(t, "alike", on=[s, w], top=2)',
    't | select(a=s) | match(t, "alike", on=[a, w], top=2)',
    't | reduce("x", on=s, by=w)',
)


@given(
    st.sampled_from(PROGRAMS),
    st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=7),
    st.builds(Room, st.integers(0, 12), st.just(12), st.integers(0, 6)),
)
def test_what_is_refused_would_have_asked_for_more(program: str, rows: list[tuple[Any, Any]], room: Room) -> None:
    """In every case the requests that the round makes of its rows are counted, secrets taken out and long texts left
    away; what was refused has more of them than there are calls and answers."""
    columns = {"s": [s for s, _ in rows] + [None, "z"], "w": [w for _, w in rows] + ["y", None]}
    options: dict[str, Any] = {"redact": lambda text: text.replace("1", "*").replace("2", "*"), "window": 400}
    work = tried(f"answer {program} | count()", columns, None, **options)
    found = tried(f"answer {program} | count()", columns, room, **options)
    assert not found.refused or work.requests > room.calls + room.answers
    plain = not any(text and (SECRET in text or "long" in text) for row in rows for text in row)
    if plain and program.endswith("pack=1)"):
        assert bool(found.refused) == (work.requests > room.calls + room.answers)


def test_a_store_says_of_how_many_answers_it_has_room(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "answers.sqlite")
    asked = Request(ModelSettings("m", "http://h/v1"), (Message("user", ""),))
    for kept in [store.put(replace(asked, sample=sample), Answer("")) for sample in range(300)]:
        kept.result()
    assert store.most_answers() >= 300
    store.close()
