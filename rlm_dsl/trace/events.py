"""The event log: append-only, each line bound to the one before by its hash.

In: typed events. Out: `events.jsonl`. Law: a changed, moved or missing line breaks the chain where it is; what was
appended before a crash of the process is readable after it.

Types: run.start, turn.start, turn.end, step.start, step.end, round.end, call.start, call.end, run.end, run.stop.
Field names follow OpenTelemetry's conventions for generative AI where those have one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.hashing import canonical, tagged, without_floats
from rlm_dsl.trace.divergence import Divergence

START = "0" * 64


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. `content` is the whole line as JSON; `sound` whether its hash is its own."""

    content: Mapping[str, Any]
    sound: bool

    @property
    def type(self) -> str:
        return str(self.content.get("type", ""))


def event_hash(content: Mapping[str, Any]) -> str:
    """The hash of an event: its predecessor's hash and its own canonical form without its hash."""
    own = {key: value for key, value in content.items() if key != "hash"}
    return tagged("event-v1", str(content.get("previous", "")).encode("ascii", "replace") + canonical(own))


class EventLog:
    """Owns `events.jsonl`. `now` gives the time as ISO text; `redact` is applied to every text."""

    def __init__(self, path: Path, now: Callable[[], str], redact: Callable[[Any], Any] = lambda value: value) -> None:
        self.path, self.now, self.redact = path, now, redact
        self.head, self.count = START, 0
        self.lock = threading.Lock()
        self.file = path.open("ab", buffering=0)

    def append(self, type_: str, fields: Mapping[str, Any] | None = None) -> None:
        """Append one event; it is with the operating system when this returns."""
        with self.lock:
            content = {
                "seq": self.count,
                "time": self.now(),
                "type": type_,
                **self.redact(plain(fields or {})),
                "previous": self.head,
            }
            content["hash"] = event_hash(content)
            self.file.write(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            self.head, self.count = content["hash"], self.count + 1

    def close(self) -> None:
        if not self.file.closed:
            os.fsync(self.file.fileno())
            self.file.close()


def plain(fields: Mapping[str, Any]) -> Any:
    """Fields as hashable JSON: floats as text, halves of surrogate pairs replaced."""
    return json.loads(json.dumps(without_floats(fields), default=str).encode("utf-8", "replace"))


def lines(path: Path) -> list[bytes]:
    """The raw lines of a log, without line ends; a last line without its end is the torn tail."""
    return path.read_bytes().split(b"\n")


def read_events(path: Path) -> Iterator[Event]:
    """Every readable event, in order."""
    for line in lines(path):
        if (content := parsed(line)) is not None:
            yield Event(content, hash_of(content) == content.get("hash"))


def parsed(line: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def hash_of(content: Mapping[str, Any]) -> str | None:
    """The hash the content should have; None for what cannot be hashed, such as a float that someone put there."""
    try:
        return event_hash(content)
    except (TypeError, ValueError):
        return None


def check_chain(path: Path) -> tuple[list[Divergence], str, int]:
    """Breaks of the chain, its head and its count of events."""
    found: list[Divergence] = []
    head, count = START, 0
    *whole, tail = lines(path)
    for number, line in enumerate(whole):
        content = parsed(line)
        if content is None or not sound(content, number, head):
            found.append(
                Divergence(
                    "D01",
                    "chain",
                    f"event {number} is not the one that was written",
                    recorded=head,
                    now=line[:80].decode("utf-8", "replace"),
                    line=number + 1,
                )
            )
        head = str(content.get("hash", "")) if content is not None else head
        count += 1
    if tail:
        found.append(Divergence("D02", "chain", f"the log breaks off in event {count}", line=count + 1))
    return found, head, count


def sound(content: Mapping[str, Any], number: int, head: str) -> bool:
    whole = content.get("seq") == number and content.get("previous") == head
    return whole and hash_of(content) == content.get("hash")
