"""What is in the answer store, and what shall go: for people who look after it.

In: a store. Out: lines, what would go, how much came. Law: nothing here changes an answer; what goes is known before it
does, and each condition on it narrows it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.protocol import TABLES, AnswerStore, Entry, ReadableStore

AGE = re.compile(r"(\d+)\s*(d|w|h)")
SECONDS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


def seconds(age: str) -> float:
    """Seconds of `30d`, `2w` or `12h`."""
    found = AGE.fullmatch(age.strip())
    if not found:
        raise UserError(f"no age: {age!r}", "write it as 30d, 2w or 12h")
    return float(int(found[1]) * SECONDS[found[2]])


def going(store: ReadableStore, older: float | None, model: str | None, most: int | None) -> list[Entry]:
    """The answers to take out: of a model's answers, or of all, those older than so many seconds that also lie beyond
    the newest `most` bytes. Each condition that is given narrows what goes."""
    found, size = [], 0
    for entry in store.entries(model):
        size += entry.bytes
        if (older is None or entry.age > older) and (most is None or size > most):
            found.append(entry)
    return found


def copy(store: ReadableStore, to: AnswerStore) -> Mapping[str, int]:
    """All that a store holds, added to another where that has not the same; how many of each. Answers are kept under
    the keys and moments that they have."""
    return {table: to.add_rows(table, store.rows_in(table)) for table in TABLES}


def lines(store: ReadableStore) -> Iterator[str]:
    """Every answer with its request, a line of JSON each, in the order of their keys."""
    for key, request, answer, kept in store.rows_in("answers"):
        store.read(answer)
        held = {"key": key, "kept": kept, "request": json.loads(request), "answer": json.loads(answer)}
        yield json.dumps(held, ensure_ascii=False, sort_keys=True)
