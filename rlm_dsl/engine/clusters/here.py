"""A cluster that is no other machine: tasks run one after the other in this process.

In: tasks. Out: what they give. Law: it gives what any cluster gives, so that what is cut can be held against what is
not without one.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rlm_dsl.engine.clusters.cluster import given, outcome

T = TypeVar("T")
U = TypeVar("U")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Here:
    """This process. What a task takes and gives is pickled on its way, as it is to another machine."""

    width: int = 1
    room: int | None = None

    def told(self) -> str:
        return "in this process"

    def each(self, work: Callable[[T, S], U], items: Sequence[T], shared: S) -> Iterator[U]:
        for item in items:
            sent = pickle.loads(pickle.dumps((item, shared)))
            yield given(pickle.loads(pickle.dumps(outcome(work, *sent))))
