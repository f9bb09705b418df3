"""Bytes to text, once, at the door: every format reads UTF-8, whatever the file is in.

In: a file's bytes, and its encoding where a user says it. Out: the same text as UTF-8, its encoding, and how places in
the one are places in the other. Law: UTF-8 is handed on as it is, without a copy; a character keeps its place in the
file; what was taken for granted is noted.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from rlm_dsl.context.context import SourceFile
from rlm_dsl.context.files.encodings import decode
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions

UTF_8, WESTERN, LATIN = "utf-8", "cp1252", "iso8859-1"
MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
"""Byte order marks; that of UTF-32 begins with UTF-16's."""
WIDE = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
"""Encodings of which a byte is no character, with the bytes that an ASCII character takes."""
LOOK = 4_096
ESCAPES = re.compile("[\ud800-\udfff]")
ASCII = re.compile(r"[\x00-\x7f]+")
RARE = frozenset(b"\xd0\xd7\xde\xf0\xf7\xfe\xff")
"""Of Windows-1252, what texts of western languages seldom have."""
UNKNOWN = frozenset(b"\x81\x8d\x8f\x90\x9d")
"""Bytes that Windows-1252 leaves free; read as Latin-1 reads them."""
RUN = re.compile(rb"[\xc0-\xff]{3,}")
"""Three letters beyond ASCII and more in a row stand in other alphabets."""
SEQUENCE = re.compile(rb"[\xc0-\xfd][\x80-\xbf]+")
"""How a character beyond ASCII looks in UTF-8, also one that there is not."""


@dataclass(frozen=True, slots=True)
class Places:
    """From places in UTF-8 to those in the file. An ASCII character takes `width` bytes there; `ends` are the places
    behind all other characters, `shifts` how much further than by that width the file is there."""

    begin: int
    width: int
    ends: Any
    shifts: Any

    def __call__(self, places: Any) -> Any:
        import numpy as np

        found = np.asarray(places, np.int64)
        if not len(self.ends):
            return self.begin + self.width * found
        passed = np.searchsorted(self.ends, found, "right")
        return self.begin + self.width * found + np.concatenate([[0], self.shifts])[passed]


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text as UTF-8. `places` is None where that is the file itself; `placed` is whether places are known."""

    content: bytes
    encoding: str = UTF_8
    places: Places | None = None
    placed: bool = True
    notes: tuple[str, ...] = ()


def text_of(content: bytes, options: ReadingOptions = NO_OPTIONS, feeds: bool = False) -> Text:
    """A file's text: in the encoding that is said, else by its mark, by its bytes, as UTF-8, or as western text. With
    `feeds`, lines that end in CR alone end in LF."""
    if options.earlier:
        return Text(content)
    text = found_text(content, options)
    return replace(text, content=without_lone_returns(text.content)) if feeds else text


def found_text(content: bytes, options: ReadingOptions) -> Text:
    said = options.encoding
    found, mark = wide_encoding(content)
    if said and not (found and found.startswith(said)):
        found = f"{said}-le" if said in ("utf-16", "utf-32") else said
        mark = marked(content, found)
    if found and found != UTF_8 and found != "utf-8-sig":
        return transcoded(content, found, mark, () if said else (f"read as {shown_name(found)}",))
    if found or is_utf_8(content):
        return Text(content)
    western = western_encoding(*census([content]))
    return transcoded(content, western, 0, (note_on(western),)) if western else Text(content)


def note_on(encoding: str) -> str:
    return f"not UTF-8: read as {shown_name(encoding)}; if it is another, say it: encoding=..."


def shown_name(encoding: str) -> str:
    known = {WESTERN: "Windows-1252 (cp1252)", LATIN: "Latin-1 (iso8859-1)"}
    return known.get(encoding, encoding.upper())


def marked(content: bytes, encoding: str) -> int:
    """How many bytes a byte order mark of the encoding takes."""
    return next((len(mark) for mark, known in MARKS if known == encoding and content.startswith(mark)), 0)


def wide_encoding(content: bytes) -> tuple[str, int]:
    """UTF-16 or UTF-32 with the length of its mark; ('', 0) for what is neither. Without a mark it is UTF-16 where
    every other byte is NUL, as in text that is mostly ASCII."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding, len(mark)
    head = content[: LOOK & ~1]
    first, second = head[0::2], head[1::2]
    for encoding, high, low in (("utf-16-le", second, first), ("utf-16-be", first, second)):
        if len(head) >= 4 and 10 * high.count(0) >= 7 * len(high) and 20 * low.count(0) <= len(low):
            return encoding, 0
    return "", 0


def is_utf_8(content: bytes) -> bool:
    if content.isascii():
        return True
    import numpy as np
    import pyarrow as pa

    offsets = pa.py_buffer(np.array([0, len(content)], np.int64))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(content)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def census(parts: Iterable[bytes]) -> tuple[int, Any, int, int]:
    """Of a text that is not UTF-8: characters beyond ASCII that are; how often each byte is no part of any; how many
    of such bytes look like UTF-8, or stand three in a row and more; control characters."""
    import numpy as np

    good, runs, controls, kept = 0, 0, 0, b""
    bad = np.zeros(256, np.int64)
    for part in (*parts, b""):
        held = kept + part
        cut = len(held) - (next((n for n in (1, 2, 3) if held[-n:][:1] >= b"\xc0"), 0) if part else 0)
        text, kept = held[:cut].decode("utf-8", "surrogateescape"), held[cut:]
        beyond = ASCII.sub("", text)
        escaped = "".join(ESCAPES.findall(beyond)).encode("utf-8", "surrogateescape")
        good += len(beyond) - len(escaped)
        bad += np.bincount(np.frombuffer(escaped, np.uint8), minlength=256)
        runs += sum(len(found) for pattern in (RUN, SEQUENCE) for found in pattern.findall(held[:cut]))
        runs -= len(beyond.encode("utf-8", "surrogateescape")) - len(escaped)
        controls += sum(held.count(bytes([byte])) for byte in (0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 127))
    return good, bad, runs, controls


def western_encoding(good: int, bad: Any, runs: int, controls: int) -> str:
    """Windows-1252, or Latin-1 where none of its own signs stands; '' where the bytes are no western text: most are
    UTF-8 that was damaged, letters of another alphabet, or no text at all."""
    count = int(bad.sum())
    odd = int(sum(bad[byte] for byte in RARE)) + 2 * int(sum(bad[byte] for byte in UNKNOWN))
    if controls or good >= count or 2 * odd >= count or 2 * runs >= count:
        return ""
    return WESTERN if int(bad[0x80:0xA0].sum()) else LATIN


def transcoded(content: bytes, encoding: str, begin: int, notes: tuple[str, ...]) -> Text:
    """Text of another encoding. A character that is none is U+FFFD, one a byte where the encoding allows it."""
    held = content[begin:]
    whole = len(held) - len(held) % WIDE.get(encoding, 1)
    text, exact = decoded(held[:whole], encoding)
    shown = ESCAPES.sub("\ufffd", text)
    utf_8 = shown.encode("utf-8")
    places = places_of(utf_8, text, encoding, begin)
    placed = places is not None and int(places([len(utf_8)])[0]) == begin + whole
    if not exact or whole < len(held):
        notes = (*notes, f"bytes that are not {shown_name(encoding)} are shown as U+FFFD")
    if not placed:
        notes = (*notes, f"places in {shown_name(encoding)} cannot be counted: evidence has no bytes")
    return Text(utf_8, encoding, places, placed, notes)


def decoded(content: bytes, encoding: str) -> tuple[str, bool]:
    if encoding in WIDE:
        try:
            return content.decode(encoding), True
        except UnicodeDecodeError:
            return content.decode(encoding, "surrogatepass"), False
    if encoding == WESTERN and any(byte in content for byte in UNKNOWN):
        return content.decode(WESTERN, "rlm-dsl.latin-1"), True
    return decode(content, encoding)


def as_latin(failure: UnicodeError) -> tuple[str, int]:
    assert isinstance(failure, UnicodeDecodeError)
    return failure.object[failure.start : failure.end].decode("latin-1"), failure.end


codecs.register_error("rlm-dsl.latin-1", as_latin)


def places_of(utf_8: bytes, text: str, encoding: str, begin: int) -> Places | None:
    """How places in the UTF-8 of a text are places in the file; None where its parts have no bytes of their own."""
    import numpy as np

    width = WIDE.get(encoding, 1)
    data = np.frombuffer(utf_8, np.uint8)
    starts = np.flatnonzero(data >= 0xC0)
    lead = data[starts]
    own = 2 + (lead >= 0xE0).astype(np.int64) + (lead >= 0xF0)
    if encoding in WIDE:
        there = np.where(own == 4, 4, width)
    elif encoding in (WESTERN, LATIN):
        there = np.ones(len(starts), np.int64)
    else:
        lengths = byte_lengths(ASCII.sub("", text), encoding)
        if lengths is None:
            return None
        there = lengths
    return Places(begin, width, starts + own, np.cumsum(there - width * own))


def byte_lengths(text: str, encoding: str) -> Any | None:
    """How many bytes each character takes in an encoding without state; None where that cannot be told."""
    import numpy as np

    points, which = np.unique(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), return_inverse=True)
    try:
        lengths = [len(chr(point).encode(encoding, "surrogateescape")) for point in points.tolist()]
    except UnicodeEncodeError:
        return None
    return np.array(lengths, np.int64)[which] if len(lengths) else np.zeros(0, np.int64)


def in_file(batches: Iterable[Any], text: Text) -> Iterator[Any]:
    """Rows of a text with the file's own places."""
    import pyarrow as pa

    if text.encoding == UTF_8:
        yield from batches
        return
    for batch in batches:
        for name in ("#lo", "#hi"):
            at = batch.column_names.index(name)
            held = batch.column(name)
            if text.placed and text.places is not None and not held.null_count:
                made = pa.array(text.places(held.to_numpy(zero_copy_only=False)))
            else:
                made = pa.nulls(len(held), pa.int64())
            batch = batch.set_column(at, name, made)
        yield batch


def without_lone_returns(content: bytes) -> bytes:
    """A text whose lines end in CR alone with LF in place of each: no place moves."""
    return content.replace(b"\r", b"\n") if b"\n" not in content and b"\r" in content else content


def with_line_feeds(text: str) -> str:
    """A text in which LF alone ends lines: CR LF is one, and so is CR where no LF is."""
    if "\r" not in text:
        return text
    return text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")


def shown_text(content: bytes, source: SourceFile) -> str:
    """A part of a file as it is read there. Lines of western text that are UTF-8 are read so."""
    if source.encoding in (WESTERN, LATIN) and is_utf_8(content):
        return content.decode(UTF_8)
    if source.encoding == UTF_8:
        return content.decode(UTF_8, "replace")
    return ESCAPES.sub("\ufffd", decoded(content, source.encoding)[0])


class Encodings:
    """Which western encoding sources are in whose bytes are not UTF-8: found once for each, from all of its bytes."""

    def __init__(self, grown: bool = False) -> None:
        self.lock, self.grown = Lock(), grown
        self.found: dict[int, str] = {}

    def of(self, source: int, parts: Callable[[], Iterator[bytes]]) -> str:
        """'' where it is UTF-8 that was damaged. Raises PrefixChanged where another encoding would concern what was
        read of a file before."""
        with self.lock:
            if source not in self.found:
                self.found[source] = western_encoding(*census(parts()))
            if self.found[source] and self.grown:
                raise PrefixChanged
            return self.found[source]


class PrefixChanged(Exception):
    """A file that was read before has other bytes, or is read otherwise, where it should only have grown."""
