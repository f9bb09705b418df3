"""CSV bytes to blocks of records, many at once.

In: a file's bytes. Out: blocks, one after the other, each a few megabytes of whole records. Law: the records are those
of records, byte for byte. Where each quote and each CR of a block stands as RFC 4180 has it, quotes counted from
its start tell what is within quotes, so separators are found for all records at once; any other block is read one
record after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.formats.csv.records import records_of

WINDOW = 4 << 20
"""Bytes that are looked through at once."""
LINE_FEED, CARRIAGE_RETURN, QUOTE = 10, 13, 34


@dataclass(frozen=True, slots=True)
class Block:
    """Records that follow one another, blank lines left out.

    `fields` holds their fields in order, the first of record r at `first[r]`, the next ones `step` apart, `counts[r]`
    of them. In a regular block they are bytes of the file, and `doubled` tells which of them have doubled quotes, if
    any has. `lines`, `starts` and `ends` are the records' places; `valid` is whether all is UTF-8.
    """

    fields: Any
    first: Any
    counts: Any
    lines: Any
    starts: Any
    ends: Any
    step: int
    doubled: Any
    valid: bool
    stray: tuple[int, ...]
    blank: int
    next_start: int
    next_line: int

    def rows(self, begin: int, end: int | None = None) -> Block:
        """Some of the block's records."""
        chosen = slice(begin, end)
        return replace(
            self,
            first=self.first[chosen],
            counts=self.counts[chosen],
            lines=self.lines[chosen],
            starts=self.starts[chosen],
            ends=self.ends[chosen],
        )

    def record(self, number: int, begin: int = 0) -> list[str]:
        """A record's fields, from an index on."""
        import numpy as np

        places = self.first[number] + self.step * np.arange(begin, self.counts[number])
        fields: list[str] = self.texts(places).to_pylist()
        return fields

    def column(self, index: int) -> Any:
        """The records' fields at an index; null where a record has none."""
        import numpy as np
        import pyarrow as pa

        missing = self.counts <= index
        places = self.first + self.step * index
        if not missing.any():
            return self.texts(places)
        there = self.texts(places[~missing])
        return there.take(pa.array(np.cumsum(~missing) - 1, mask=missing))

    def surplus(self, width: int) -> list[str | None]:
        """Each record's fields from an index on, joined by commas; None where there are none."""
        import numpy as np

        joined: list[str | None] = [None] * len(self.counts)
        for number in np.flatnonzero(self.counts > width).tolist():
            joined[number] = ",".join(self.record(number, width))
        return joined

    def texts(self, places: Any) -> Any:
        """Fields as texts."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = self.fields.take(pa.array(places))
        if pa.types.is_large_binary(found.type):
            raw = found.to_pylist()
            found = pa.array([field.decode("utf-8", "replace") for field in raw], pa.large_string())
        doubled = self.doubled is not None and self.doubled[places].any()
        return pc.replace_substring(found, '""', '"') if doubled else found


def blocks(
    content: bytes, delimiter: str, given: str, window: int | None = None, at: int = 0, line: int = 1
) -> Iterator[Block]:
    """A file's records, from a place on that begins one. Raises UserError where a line ends in CR alone."""
    size = window or WINDOW
    at = at or (len(BOM) if content.startswith(BOM) else 0)
    while at < len(content):
        block = regular(content, delimiter, at, line, size) or exact(content, delimiter, given, at, line, size)
        yield block
        at, line = block.next_start, block.next_line


def exact(content: bytes, delimiter: str, given: str, at: int, line: int, size: int) -> Block:
    """The records that begin within the next bytes, one after the other."""
    import numpy as np
    import pyarrow as pa

    records = []
    for record in records_of(content, delimiter, given, at, line):
        records.append(record)
        if record.next_start >= at + size:
            break
    kept = [record for record in records if record.fields]
    counts = np.array([len(record.fields) for record in kept], np.int64)
    return Block(
        fields=pa.array([field for record in kept for field in record.fields], pa.large_string()),
        first=np.cumsum(counts) - counts,
        counts=counts,
        lines=np.array([record.line for record in kept], np.int64),
        starts=np.array([record.start for record in kept], np.int64),
        ends=np.array([record.end for record in kept], np.int64),
        step=1,
        doubled=None,
        valid=is_text(content, at, records[-1].next_start),
        stray=tuple(record.line for record in kept if record.stray),
        blank=len(records) - len(kept),
        next_start=records[-1].next_start,
        next_line=records[-1].next_line,
    )


def regular(content: bytes, delimiter: str, at: int, line: int, size: int) -> Block | None:
    """The whole records within the next bytes, or None where RFC 4180 fails, or none ends there."""
    import numpy as np

    window = np.frombuffer(content, np.uint8, min(size, len(content) - at), at)
    quotes = np.flatnonzero(window == QUOTE)
    marks = np.flatnonzero((window == ord(delimiter)) | (window == LINE_FEED))
    every_feed = marks[window[marks] == LINE_FEED]
    separators = outside(marks, quotes)
    end = whole_records(window, separators, at + len(window) == len(content))
    quotes = quotes[quotes < end]
    if not end or not regular_quotes(window, quotes, delimiter) or not regular_returns(window[:end], quotes):
        return None
    separators = separators[separators < end]
    if window[end - 1] != LINE_FEED or not len(separators) or separators[-1] != end - 1:
        separators = np.append(separators, end)  # the last line has no line feed
    return cut(content, window, at, line, end, separators, quotes, every_feed[every_feed < end])


def outside(places: Any, quotes: Any) -> Any:
    """The places that are not within quotes."""
    import numpy as np

    if not len(quotes):
        return places
    before = np.bincount(np.searchsorted(places, quotes), minlength=len(places) + 1)[: len(places)]
    return places[np.cumsum(before) % 2 == 0]


def whole_records(window: Any, separators: Any, last: bool) -> int:
    """How many bytes of a window are whole records."""
    if last:
        return len(window)
    feeds = separators[window[separators] == LINE_FEED]
    return int(feeds[-1]) + 1 if len(feeds) else 0


def regular_quotes(window: Any, quotes: Any, delimiter: str) -> bool:
    """Whether quotes open at the start of a field, close at its end, and are doubled in between."""
    import numpy as np

    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    again = opening[1:] == closing[:-1] + 1
    before = np.where(opening > 0, window[opening - 1], LINE_FEED)
    opens = (before == ord(delimiter)) | (before == LINE_FEED)
    opens[1:] |= again
    after = np.where(closing + 1 < len(window), window[np.minimum(closing + 1, len(window) - 1)], LINE_FEED)
    closes = (after == ord(delimiter)) | (after == LINE_FEED) | (after == CARRIAGE_RETURN)
    closes[:-1] |= again
    return bool(opens.all() and closes.all())


def regular_returns(window: Any, quotes: Any) -> bool:
    """Whether each CR that is not within quotes stands before a line end."""
    import numpy as np

    returns = outside(np.flatnonzero(window == CARRIAGE_RETURN), quotes)
    after = window[returns[returns + 1 < len(window)] + 1]
    return bool(((after == LINE_FEED) | (after == CARRIAGE_RETURN)).all())


def cut(
    content: bytes, window: Any, at: int, line: int, end: int, separators: Any, quotes: Any, every_feed: Any
) -> Block:
    """The block that its separators, the last one an end of a record, cut into fields."""
    import numpy as np

    starts, ends = np.concatenate([[0], separators[:-1] + 1]), separators.copy()
    ends_record = np.append(window[separators[:-1]] == LINE_FEED, True)
    last = np.flatnonzero(ends_record)
    first = np.concatenate([[0], last[:-1] + 1])
    record_starts, record_ends = starts[first], without_returns(window, starts[first], ends[last])
    ends[last] = record_ends
    if len(quotes):
        quoted = (ends > starts) & (window[np.minimum(starts, end - 1)] == QUOTE)
        starts, ends = starts + quoted, ends - quoted
    kept = (last > first) | (record_ends > record_starts)
    valid = is_text(content, at, at + end)
    plain = len(every_feed) == len(last) - (separators[-1] >= end)  # every record is a line
    return Block(
        fields=spans(content, starts + at, ends + at, valid),
        first=2 * first[kept],
        counts=(last - first + 1)[kept],
        lines=line + (np.flatnonzero(kept) if plain else np.searchsorted(every_feed, record_starts[kept])),
        starts=record_starts[kept] + at,
        ends=record_ends[kept] + at,
        step=2,
        doubled=doubled_quotes(quotes, starts),
        valid=valid,
        stray=(),
        blank=int(np.count_nonzero(~kept)),
        next_start=at + end,
        next_line=line + len(every_feed),
    )


def doubled_quotes(quotes: Any, starts: Any) -> Any:
    """Which fields, and none of what lies between them, hold doubled quotes; None where none does."""
    import numpy as np

    again = quotes[2::2][quotes[2::2] == quotes[1:-1:2] + 1]
    if not len(again):
        return None
    held = np.zeros(2 * len(starts), np.bool_)
    held[2 * (np.searchsorted(starts, again, "right") - 1)] = True
    return held


def without_returns(window: Any, starts: Any, ends: Any) -> Any:
    """The ends without the CRs before them."""
    import numpy as np

    ends = ends.copy()
    left = np.arange(len(ends))
    while len(left := left[(ends[left] > starts[left]) & (window[ends[left] - 1] == CARRIAGE_RETURN)]):
        ends[left] -= 1
    return ends


def spans(content: bytes, starts: Any, ends: Any, valid: bool) -> Any:
    """Spans of a content and what lies between them in turn, as an Arrow array over the content itself."""
    import numpy as np
    import pyarrow as pa

    offsets = np.empty(2 * len(starts), np.int64)
    offsets[0::2], offsets[1::2] = starts, ends
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.large_string() if valid else pa.large_binary(), len(offsets) - 1, buffers)


def is_text(content: bytes, start: int, end: int) -> bool:
    """Whether a span is UTF-8."""
    import numpy as np
    import pyarrow as pa

    offsets = pa.py_buffer(np.array([start, end], np.int64))
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(content)])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
