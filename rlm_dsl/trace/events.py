"""The event log: append-only, each line bound to the one before by its hash.

In: typed events. Out: `events.jsonl`. Law: a changed, moved or missing line breaks the chain where it is, and what
`append` has handed over is readable after a kill of the process. Two things the chain alone cannot see, and the seal
can: that its last lines are gone, and that the same fields of a line stand in another order.

A line is one JSON object: `seq` (from 0), `time` (UTC, ISO), `type`, the event's fields, `previous`, `hash`. Digests of
what was sent and received belong here, their bodies in `payload/`: an event outlives the erasure of what it is about.

Types: run.start, run.resume, turn.start, turn.end, step.start, step.end, round.end, call.start, call.end, run.end,
run.stop, and log.mended, which this log writes itself when it goes on after a torn tail. `call.start` stands before its
request leaves, so one without a `call.end` may have been billed. Field names follow OpenTelemetry's conventions for
generative AI where those have one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.exact import spelled
from rlm_dsl.common.hashing import canonical, tagged
from rlm_dsl.trace.divergence import Divergence

LONGEST_LINE = 1 << 28
"""Bytes that a line of a log has fewer of."""
START = "0" * 64
"""The predecessor of the first event."""
OWN = frozenset({"seq", "time", "type", "previous", "hash"})
"""Fields that the log writes itself; one that is handed in under such a name is kept as `field.NAME`."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. `content` is the whole line as JSON, empty for a line that is none; `sound` says whether its
    hash is its own, `torn` whether the log breaks off in it."""

    content: Mapping[str, Any]
    sound: bool
    torn: bool = False

    @property
    def type(self) -> str:
        return str(self.content.get("type", ""))


def event_hash(content: Mapping[str, Any], *, plain: bool = False) -> str:
    """The hash of an event: its predecessor's hash and its own canonical form without its hash. `plain` says that it is
    known to be ASCII without floats, which need not be looked for then."""
    own = {key: value for key, value in content.items() if key != "hash"}
    form = CANONICAL.encode(own).encode("ascii") if plain else canonical(own)
    return tagged("event-v1", str(content.get("previous", "")).encode("ascii", "replace") + form)


class Inexact(ValueError):
    """A float, where only what is spelled in one way may stand."""


def refuse_constant(text: str) -> Any:
    raise Inexact(text)


CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
EXACT = json.JSONDecoder(parse_float=refuse_constant, parse_constant=refuse_constant)
WRITTEN = json.JSONEncoder(ensure_ascii=False)


class EventLog:
    """Owns `events.jsonl`. `now` gives the time as ISO text; `redact` is applied to all fields.

    `durable` names the types that are with the operating system when `append` returns; by default all are. A log that
    is already there is gone on with: its chain is checked (UserError if it is broken) and a torn tail cut off; `anew`
    empties it instead.
    """

    def __init__(
        self,
        path: Path,
        now: Callable[[], str],
        redact: Callable[[Any], Any] = lambda value: value,
        durable: Collection[str] | None = None,
        *,
        anew: bool = False,
    ) -> None:
        self.path, self.now, self.redact, self.durable = path, now, redact, durable
        self.lock = threading.Lock()
        self.file = path.open("ab")
        alone(self.file, path)
        if anew:
            self.file.truncate(0)
        self.head, self.count, torn = left(path)
        if torn:
            self.file.truncate(path.stat().st_size - len(torn))
            self.append("log.mended", {"bytes": len(torn), "sha256": sha256(torn).hexdigest()})

    def append(self, type: str, fields: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Append one event, from any thread. Floats become decimal text. Raises OSError where the disk refuses."""
        told = beside_own(self.redact(plain({**(fields or {}), **more})))
        with self.lock:
            content = {"seq": self.count, "time": self.now(), "type": type, **told, "previous": self.head}
            content["hash"] = event_hash(content)
            self.file.write(written(content) + b"\n")
            self.head, self.count = content["hash"], self.count + 1
            if self.durable is None or type in self.durable:
                self.file.flush()

    def flush(self) -> None:
        """What was appended is with the operating system."""
        with self.lock:
            self.file.flush()

    def close(self) -> None:
        """Hand everything over to the disk itself."""
        with self.lock:
            if not self.file.closed:
                self.file.flush()
                os.fsync(self.file.fileno())
                self.file.close()


def alone(file: BinaryIO, path: Path) -> None:
    """Hold a log for this run alone, until it is closed. Raises UserError where another run writes it; file systems
    that hold nothing are believed."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise UserError(f"{path.parent} is being written by another run", "wait, or name another trace") from None
    except OSError:
        return


def left(path: Path) -> tuple[str, int, bytes]:
    """Head, count and torn tail of the log that is there, if any. Raises UserError for a broken one."""
    if not path.exists():
        return START, 0, b""
    found, head, count = check_chain(path)
    if any(divergence.code == "D01" for divergence in found):
        raise UserError(f"{path} is damaged and cannot be gone on with", "write another trace")
    last = b"\n"
    for line in lines(path):
        last = line
    return head, count, b"" if last.endswith(b"\n") else last


def beside_own(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of which none can pass for one of the log's own: a step has a `type` too."""
    return {f"field.{name}" if name in OWN else name: value for name, value in fields.items()}


def plain(value: Any) -> Any:
    """A value as hashable JSON: floats as text, keys in ASCII, halves of surrogate pairs as escapes."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case Mapping():
            return {
                str(key).encode("ascii", "backslashreplace").decode("ascii"): plain(item) for key, item in value.items()
            }
        case list() | tuple():
            return [plain(item) for item in value]
        case float():
            return repr(value)
        case Decimal():
            return spelled(value)
        case _:
            return plain(str(value))


def written(content: Mapping[str, Any]) -> bytes:
    """The one spelling of an event, without its line end."""
    return WRITTEN.encode(content).encode("utf-8", "surrogatepass")


def lines(path: Path) -> Iterator[bytes]:
    """The raw lines of a log with their line ends; a last one without its end is the torn tail. Raises UserError for
    one that is longer than any that is written."""
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise UserError(f"{path} has a line of {LONGEST_LINE:,} bytes or more, and is not read")
            yield line


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a log without their line ends; a torn one is left out."""
    return (line[:-1] for line in lines(path) if line.endswith(b"\n"))


def last_event(path: Path) -> Mapping[str, Any]:
    """The last whole line of a log as an event; nothing where there is none. Only the end of the file is read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            for length in (1 << 16, LONGEST_LINE):
                start = max(0, size - length)
                file.seek(start)
                held = file.read(length).rpartition(b"\n")[0]
                if start == 0 or b"\n" in held:
                    return parse_line(held.rpartition(b"\n")[2]) or {}
    except OSError:
        pass
    return {}


def read_events(path: Path) -> Iterator[Event]:
    """Every line as an event, in order. One that cannot be read is empty and unsound, a torn one says so."""
    for line in lines(path):
        content = parse_line(line)
        torn = not line.endswith(b"\n")
        yield Event(content or {}, content is not None and has_own_hash(content), torn)


def parse_line(line: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def parsed_plain(line: bytes) -> tuple[Mapping[str, Any] | None, bool]:
    """A line as `parsed` reads it, and whether it is ASCII without floats: then there is one way to hash it."""
    if line.isascii() and b"\\u" not in line:
        try:
            content = EXACT.decode(line.decode("ascii"))
            return (content, True) if isinstance(content, dict) else (None, False)
        except (ValueError, RecursionError):
            pass
    return parse_line(line), False


def has_own_hash(content: Mapping[str, Any], *, plain: bool = False) -> bool:
    """Whether an event's hash is that of its content; what cannot be hashed, such as a float, has none."""
    try:
        return event_hash(content, plain=plain) == content.get("hash")
    except (TypeError, ValueError, RecursionError):
        return False


def check_chain(path: Path) -> tuple[list[Divergence], str, int]:
    """Breaks of the chain, its head and its count of whole lines. Raises OSError where there is no log."""
    found: list[Divergence] = []
    head, count = START, 0
    for line in lines(path):
        if not line.endswith(b"\n"):
            found.append(Divergence("D02", "chain", f"the log breaks off in event {count}", line=count + 1))
            break
        content, plain = parsed_plain(line)
        if (cause := fault(line, content, plain, count, head)) is not None:
            found.append(broken(line, count, head, cause))
        head = head if content is None else str(content.get("hash", ""))
        count += 1
    return found, head, count


def fault(line: bytes, content: Mapping[str, Any] | None, plain: bool, number: int, head: str) -> str | None:
    """Why a line is not the event that was written there; None if it is."""
    if content is None:
        return "the line is no JSON object"
    if content.get("seq") != number:
        return f"it says that it is event {content.get('seq')}"
    if content.get("previous") != head:
        return "it follows another event than the one before it"
    if not has_own_hash(content, plain=plain):
        return "its hash is not that of its content"
    return None if line == written(content) + b"\n" else "its spelling was changed"


def broken(line: bytes, number: int, head: str, cause: str) -> Divergence:
    message = f"event {number} is not the one that was written"
    shown = line.rstrip(b"\n")[:80].decode("utf-8", "replace")
    return Divergence("D01", "chain", message, recorded=f"follows {head}", now=shown, line=number + 1, cause=cause)
