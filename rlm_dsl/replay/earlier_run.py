"""What runs left: the answers of a finished one, and of a stopped one what it takes to go on.

In: a trace, finished or not. Out: `KnownAnswers`. Law: of a run that was stopped every recorded answer counts, so
that it ends as if it had not been; of an earlier run only whole answers do, as in the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rlm_dsl.engine.run_trace import CALLS, PACK_MARK, recorded_packs
from rlm_dsl.language.operators.core.registry import recorded_versions
from rlm_dsl.models.budget import Amount, PriceOf, amount
from rlm_dsl.models.cache.earlier_keys import spelled_as_now
from rlm_dsl.models.known_answers import KnownAnswers
from rlm_dsl.models.recording import Call
from rlm_dsl.models.request import Answer, ModelSettings
from rlm_dsl.trace.events import read_events
from rlm_dsl.trace.journal import read_journal
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import Trace


def of_earlier(trace: Trace) -> KnownAnswers:
    """The whole answers of a finished run, in its own words."""
    table = trace.table(CALLS, ("key", "answer"))
    keys, answers = table.column("key").to_pylist(), table.column("answer").to_pylist()
    return known_from(trace, {key: text for key, text in zip(keys, answers, strict=True) if whole(text)})


def of_finished(trace: Trace) -> KnownAnswers:
    """Every answer of a finished run, for one that goes on from it: also those that were none to keep."""
    table = trace.table(CALLS, ("key", "answer"))
    return known_from(
        trace, dict(zip(table.column("key").to_pylist(), table.column("answer").to_pylist(), strict=True))
    )


def known_from(trace: Trace, found: Mapping[str, str]) -> KnownAnswers:
    """These answers of a run, with what it takes to find and use them as it did."""
    packs = {call.request.key: call for call in recorded_packs(trace) if call.request.key in found}
    return KnownAnswers(
        found, packs=packs, respelled=is_respelled(trace.header), versions=recorded_versions(trace.header)
    )


def is_respelled(header: Mapping[str, Any]) -> bool:
    """Whether a run's models are spelled otherwise than this version spells them, and its keys with them."""
    models = (ModelSettings.from_json(value) for value in header.get("models", {}).values())
    return not all(map(spelled_as_now, models))


def whole(text: str) -> bool:
    """Whether an answer's JSON is that of one that was given whole; most are, and are not parsed for it."""
    if '"finish": "stop"' in text and '"refusal": null' in text:
        return True
    return Answer.from_json(json.loads(text)).keepable


def of_stopped(trace: Trace, price_of: PriceOf) -> KnownAnswers:
    """Everything that a stopped run was given, and what it has spent: attempts that have no end may have been billed,
    and count as what they were announced to take."""
    rows = read_journal(trace.folder)
    if not rows and (trace.folder / "payload" / f"{CALLS}.parquet").is_file():
        rows = trace.table(CALLS).to_pylist()
    calls, spent = spent_in(sound_events(trace), price_of)
    packs = {row["key"]: Call.from_json(row) for row in rows if PACK_MARK in row.get("request", "")}
    packs = {key: call for key, call in packs.items() if call.request.rows}
    answers = {row["key"]: row["answer"] for row in rows}
    origins = {row["key"]: row["origin"] for row in rows}
    return KnownAnswers(
        answers,
        origins,
        calls,
        spent,
        trace.header["budget"]["calls"],
        trace.header,
        packs,
        {row["key"]: row["step"] for row in rows if row["origin"] in ("live", "pack") and "step" in row},
        sizes_in(sound_events(trace)),
        is_respelled(trace.header),
        recorded_versions(trace.header),
    )


def sound_events(trace: Trace) -> Iterator[Mapping[str, Any]]:
    return (event.content for event in read_events(trace.folder / EVENTS) if event.sound)


def sizes_in(events: Iterable[Mapping[str, Any]]) -> dict[str, int | None]:
    """How many rows were known to go together, by the key of a round's first row: as it was told first."""
    found: dict[str, int | None] = {}
    for event in events:
        if event.get("type") == "packs.size":
            found.setdefault(str(event["key"]), event["size"])
    return found


def spent_in(events: Iterable[Mapping[str, Any]], price_of: PriceOf) -> tuple[int, Amount]:
    """How many calls a log tells of, and what they took."""
    open_: dict[str, Mapping[str, Any]] = {}
    calls, spent = 0, Amount()
    for event in events:
        key = str(event.get("key", ""))
        if event.get("type") == "call.start":
            open_[key] = event
        elif event.get("type") == "call.end" and (start := open_.pop(key, None)) is not None:
            took = taken(start, event, price_of)
            calls, spent = calls + (took is not None), plus(spent, took or Amount())
    for start in open_.values():
        calls, spent = calls + 1, plus(spent, taken(start, {}, price_of) or Amount())
    return calls, spent


def taken(start: Mapping[str, Any], end: Mapping[str, Any], price_of: PriceOf) -> Amount | None:
    """What an attempt took; None for one that was surely not billed."""
    if end.get("outcome") == "failed" and not end.get("may_be_billed"):
        return None
    given = end.get("gen_ai.usage.input_tokens")
    prompt = given if isinstance(given, int) else int(start.get("prompt_tokens_estimate") or 0)
    said = end.get("gen_ai.usage.output_tokens")
    cached = int(end.get("gen_ai.usage.cache_read.input_tokens") or 0)
    price = price_of(str(start.get("gen_ai.request.model")))
    return amount(prompt, said if isinstance(said, int) else 0, price, cached)


def plus(one: Amount, other: Amount) -> Amount:
    return Amount(
        one.prompt_tokens + other.prompt_tokens, one.completion_tokens + other.completion_tokens, one.usd + other.usd
    )
