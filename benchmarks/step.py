"""What an exploration adds to a step's own query: parsing, checking, planning, and looking at what came out."""

from __future__ import annotations

import time
from collections.abc import Iterator

import corpora
from corpus_session import Corpus
from measure import Effort, Goal, Measure, Spread

from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.sql import Sql

GOAL = Goal(reach=5, ideal=2)
STEPS = {
    "grep": 'found = log | grep(r"FATAL.*timeout")',
    "count": 'n = log | grep(r"ERROR") | count()',
    "extract and group": 'g = log | extract(r"\\[(?P<service>\\w+)\\]") | group(by=service, n=count()) | sort(-n)',
}


class Timed(Warehouse):
    """Adds up the seconds in which tables are made."""

    making = 0.0

    def create(self, table: str, fragment: Sql) -> None:
        started = time.perf_counter()
        super().create(table, fragment)
        self.making += time.perf_counter() - started


def measures(effort: Effort) -> Iterator[Measure]:
    path = corpora.synthetic(10 * corpora.MB)
    warehouse = Timed()
    with Corpus(str(path), warehouse) as corpus:
        for what, text in STEPS.items():
            added = [once(corpus, warehouse, text) for _ in range(effort.of(8, 40))]
            yield Measure(f"{what} on 10 MB, its query apart", Spread.of(added[3:]), goal=GOAL, unit="ms")


def once(corpus: Corpus, warehouse: Timed, text: str) -> float:
    """Milliseconds that one step takes beside its query."""
    session = corpus.session()
    warehouse.making = 0.0
    started = time.perf_counter()
    turn = session.submit(text)
    taken = time.perf_counter() - started
    assert not turn.errors, turn.observation
    corpus.drop(session.runner.made)
    return (taken - warehouse.making) * 1_000
