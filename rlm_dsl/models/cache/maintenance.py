"""What is in the answer store, and what shall go: for people who look after it.

In: a store. Out: counts, lines, what would go. Law: nothing here changes an answer; what goes is known before it does,
and each condition on it narrows it.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.store import AnswerStore, Damaged

AGE = re.compile(r"(\d+)\s*(d|w|h)")
SECONDS = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class Stats:
    """What a store holds: answers and bytes in all, by model (answers, bytes, oldest and newest in seconds)."""

    path: str
    answers: int
    bytes: int
    models: tuple[tuple[str, int, int, float, float], ...]
    batches: int

    def as_json(self) -> dict[str, Any]:
        names = ("model", "answers", "bytes", "oldest", "newest")
        models = [dict(zip(names, row, strict=True)) for row in self.models]
        return {
            "path": self.path, "answers": self.answers, "bytes": self.bytes, "models": models, "batches": self.batches,
        }  # fmt: skip


MODEL = "json_extract(request, '$.model')"
SIZE = "length(CAST(request AS BLOB)) + length(CAST(answer AS BLOB))"


def stats(store: AnswerStore) -> Stats:
    rows = store.rows(
        f"SELECT {MODEL}, count(*), sum({SIZE}), min(kept), max(kept) FROM answers GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    batches = store.rows("SELECT count(*) FROM batches")[0][0]
    total = sum(row[1] for row in rows)
    return Stats(str(store.path), total, sum(row[2] for row in rows), tuple(rows), batches)


def seconds(age: str) -> float:
    """Seconds of `30d`, `2w` or `12h`."""
    found = AGE.fullmatch(age.strip())
    if not found:
        raise UserError(f"no age: {age!r}", "write it as 30d, 2w or 12h")
    return float(int(found[1]) * SECONDS[found[2]])


def going(store: AnswerStore, older: float | None, model: str | None, most: int | None) -> list[tuple[str, str, int]]:
    """The answers to take out, as key, model and bytes: of a model's answers, or of all, those older than so many
    seconds that also lie beyond the newest `most` bytes. Each condition that is given narrows what goes."""
    before = None if older is None else time.time() - older
    query = f"SELECT key, {MODEL}, {SIZE}, kept FROM answers WHERE ? IS NULL OR {MODEL} = ? ORDER BY kept DESC, key"
    found, size = [], 0
    for key, of, length, kept in store.rows(query, model, model):
        size += length
        if (before is None or kept < before) and (most is None or size > most):
            found.append((key, str(of), length))
    return found


def remove(store: AnswerStore, keys: Iterable[str]) -> None:
    """Take answers out, and give their room back."""
    store.rows("BEGIN IMMEDIATE")
    for key in sorted(keys):
        store.rows("DELETE FROM answers WHERE key = ?", key)
    store.rows("COMMIT")
    store.rows("VACUUM")


def lines(store: AnswerStore) -> Iterator[str]:
    """Every answer with its request, a line of JSON each, in the order of their keys."""
    try:
        for key, request, answer, kept in store.reader.execute(
            "SELECT key, request, answer, kept FROM answers ORDER BY key"
        ):
            held = {"key": key, "kept": kept, "request": json.loads(request), "answer": json.loads(answer)}
            yield json.dumps(held, ensure_ascii=False, sort_keys=True)
    except (sqlite3.Error, ValueError) as failure:
        raise store.met(failure if isinstance(failure, sqlite3.Error) else Damaged(str(failure))) from None
