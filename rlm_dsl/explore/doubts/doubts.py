"""What speaks against an answer that may yet be meant so: looked for without a model, before it is taken.

In: a question, an answer's statement, program and value. Out: a sentence each. Law: each check is of a kind, and of no
one question; a doubt is told once, costs one turn at most, and stays on record where the answer is given all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rlm_dsl.explore.doubts import rows, values, words
from rlm_dsl.explore.doubts.asked import Asked

MOST = 4
"""Doubts that are told of one answer."""
KINDS: tuple[Callable[[Asked], Iterator[str]], ...] = (
    values.named_values,
    values.nothing_chosen,
    rows.by_hand,
    rows.as_they_are,
    rows.any_rows,
    rows.counted_rows,
    words.computations,
    words.one_of_them,
    words.columns,
    words.numbers,
    words.times,
)


def doubts(asked: Asked) -> tuple[str, ...]:
    found = (doubt for kind in KINDS for doubt in kind(asked))
    return tuple(dict.fromkeys(doubt for doubt, _ in zip(found, range(MOST), strict=False)))
