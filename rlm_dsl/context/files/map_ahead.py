"""Work on several things at a time, its results in their order.

In: a function, things to work on. Out: its results. Law: the order is that of the things; work that nobody waits for
any more is not begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

AHEAD = 2
"""Things worked on beside the making of the next."""


def map_ahead(work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """The work's result for each, in order, two at a time; a single one is worked on here and now."""
    rest = iter(items)
    given = list(islice(rest, AHEAD))
    if len(given) < AHEAD:
        yield from map(work, given)
        return
    with ThreadPoolExecutor(AHEAD) as pool:
        pending = [pool.submit(work, item) for item in given]
        try:
            for item in rest:
                pending.append(pool.submit(work, item))
                yield pending.pop(0).result()
            while pending:
                yield pending.pop(0).result()
        finally:
            for each in pending:
                each.cancel()
