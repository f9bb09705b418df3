"""Several rows in one request: cheaper, and off unless a run's settings name the step.

In: a round that is ready, its rows, how many go together. Out: an outcome for each row. Law: a request's answer counts
only if it has every row by its number once and in order; whatever is wrong with a row or with the whole, its rows are
then asked one by one, as they would have been.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rlm_dsl.engine.calls.round import Failing, Round, RoundResult, Row, in_turn, reading, texts_of
from rlm_dsl.engine.progress import Progress
from rlm_dsl.language.answer_schema import NotOfType, json_schema, read_answer
from rlm_dsl.language.types import INT, Field, ListOf, Record
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Message, Request, estimated_tokens
from rlm_dsl.models.typed_retry import Outcome, ask_typed
from rlm_dsl.plan.bounds import ASKS

SAID = "The message holds several rows. Answer for each, by its number and in order; no row bears on another."


def chunks(round_: Round, texts: Sequence[str], most: int) -> list[tuple[str, ...]]:
    """Texts in order, so many together at most, and no more than fit the window."""
    found: list[list[str]] = [[]]
    room = round_.window
    for text in texts:
        round_.fits(text)
        cost = estimated_tokens(text) + 8
        if found[-1] and (len(found[-1]) == most or cost > room):
            found.append([])
            room = round_.window
        found[-1].append(text)
        room -= cost
    return [tuple(chunk) for chunk in found if chunk]


def rows_type(round_: Round) -> Record:
    return Record((Field("rows", ListOf(Record((Field("row", INT), *round_.result.fields)))),))


def request_of(round_: Round, texts: Sequence[str]) -> Request:
    """One request for several texts; for one, the usual one."""
    if len(texts) == 1:
        return round_.request(texts[0])
    rows = [{"row": number, "text": round_.redact(text)} for number, text in enumerate(texts, 1)]
    asked = round_.request("")
    head = Message("system", f"{round_.head.content}\n{SAID}")
    shown = Message("user", json.dumps(rows, ensure_ascii=False))
    return replace(asked, messages=(head, shown), schema=json_schema(rows_type(round_)))


async def ask_together(
    round_: Round, rows: Sequence[Row], most: int, model: Model, progress: Progress, max_failed: float
) -> RoundResult:
    name, failing = round_.stage.step_name, Failing(round_.stage.step_name, max_failed)
    found: dict[str, Outcome[dict[str, Any]]] = {}
    asked = 0
    together = chunks(round_, list(dict.fromkeys(text for row in rows for text in row.texts)), most)
    progress.round_started(name, len(rows), len(together))

    async def one(texts: tuple[str, ...]) -> None:
        nonlocal asked
        if len(texts) > 1:
            asked += 1
            found.update(await answers_of(round_, texts, model))
        for text in texts:
            if text not in found:
                asked += 1
                read = reading(round_, texts_of(text, round_.stage))
                found[text] = await ask_typed(model, round_.request(text), read, asks=ASKS)
            failing.count(found[text])
        progress.answered(name)

    await in_turn(together, one)
    progress.round_ended(name)
    return RoundResult({row.key: found[row.texts[0]] if row.texts else None for row in rows}, asked)


async def answers_of(round_: Round, texts: Sequence[str], model: Model) -> dict[str, Outcome[dict[str, Any]]]:
    """The outcomes of those texts whose answers hold; none where the whole does not."""
    request, type_ = request_of(round_, texts), rows_type(round_)
    outcome = await ask_typed(model, request, lambda text: read_answer(text, type_), asks=1)
    rows = outcome.value["rows"] if outcome.status == "ok" and outcome.value else []
    if [row["row"] for row in rows] != list(range(1, len(texts) + 1)):
        return {}
    found: dict[str, Outcome[dict[str, Any]]] = {}
    for text, row in zip(texts, rows, strict=True):
        value = {field.name: row[field.name] for field in round_.result.fields}
        try:
            round_.check(value, [round_.redact(each) for each in texts_of(text, round_.stage)])
        except NotOfType:
            continue
        found[text] = Outcome("ok", value, outcome.raw)
    return found
