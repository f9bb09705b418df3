"""How a round's rows may go together, and what came of it.

In: a round, how a run asks; afterwards its outcomes and packs. Out: what the models need to pack rows; counts for the
step's record. Law: the counts follow from recorded answers alone, so that a verified run comes to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import replace
from functools import partial
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.calls.options import CallOptions
from rlm_dsl.engine.calls.round import Round
from rlm_dsl.engine.calls.rows import RoundResult
from rlm_dsl.engine.progress import Progress
from rlm_dsl.language.answer_schema import NotOfType, read_answer
from rlm_dsl.language.types import ListOf, Record, Scalar, Type, bare
from rlm_dsl.models.packs import row_answers
from rlm_dsl.models.protocol import Pack
from rlm_dsl.models.request import Answer, Request


def pack_for(round_: Round, options: CallOptions, progress: Progress) -> Pack | None:
    """How a round's rows may go together; None where each goes alone. What the program says comes before what settings
    say of the step, and that before what they say of all."""
    if round_.explore or round_.scoring is not None:
        return None
    name = round_.stage.step_name
    said = round_.values.get("pack")
    if said is not None and said < 1:
        raise UserError(f"{name}: pack={said} is no number of rows", "write pack=1 for each row alone, or pack=20")
    size = said or options.rows_per_call.get(name) or options.pack
    alike = not round_.stage.tree and not has_words(round_.result)

    return Pack(
        size,
        partial(read_or_none, round_),
        alike,
        lambda requests: progress.round_started(name, requests, requests),
        lambda: progress.answered(name),
    )


def has_words(type_: Type) -> bool:
    """Whether answers hold texts of a model's own words, which are hardly ever the same twice."""
    match bare(type_):
        case Scalar("text"):
            return True
        case ListOf(of):
            return has_words(of)
        case Record(fields):
            return any(has_words(field.type) for field in fields)
        case _:
            return False


def with_packs(
    came: RoundResult, round_: Round, packs: Callable[[Set[str]], Iterable[tuple[Request, Answer]]]
) -> RoundResult:
    """What a round came to, with its packs: how many rows' answers are from one, how many packs were asked, and of the
    rows that were asked alone too, how many were answered alike: in packs as large as those that counted, as no row's
    answer rests on larger ones that were tried."""
    outcomes = [outcome for outcome in came.outcomes.values() if outcome is not None and outcome.raw]
    from_packs = {o.raw[0][0] for o in outcomes if o.raw[0][1].pack}
    by_key = {o.raw[0][0]: o for o in outcomes if len(o.raw) == 1 and o.status == "ok" and not o.raw[0][1].pack}
    asked = list(packs({outcome.raw[0][0] for outcome in outcomes}))
    counted = {outcome.raw[0][1].pack for outcome in outcomes}
    most = max((len(pack.rows) for pack, _ in asked if pack.key in counted), default=0)
    compared = alike = 0
    for pack, answer in asked:
        if len(pack.rows) > most:
            continue
        alone = [key for key in pack.rows if key in by_key]
        rows = dict(row_answers(pack, answer, round_.request(""))) if alone else {}
        found = [read_or_none(round_, rows[key].text) == by_key[key].value for key in alone if key in rows]
        compared, alike = compared + len(found), alike + sum(found)
    if not asked:
        return came
    packed = sum(1 for outcome in outcomes if outcome.raw[0][1].pack)
    counts = {"packed": packed, "packs": len(asked), "compared": compared, "alike": alike}
    return replace(came, requests=came.requests - len(from_packs) + len(asked), packed=counts)


def read_or_none(round_: Round, text: str) -> dict[str, Any] | None:
    """The typed value of an answer's text; None for one that does not fit."""
    try:
        return read_answer(text, round_.result)
    except NotOfType:
        return None
