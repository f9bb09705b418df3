"""How a model step's rows are asked about: at once, in trees, in waves, or by one program for all.

In: a round that is ready, its rows, whom and how to ask. Out: what it came to. Law: what is asked follows from the
rows and the answers alone, never from when they come; the budget is asked before anything leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rlm_dsl.engine.calls.by_probability import all_requests, ask_scored
from rlm_dsl.engine.calls.cascade import ask_cascade, proxy_of, round_of_small
from rlm_dsl.engine.calls.failed_rows import RowsTooLong, failed_rows
from rlm_dsl.engine.calls.options import Calls
from rlm_dsl.engine.calls.packing import pack_for
from rlm_dsl.engine.calls.round import Round, ask_round, in_all_orders
from rlm_dsl.engine.calls.rows import RoundResult, Row
from rlm_dsl.engine.calls.shared_program import FIRST, ask_shared
from rlm_dsl.engine.calls.together import ask_together, chunks, request_of
from rlm_dsl.engine.calls.tree import ask_trees, first_level
from rlm_dsl.engine.progress import Progress
from rlm_dsl.models.protocol import ModelStack
from rlm_dsl.models.typed_retry import Outcome

WAVE = 64
"""Rows that are asked about at once where a few that satisfy are enough."""


def ask_rows(round_: Round, rows: Sequence[Row], calls: Calls[ModelStack], progress: Progress) -> RoundResult:
    """Ask about rows until there is an outcome for each, or enough of them satisfy."""
    enough = round_.stage.enough
    outcomes: dict[int, Any] = {}
    holding = 0
    waved: list[RoundResult] = []
    proxy = proxy_of(round_, calls.options)
    for wave in waves(rows, enough):
        found = (
            ask_wave(round_, wave, calls, progress)
            if proxy is None
            else ask_cascade(
                round_,
                wave,
                proxy,
                lambda some: ask_wave(round_, some, calls, progress),
                lambda small, some: ask_wave(round_of_small(round_, small, calls.models), some, calls, progress),
            )
        )
        outcomes |= found.outcomes
        waved.append(found)
        holding += sum(1 for outcome in found.outcomes.values() if outcome is not None and holds(outcome.value))
        if enough is not None and holding >= enough:
            break
    return RoundResult(
        outcomes,
        sum(found.requests for found in waved),
        len(rows) - len(outcomes),
        waved[-1].levels if waved else (),
        sum(found.by_proxy for found in waved),
        sum(found.rechecked for found in waved),
        sum(found.rechecked_wrong for found in waved),
        any(found.withdrawn for found in waved),
        unscored=sum(found.unscored for found in waved),
    )


def holds(value: Any) -> bool:
    return bool(value and value.get("holds"))


def waves(rows: Sequence[Row], enough: int | None) -> Iterator[Sequence[Row]]:
    """All rows at once, or in their order as many as are worth asking about together."""
    if enough is None:
        yield rows
        return
    for at in range(0, len(rows) if enough else 0, WAVE):
        yield rows[at : at + WAVE]


def ask_wave(round_: Round, rows: Sequence[Row], calls: Calls[ModelStack], progress: Progress) -> RoundResult:
    """One wave: its first requests are paid for, then it is asked. Rows that no call has room for have no answer; where
    that may not be, they are told before anything is paid for."""
    if long := {} if round_.stage.tree else too_long(round_, rows):
        if round_.values["on_error"] == "fail":
            raise RowsTooLong(round_.stage.step_name, [*failed_rows(rows, long, round_.redact)], len(rows))
        found = ask_wave(round_, [row for row in rows if row.key not in long], calls, progress)
        together = {**found.outcomes, **long}
        return replace(found, outcomes={row.key: together[row.key] for row in rows})
    return ask_fitting(round_, rows, calls, progress)


def too_long(round_: Round, rows: Sequence[Row]) -> dict[int, Outcome[dict[str, Any]]]:
    """What becomes of rows that the model's window has no room for."""
    problems = ((row.key, next(filter(None, map(round_.too_long, row.texts)), "")) for row in rows)
    return {key: Outcome("error", None, (), problem) for key, problem in problems if problem}


def ask_fitting(round_: Round, rows: Sequence[Row], calls: Calls[ModelStack], progress: Progress) -> RoundResult:
    models, most, name = calls.models, calls.options.max_failed, round_.stage.step_name
    found: RoundResult
    pack = pack_for(round_, calls.options, progress)
    if round_.stage.tree:
        models.afford(name, first_level(round_, rows), pack)
        found = models.wait(lambda: ask_trees(round_, rows, models.model, progress))
        return found
    texts = list(dict.fromkeys(text for row in rows for text in row.texts))
    if round_.scoring is not None:
        rounds = in_all_orders(round_)
        models.afford(name, all_requests(rounds, texts))
        found = models.wait(lambda: ask_scored(rounds, rows, models.model, progress, most))
        return found
    together = 1 if round_.explore else calls.options.rows_per_call.get(name, 1)
    if calls.options.together and together > 1:
        earlier = calls.options.together == "lists"
        models.afford(name, [request_of(round_, chunk, earlier) for chunk in chunks(round_, texts, together)])
        found = models.wait(lambda: ask_together(round_, rows, together, models.model, progress, most, earlier))
        return found
    shared = round_.explore and round_.values.get("share") == "program"
    requests = {text: round_.request(text) for text in (texts[:FIRST] if shared else texts)}
    models.afford(name, requests.values(), pack)
    if shared:
        found = models.wait(lambda: ask_shared(round_, rows, models.model, progress, most))
    else:
        found = models.wait(lambda: ask_round(round_, rows, requests, models.model, progress, most))
    return found
