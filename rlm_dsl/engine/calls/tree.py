"""Many texts to one answer: a tree of model calls.

In: a planned round, the texts of each key in order, a model. Out: an outcome for each key, and how many calls each
level took. Law: the tree follows from the texts and the window alone: texts stay in order, each call takes as many as
fit, and what a level gave is what the next one reads. Nothing is taken to be associative: the calls are recorded as
they were.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.json_ready import json_text
from rlm_dsl.engine.calls.round import Round, reading, texts_of
from rlm_dsl.engine.calls.rows import RoundResult, Row
from rlm_dsl.engine.progress import Progress
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Request, estimated_tokens
from rlm_dsl.models.typed_retry import Outcome, ask_typed
from rlm_dsl.plan.bounds import ASKS

PIECES = (re.compile(r"[^\n]*\n|[^\n]+"), re.compile(r"\S*\s+|\S+"), re.compile(r"[\s\S]{1,1000}"))
"""What a text that is too long is cut into: lines, or words where a line is too long, or characters."""


async def ask_trees(round_: Round, rows: Sequence[Row], model: Model, progress: Progress) -> RoundResult:
    name = round_.stage.step_name
    progress.round_started(name, len(rows), sum(len(level_batches(round_, row.texts)) for row in rows if row.texts))
    outcomes: dict[int, Outcome[dict[str, Any]] | None] = {row.key: None for row in rows}
    levels: Counter[int] = Counter()

    async def one(row: Row) -> None:
        if row.texts:
            outcome, taken = await reduced(round_, row.texts, model, progress)
            outcomes[row.key] = outcome
            levels.update(dict(enumerate(taken)))

    await in_turn(list(rows), one)
    progress.round_ended(name)
    return RoundResult(outcomes, sum(levels.values()), levels=tuple(levels[level] for level in sorted(levels)))


def first_level(round_: Round, rows: Sequence[Row]) -> list[Request]:
    """The requests that trees begin with."""
    return [round_.request(as_list(batch)) for row in rows for batch in level_batches(round_, row.texts) if batch]


async def reduced(
    round_: Round, texts: tuple[str, ...], model: Model, progress: Progress
) -> tuple[Outcome[dict[str, Any]], list[int]]:
    """Level by level until one answer is left; the first failure is the whole tree's. Also the calls of each level."""
    read = reading(round_, [part for text in texts for part in texts_of(text, round_.stage)])
    taken: list[int] = []
    while True:
        batches = level_batches(round_, texts)
        found: list[Outcome[dict[str, Any]]] = []
        taken.append(0)
        for batch in batches:
            found.append(await ask_typed(model, round_.request(as_list(batch)), read, asks=ASKS))
            taken[-1] += 1
            progress.answered(round_.stage.step_name)
            if found[-1].status != "ok" or len(batches) == 1:
                return found[-1], taken
        texts = tuple(result_text(outcome.value) for outcome in found)


def level_batches(round_: Round, texts: Sequence[str]) -> list[tuple[str, ...]]:
    """Texts in order, put together until a call is full. A text may take at most half, so that two always fit."""
    batches: list[list[str]] = [[]]
    room = round_.window
    for piece in (piece for text in texts for piece in pieces(round_, text)):
        cost = estimated_tokens(piece) + 2
        if batches[-1] and cost > room:
            batches.append([])
            room = round_.window
        batches[-1].append(piece)
        room -= cost
    return [tuple(batch) for batch in batches]


def pieces(round_: Round, text: str) -> list[str]:
    """The text, or where it is more than half a window the pieces of it, which together are the text."""
    most = round_.window // 2
    tokens = estimated_tokens(text)
    if tokens <= most:
        return [text]
    if len(round_.stage.shown) > 1:
        raise UserError(
            f"{round_.stage.step_name}: a row of about {counted(tokens, 'token')} "
            f"does not fit half of the model's window of "
            f"{round_.window:,}",
            "show one column, which is then cut, or partition the text first",
            code="window",
        )
    return cut(text, most, 0)


def cut(text: str, most: int, form: int) -> list[str]:
    """A text in pieces of at most so many tokens, cut where a line ends, else a word, else anywhere."""
    found: list[str] = []
    held, size = "", 1
    for part in PIECES[form].findall(text):
        cost = estimated_tokens(part)
        if size + cost > most and held:
            found.append(held)
            held, size = "", 1
        if cost > most and form + 1 < len(PIECES):
            found += cut(part, most, form + 1)
        else:
            held += part
            size += cost
    return [*found, held] if held else found


def as_list(batch: Sequence[str]) -> str:
    return json.dumps(list(batch), ensure_ascii=False)


def result_text(value: Mapping[str, Any] | None) -> str:
    assert value is not None
    result = value["result"]
    return result if isinstance(result, str) else json_text(result)
