"""What a run keeps of its model calls: every request with its answer, and where the answer came from.

In: requests on their way to a model. Out: the same answers, and a record of each by key.
Law: every answer that a run used is in its recording, whether it was live, stored or recorded before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from json.encoder import encode_basestring as quoted
from typing import Any

from rlm_dsl.models.prices import price_name
from rlm_dsl.models.protocol import Model
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request


@dataclass(frozen=True, slots=True)
class Call:
    """One request and its answer. `origin` is live, pack, store or trace."""

    request: Request
    answer: Answer
    origin: str

    def as_json(self) -> dict[str, str]:
        """A row of a trace's `payload/calls.parquet`."""
        return {
            "key": self.request.key,
            "step": self.request.purpose,
            "request": request_text(self.request),
            "answer": SPELLED.encode(self.answer.as_json()),
            "origin": self.origin,
        }

    @staticmethod
    def from_json(row: Mapping[str, str]) -> Call:
        return Call(
            request_from(json.loads(row["request"]), row["step"]),
            Answer.from_json(json.loads(row["answer"])),
            row["origin"],
        )


SPELLED = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
"""How traces spell requests and answers."""


def request_text(request: Request) -> str:
    """A request as traces have it: the same text for the same request. It is what `SPELLED` makes of it, without
    spelling anew what many requests share."""
    settings = request.settings
    messages = ", ".join(f'{{"content": {quoted(m.content)}, "role": "{m.role}"}}' for m in request.messages)
    parts = [
        '"api": "chat.completions"',
        f'"base_url": {quoted(settings.base_url)}',
        *((f'"explore": {request.explore}',) if request.explore else ()),
        *((f'"grammar": {quoted(request.grammar)}',) if request.grammar else ()),
        f'"messages": [{messages}]',
        f'"model": {quoted(settings.model)}',
        f'"parameters": {json_text(settings.parameters)}',
        *((f'"program": {quoted(request.program)}',) if request.program else ()),
        f'"provider": {quoted(settings.provider)}',
        *((f'"rows": {SPELLED.encode(list(request.rows))}',) if request.rows else ()),
        f'"sample": {request.sample}',
        f'"schema": {"null" if request.schema is None else json_text(request.schema)}',
    ]
    return "{" + ", ".join(parts) + "}"


SHARED: dict[int, tuple[object, str]] = {}
MOST_SHARED = 256


def json_text(value: Mapping[str, Any]) -> str:
    """The text of a value that is never changed and stands in many requests."""
    held = SHARED.get(id(value))
    if held is None or held[0] is not value:
        if len(SHARED) >= MOST_SHARED:
            SHARED.clear()
        held = SHARED[id(value)] = (value, SPELLED.encode(dict(value)))
    return held[1]


def request_from(value: Mapping[str, Any], purpose: str) -> Request:
    """A request as a trace keeps it, back as a request; its key is computed anew."""
    messages = tuple(Message(message["role"], message["content"]) for message in value["messages"])
    settings, explore = ModelSettings.from_json(value), value.get("explore", 0)
    program, rows = value.get("program", ""), tuple(value.get("rows", ()))
    more = value["schema"], value["sample"], purpose, explore, program, rows, value.get("grammar", "")
    return Request(settings, messages, *more)


@dataclass(slots=True)
class Recording:
    """A model that notes what passes through it, and beside an answer that was taken from a pack, the pack. `origin`
    tells of a key whether its answer was live or stored; `noted` is told of each call, once; `pack` finds a pack."""

    inner: Model
    origin: Callable[[str], str]
    noted: Callable[[Call], None] = lambda call: None
    pack: Callable[[str], Call | None] = lambda key: None
    calls: dict[str, Call] = field(default_factory=dict)

    async def answer(self, request: Request) -> Answer:
        """The answer that this run has, also where it is none to keep: what was refused once is not paid for again, and
        a key has one answer in a trace."""
        if (call := self.calls.get(request.key)) is not None:
            return call.answer
        answer = await self.inner.answer(request)
        if request.key not in self.calls:
            if answer.pack and answer.pack not in self.calls and (pack := self.pack(answer.pack)) is not None:
                self.note(replace(pack, request=replace(pack.request, purpose=request.purpose)))
            self.note(Call(request, answer, self.origin(request.key)))
        return answer

    def note(self, call: Call) -> None:
        if call.request.key not in self.calls:
            self.calls[call.request.key] = call
            self.noted(call)

    def made(self, *, anew: bool = False) -> int:
        """How many requests there were: an answer that was taken from a pack is none of its own. `anew` leaves out what
        an earlier run had asked."""
        return sum(1 for call in self.calls.values() if not call.answer.pack and not (anew and call.origin == "trace"))

    def packs(self, rows: Set[str]) -> Iterator[tuple[Request, Answer]]:
        """The packs that hold any of these rows."""
        for call in self.calls.values():
            if not rows.isdisjoint(call.request.rows):
                yield call.request, call.answer

    @property
    def answers(self) -> Mapping[str, Answer]:
        return {key: call.answer for key, call in self.calls.items()}


@dataclass(frozen=True, slots=True)
class Usage:
    """What one model was asked in one role, by the servers' own counts, whether answers were new or known before; `new`
    is how many of the calls were made."""

    model: str
    root: bool
    calls: int = 0
    new: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def and_(self, call: Call) -> Usage:
        """With one call more."""
        answer = call.answer
        return Usage(
            self.model,
            self.root,
            self.calls + 1,
            self.new + (call.origin == "live"),
            self.prompt_tokens + (answer.prompt_tokens or 0),
            self.completion_tokens + (answer.completion_tokens or 0),
            self.cached_tokens + answer.cached_tokens,
        )


def usage_of(calls: Iterable[Call]) -> tuple[Usage, ...]:
    """What each model was asked as root and for rows, in the order of first use; sub-runs count by their own calls. Of
    a model with a price, in whose name another answers, that other one."""
    found: dict[tuple[str, bool], Usage] = {}
    for call in calls:
        if not call.request.explore and not call.answer.pack:
            model = price_name(call.request.settings.model, call.answer.model)
            key = (model, call.request.purpose.rpartition("/")[2] == "root")
            found[key] = found.get(key, Usage(*key)).and_(call)
    return tuple(found.values())


def call_rows(calls: Iterable[Call]) -> list[dict[str, str]]:
    """The rows of `payload/calls.parquet`, in the order of their keys."""
    return sorted((call.as_json() for call in calls), key=lambda row: row["key"])
