"""What can still be read of a damaged store: its pages one by one, whatever the tree above them says.

In: a damaged file of SQLite's, with its write-ahead log. Out: the answers and batches on pages that are whole. Law: the
file is only read; a page or row that makes no sense is passed over, and nothing is made up: what is no request with its
answer is no row.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_dsl.models.cache.kept import NONSENSE, readable
from rlm_dsl.models.request import Answer

LEAF, INNER = 0x0A, 0x02
"""Kinds of pages that hold rows of tables without rowids: both hold them."""
FIXED = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Bytes of a whole number, by how it is written."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """Rows of the store's tables as they were kept, and the earlier versions that it was upgraded from."""

    answers: tuple[tuple[str, str, str, float], ...]
    batches: tuple[tuple[str, str, str, float], ...]
    upgraded: tuple[int, ...]


def salvage(path: Path) -> Salvaged:
    """Everything on whole pages."""
    answers: dict[str, tuple[str, str, str, float]] = {}
    batches: dict[str, tuple[str, str, str, float]] = {}
    upgraded: set[int] = set()
    for row in rows_of(path):
        with suppress(*NONSENSE):
            match row:
                case (int() as version,) if 0 <= version < 100:
                    upgraded.add(version)
                case (str() as key, str() as first, str() as second, *kept):
                    when = float(kept[0]) if kept else 0.0
                    table = batches if is_batch(second) else answers
                    if table is batches or is_answer(first, second):
                        table[key] = (key, first, second, when)
    return Salvaged(tuple(answers.values()), tuple(batches.values()), tuple(sorted(upgraded)))


def is_batch(keys: str) -> bool:
    return keys.startswith("[") and all(isinstance(key, str) for key in json.loads(keys))


def is_answer(request: str, answer: str) -> bool:
    return bool(json.loads(request)["messages"]) and isinstance(readable(answer), Answer)


def rows_of(path: Path) -> Iterator[list[Any]]:
    """The rows on every page that can be read, as values."""
    main = path.read_bytes()
    size = int.from_bytes(main[16:18], "big")
    size, usable = (65_536 if size == 1 else size), 0
    if size < 512:
        return
    usable = size - main[20]
    newer = logged_pages(Path(f"{path}-wal"), size)
    most = max([len(main) // size, *newer])
    pages = [newer.get(number, main[(number - 1) * size : number * size]) for number in range(1, most + 1)]
    for number, page in enumerate(pages, 1):
        at = 100 if number == 1 else 0
        if len(page) == size and page[at] in (LEAF, INNER):
            inner = 4 if page[at] == INNER else 0
            begin = at + 8 + inner
            for cell in range(min(int.from_bytes(page[at + 3 : at + 5], "big"), size // 2)):
                with suppress(*NONSENSE):
                    place = struct.unpack_from(">H", page, begin + 2 * cell)[0]
                    yield values_of(payload_of(pages, page, place + inner, usable))


def logged_pages(path: Path, size: int) -> dict[int, bytes]:
    """The pages in a write-ahead log, up to the last that was committed."""
    try:
        log = path.read_bytes()
    except OSError:
        return {}
    done: dict[int, bytes] = {}
    open_: dict[int, bytes] = {}
    for at in range(32, len(log) - size - 23, size + 24):
        number, committed = struct.unpack_from(">II", log, at)
        if log[at + 8 : at + 16] != log[16:24]:
            break  # a frame of an earlier round
        open_[number] = log[at + 24 : at + 24 + size]
        if committed:
            done |= open_
            open_ = {}
    return done


def payload_of(pages: Sequence[bytes], page: bytes, at: int, usable: int) -> bytes:
    """A row's bytes, with those on the pages that it flows over to."""
    length, at = varint(page, at)
    most, least = (usable - 12) * 64 // 255 - 23, (usable - 12) * 32 // 255 - 23
    local = length
    if length > most:
        kept = least + (length - least) % (usable - 4)
        local = kept if kept <= most else least
    found = [page[at : at + local]]
    left, following = length - local, int.from_bytes(page[at + local : at + local + 4], "big")
    while left > 0 and len(found) <= len(pages):
        if following < 1:
            raise ValueError("the row ends early")
        over = pages[following - 1]
        found.append(over[4 : 4 + min(left, usable - 4)])
        left, following = left - len(found[-1]), int.from_bytes(over[:4], "big")
    return b"".join(found)


def values_of(record: bytes) -> list[Any]:
    """A row's values."""
    end, at = varint(record, 0)
    if not 0 < end <= len(record):
        raise ValueError("no row")
    kinds = []
    while at < end:
        kind, at = varint(record, at)
        kinds.append(kind)
    values: list[Any] = []
    for kind in kinds:
        length = FIXED.get(kind, 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0)
        held = record[at : at + length]
        if len(held) < length:
            raise ValueError("the row ends early")
        values.append(value_of(kind, held))
        at += length
    return values


def value_of(kind: int, held: bytes) -> Any:
    if kind in FIXED:
        return int.from_bytes(held, "big", signed=True)
    if kind == 7:
        return struct.unpack(">d", held)[0]
    if kind in (8, 9):
        return kind - 8
    return (held.decode("utf-8") if kind % 2 else held) if kind >= 12 else None


def varint(held: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for count in range(8):
        byte = held[at + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count + 1
    return value << 8 | held[at + 8], at + 9
