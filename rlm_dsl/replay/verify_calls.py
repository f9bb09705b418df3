"""The recorded calls of a trace, checked: what was asked is what is asked now, and what it cost is what it says.

In: recorded calls, requests as they are rendered now. Out: divergences. Law: all of them are collected; a request that
has no recorded answer is told beside the nearest one that has.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import Any

from rlm_dsl.engine.one_answer import without_mostly
from rlm_dsl.engine.run_trace import RecordedCalls
from rlm_dsl.engine.runner import StepRecord
from rlm_dsl.models.packs import pack_problem, row_answers
from rlm_dsl.models.prices import Price
from rlm_dsl.models.recorded import Recorded
from rlm_dsl.models.recording import request_text
from rlm_dsl.models.request import ERROR, Answer, Request
from rlm_dsl.trace import merkle
from rlm_dsl.trace.commitment import call_leaf
from rlm_dsl.trace.divergence import Divergence, around_difference

UNKNOWN = "no context row holds what {mark} stands for"
KEY_DIGITS = 16


@dataclass(slots=True)
class Tolerant(Recorded):
    """Recorded answers; what has none is noted, and its row is an error, so that the others are looked at too."""

    missing: dict[str, Request] = field(default_factory=dict)

    def found(self, request: Request) -> Answer:
        answer = self.answer_of(request.key)
        if answer is None:
            self.missing.setdefault(request.key, request)
            return Answer("no recorded answer", ERROR)
        self.used.add(request.key)
        return answer


def missing(
    recorded: Tolerant, calls: RecordedCalls, unknown: Sequence[str], lines: Mapping[str, int | None]
) -> list[Divergence]:
    """A divergence for each request that has no recorded answer, of the first step that has such; what later steps
    lack follows from it."""
    requests = list(recorded.missing.values())
    step = requests[0].purpose
    own = [calls[key].request for key in calls.of_step(step)]
    near = Nearest(own)
    return [
        without_unknown_marks(request, own, unknown) or no_answer(request, near, calls, lines.get(step))
        for request in requests
        if request.purpose == step
    ]


def without_unknown_marks(request: Request, own: Sequence[Request], unknown: Sequence[str]) -> Divergence | None:
    """The recorded request that is this one but for a secret that cannot be taken out of it as it was, if there is."""
    for mark in unknown:
        for other in own:
            recorded, now = other.messages[-1].content, request.messages[-1].content
            parts = ".+".join(map(re.escape, recorded.split(mark)))
            if mark in recorded and re.fullmatch(parts, now, re.DOTALL):
                message, cause = f"{mark} cannot be taken out as it was", UNKNOWN.format(mark=mark)
                return Divergence("D14", "requests", message, recorded[-300:], None, request.purpose, cause=cause)
    return None


class Nearest:
    """The recorded requests of a step, to be found by what they show."""

    def __init__(self, own: Sequence[Request]) -> None:
        self.any = own[0] if own else None
        self.by_text = {request.messages[-1].content: request for request in reversed(own)}

    def of(self, request: Request) -> tuple[Request | None, bool]:
        """The nearest one, and whether it shows the same."""
        found = self.by_text.get(request.messages[-1].content)
        return found or self.any, found is not None


PARTS = (
    *(("model", "D08"), ("base_url", "D08"), ("parameters", "D08")),
    *(("schema", "D07"), ("messages", "D07"), ("sample", "D07")),
)


def no_answer(request: Request, near: Nearest, calls: RecordedCalls, line: int | None) -> Divergence:
    """A request without a recorded answer: why, beside the nearest one of its step and the first part that differs."""
    row = request.key[:KEY_DIGITS]
    if (again := fault_before(request, calls)) is not None:
        recorded = again.text[:300]
        said = request.messages[-1].content
        message = "the recorded answer is not read any more"
        return Divergence("D11", "answers", message, recorded, said, request.purpose, line, row)
    other, same_text = near.of(request)
    if other is None:
        message = "the trace has no answer for this step"
        return Divergence("D09", "requests", message, None, last_words(request), request.purpose, line, row)
    now, recorded_ = request.as_json(), other.as_json()
    part, code = next(((p, c) for p, c in PARTS if recorded_.get(p) != now.get(p)), ("text", "D09"))
    cause = "nearest recorded request of this step"
    if not same_text and code == "D07":
        message = f"no recorded answer for this text; the {part} of the nearest differ"
        return Divergence(
            "D09", "requests", message, last_words(other), last_words(request), request.purpose, line, row, cause
        )
    sides = differing_words(recorded_[part], now[part]) if part != "text" else (last_words(other), last_words(request))
    return Divergence(code, "requests", f"the {part} of the request differ", *sides, request.purpose, line, row, cause)


def fault_before(request: Request, calls: RecordedCalls) -> Answer | None:
    """Of a request that follows an answer that did not fit: that answer, where it was recorded."""
    if len(request.messages) <= 2:
        return None
    before = Request(
        request.settings, request.messages[:-2], request.schema, request.sample, request.purpose, request.explore
    )
    return calls.answer(before.key)


def differing_words(recorded: Any, now: Any) -> tuple[str, str]:
    """The first place at which two values of JSON differ, with what each has there."""
    path, one, other = first_place(recorded, now)
    texts = ["nothing" if each is ABSENT else json.dumps(each, ensure_ascii=False) for each in (one, other)]
    if texts[0] == texts[1]:  # values that JSON writes alike
        texts = [f"{text} ({type(each).__name__})" for text, each in zip(texts, (one, other), strict=True)]
    where = ".".join(map(str, path))
    said, now_said = around_difference(*texts)
    return (f"{where}: {said}", f"{where}: {now_said}") if where else (said, now_said)


ABSENT = object()
"""Stands for what one side has not."""


def first_place(one: Any, other: Any, path: tuple[str | int, ...] = ()) -> tuple[tuple[str | int, ...], Any, Any]:
    """The way to the first value that differs, and that value on both sides."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in {**one, **other}:
            if one.get(name, ABSENT) != other.get(name, ABSENT):
                return first_place(one.get(name, ABSENT), other.get(name, ABSENT), (*path, str(name)))
    elif isinstance(one, list) and isinstance(other, list):
        for at, (a, b) in enumerate(zip_longest(one, other, fillvalue=ABSENT)):
            if a != b:
                return first_place(a, b, (*path, at))
    return path, one, other


def last_words(request: Request) -> str:
    return request.messages[-1].content[:200]


def not_committed(calls: RecordedCalls, end: Mapping[str, Any]) -> Iterator[Divergence]:
    """Whether the recorded calls are those that the log's last event commits to: its hash is the head that people
    keep. `end` is that event."""
    if "calls_root" not in end:
        return
    rows = calls.rows
    leaves = (call_leaf({name: rows[name][place] for name in rows}) for place in range(len(rows["key"])))
    try:
        now = merkle.root(leaves).hex()
    except (ValueError, TypeError) as failure:
        now = str(failure)
    if now != end["calls_root"]:
        message = "the recorded calls are not those that the log's last event commits to"
        yield Divergence("D01", "requests", message, str(end["calls_root"]), now)


def not_in_order(calls: RecordedCalls) -> Iterator[Divergence]:
    """Calls stand once each, in the order of their keys."""
    keys = calls.rows["key"]
    if any(later <= key for key, later in pairwise(keys)):
        yield Divergence("D01", "requests", "the recorded calls are in another order, or one stands there twice")


def other_requests(calls: RecordedCalls, asked: Mapping[str, Request]) -> Iterator[Divergence]:
    """Recorded requests that are not what their keys say: those that were asked are compared with what is rendered now,
    the others by a key made of them."""
    for key in calls:
        now = asked.get(key)
        if now is not None and request_text(now) == calls.request_text(key):
            continue
        call = calls[key]
        if call.request.key != key:
            message = "a recorded request does not have its key"
            sides = (key, call.request.key) if now is None else differing_words(call.request.as_json(), now.as_json())
            yield Divergence("D07", "requests", message, *sides, call.request.purpose, row=key[:KEY_DIGITS])


def idle(calls: RecordedCalls, asked: Mapping[str, Request], steps: set[str]) -> Iterator[Divergence]:
    """Recorded answers of the program's steps that were never asked for."""
    packs = {call.request.key: call.request for call in calls.packs()}
    for key, step in zip(calls.rows["key"], calls.rows["step"], strict=True):
        if key not in asked and step in steps and (key not in packs or asked.keys().isdisjoint(packs[key].rows)):
            shown = last_words(calls[key].request)
            message = "this answer was never asked for"
            yield Divergence("D10", "requests", message, shown, step=step, row=key[:KEY_DIGITS])


def other_packs(calls: RecordedCalls, asked: Mapping[str, Request]) -> Iterator[Divergence]:
    """Packs that do not show their rows as they are asked about now, and rows' answers that are not in their packs."""
    held = {call.request.key: call for call in calls.packs()}
    taken: dict[str, dict[str, Answer]] = {}
    for key, call in held.items():
        rows = [asked[row] for row in call.request.rows if row in asked]
        problem = next(filter(None, (pack_problem(call.request, row) for row in rows)), "")
        if problem:
            sides = last_words(call.request), last_words(rows[0])
            yield Divergence("D07", "requests", problem, *sides, call.request.purpose, row=key[:KEY_DIGITS])
        taken[key] = dict(row_answers(call.request, call.answer, rows[0])) if rows else {}
    for key in asked:
        answer = calls.answer(key)
        if answer is not None and answer.pack and taken.get(answer.pack, {}).get(key) != answer:
            message = "a row's answer is not in the pack that it is said to be from"
            now = taken.get(answer.pack, {}).get(key)
            sides = answer.text[:300], "" if now is None else now.text[:300]
            yield Divergence("D11", "requests", message, *sides, asked[key].purpose, row=key[:KEY_DIGITS])


def not_read(steps: Sequence[Mapping[str, Any]], asked: Sequence[StepRecord]) -> Iterator[Divergence]:
    """Steps whose answers come to other counts of ok, invalid, refused than they did."""
    recorded = {line["step"]: line.get("asked") for line in steps}
    for record in asked:
        now = without_mostly(record.asked, recorded.get(record.name))
        if recorded.get(record.name) != now:
            sides = str(recorded.get(record.name)), str(now)
            yield Divergence("D11", "answers", "the answers do not read as they did", *sides, record.name, record.line)


def other_servers(calls: RecordedCalls, header: Mapping[str, Any]) -> Iterator[Divergence]:
    """Whether who answered is who the header says."""
    found = {(calls.parsed(key).model, calls.parsed(key).fingerprint) for key in calls}
    now = [{"model": model, "fingerprint": fingerprint} for model, fingerprint in sorted(found)]
    if now != header.get("served", now):
        message = "the answers come from other models than the header says"
        yield Divergence("D12", "answers", message, *differing_words(header["served"], now))


def other_prices(calls: RecordedCalls, end: Mapping[str, Any], header: Mapping[str, Any]) -> Iterator[Divergence]:
    """Whether the recorded cost is what the recorded prices make of the recorded tokens."""
    told, prices = end.get("llm.cost.total"), header.get("prices")
    if told is None or prices is None:
        return
    usd = 0.0
    for key, origin in zip(calls, calls.rows["origin"], strict=True):
        if origin == "live":
            answer, request = calls.parsed(key), json.loads(calls.request_text(key))
            price = prices.get(request["model"])
            if price is None or request.get("explore"):
                continue
            given, said = answer.prompt_tokens or 0, answer.completion_tokens or 0
            usd += Price(*price).of(given, said, answer.cached_tokens, by_batch=answer.batch)
    if not math.isclose(usd, float(told), rel_tol=1e-6, abs_tol=1e-9):
        message = "the cost is not what the recorded prices make of the recorded tokens"
        yield Divergence("D13", "answers", message, f"${float(told):.6f}", f"${usd:.6f}")
