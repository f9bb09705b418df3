"""One program for many texts: found by exploring the first ones, run on all others.

In: a planned round of sub-runs, its rows, a model. Out: an outcome for each row. Law: a program is shared only if it
gives each of the first texts what that text's own exploration gave; where it fails on another text, or gives what is
not of the type asked for, that text is explored like the first ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rlm_dsl.engine.calls.failed_rows import Failing
from rlm_dsl.engine.calls.round import Round, reading
from rlm_dsl.engine.calls.rows import RoundResult, Row
from rlm_dsl.engine.progress import Progress
from rlm_dsl.models.in_turn import in_turn
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.typed_retry import Outcome, ask_typed
from rlm_dsl.plan.bounds import ASKS

FIRST = 3
"""Texts that are explored before a program is shared."""


async def ask_shared(
    round_: Round, rows: Sequence[Row], model: Model, progress: Progress, max_failed: float
) -> RoundResult:
    """Explore the first texts, agree on a program, run it on the others."""
    name, failing = round_.stage.step_name, Failing(round_.stage.step_name, max_failed)
    texts = list(dict.fromkeys(text for row in rows for text in row.texts))
    progress.round_started(name, len(rows), len(texts))
    found: dict[str, Outcome[dict[str, Any]]] = {}

    async def one(asked: tuple[str, str]) -> None:
        text, program = asked
        found[text] = await outcome_of(round_, text, program, model)
        progress.answered(name)
        failing.count(found[text])

    await in_turn([(text, "") for text in texts[:FIRST]], one)
    program = await agreed(round_, {text: found[text] for text in texts[:FIRST]}, model) if len(texts) > FIRST else ""
    await in_turn([(text, program) for text in texts[FIRST:]], one)
    progress.round_ended(name)
    return RoundResult({row.key: found[row.texts[0]] if row.texts else None for row in rows}, len(texts))


async def outcome_of(round_: Round, text: str, program: str, model: Model) -> Outcome[dict[str, Any]]:
    return await ask_typed(model, round_.request(text, program), reading(round_, [text]), asks=ASKS)


async def agreed(round_: Round, explored: dict[str, Outcome[dict[str, Any]]], model: Model) -> str:
    """The first program that gives every explored text what was found for it; "" if there is none."""
    candidates = dict.fromkeys(outcome.raw[-1][1].program for outcome in explored.values() if outcome.status == "ok")
    for program in filter(None, candidates):
        for text, own in explored.items():
            said = (await outcome_of(round_, text, program, model)).raw[0][1]
            if own.status != "ok" or said.program != program or not same(said.text, own.raw[-1][1].text):
                break
        else:
            return program
    return ""


def same(first: str, second: str) -> bool:
    return bool(json.loads(first or "null") == json.loads(second or "null"))
