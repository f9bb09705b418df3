"""Several rows in one request, whatever is known of them: how `optimize` tries a number of rows, and how runs asked
before rows had answers of their own.

In: a round that is ready, its rows, how many go together. Out: an outcome for each row. Law: a request's answer counts
only if it has every row by its number once and in order; whatever is wrong with a row or with the whole, its rows are
then asked one by one, as they would have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_dsl.engine.calls.earlier_packs import list_answers, list_request
from rlm_dsl.engine.calls.failed_rows import Failing
from rlm_dsl.engine.calls.round import Round, reading, texts_of
from rlm_dsl.engine.calls.rows import RoundResult, Row
from rlm_dsl.engine.progress import Progress
from rlm_dsl.language.answer_schema import NotOfType
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.packs import answers_of, pack_of
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Request, estimated_tokens
from rlm_dsl.models.typed_retry import Outcome, ask_typed
from rlm_dsl.plan.bounds import ASKS


def chunks(round_: Round, texts: Sequence[str], most: int) -> list[tuple[str, ...]]:
    """Texts in order, so many together at most, and no more than fit the window."""
    found: list[list[str]] = [[]]
    room = round_.window
    for text in texts:
        cost = estimated_tokens(text) + 8
        if found[-1] and (len(found[-1]) == most or cost > room):
            found.append([])
            room = round_.window
        found[-1].append(text)
        room -= cost
    return [tuple(chunk) for chunk in found if chunk]


def request_of(round_: Round, texts: Sequence[str], earlier: bool) -> Request:
    """One request for several texts; for one, the usual one."""
    if len(texts) == 1:
        return round_.request(texts[0])
    return list_request(round_, texts) if earlier else pack_of([round_.request(text) for text in texts])


async def ask_together(
    round_: Round,
    rows: Sequence[Row],
    most: int,
    model: Model,
    progress: Progress,
    max_failed: float,
    earlier: bool = False,
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
            found.update(await answers_together(round_, texts, model, earlier))
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


async def answers_together(
    round_: Round, texts: Sequence[str], model: Model, earlier: bool
) -> dict[str, Outcome[dict[str, Any]]]:
    """The outcomes of those texts whose answers hold; none where the whole does not."""
    request = request_of(round_, texts, earlier)
    answer = await model.answer(request)
    said = None
    if answer.keepable:
        read = list_answers(round_, texts, answer.text) if earlier else None
        said = read if earlier else answers_of(request, round_.request(texts[0]), answer.text)
    found: dict[str, Outcome[dict[str, Any]]] = {}
    for text, each in zip(texts, said or (), strict=said is not None):
        try:
            value = round_.read(each, texts_of(text, round_.stage))
        except NotOfType:
            continue
        found[text] = Outcome("ok", value, ((request.key, answer),))
    return found
