"""CSV bytes to records, one after the other, exactly.

In: a file's bytes and where to begin. Out: records after RFC 4180, blank lines as records without fields.
Law: every physical line is in one record. Where RFC 4180 fails at a record (text behind a closing quote, a quote never
closed), its first line alone is read as it stands, split at each delimiter, quotes kept: it is `stray`, and reading
goes on with the next line. No line is looked through more than a few times, however many are stray.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from rlm_dsl.common.diagnostics import UserError


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """A record's fields, its first line, its bytes without the line end, and where the next one begins."""

    fields: list[str]
    line: int
    start: int
    end: int
    next_line: int
    next_start: int
    stray: bool = False


class NeverCloses(Exception):
    """A quoted field that does not end as RFC 4180 has it."""


@dataclass(slots=True)
class Lines:
    """Physical lines of a file for a reader of records; owns where reading is.

    A line that begins within quotes up to `good` is known to belong to a good record, one up to `doomed` to none: all
    that begin within quotes before the same quote share its fate.
    """

    content: bytes
    delimiter: str
    at: int
    record: int = 0
    good: int = -1
    doomed: int = -1

    def __iter__(self) -> Iterator[str]:
        while self.at < len(self.content):
            if self.at != self.record and not self.closes():
                raise NeverCloses
            feed = self.content.find(b"\n", self.at)
            start, self.at = self.at, len(self.content) if feed < 0 else feed + 1
            yield self.content[start : self.at].decode("utf-8", "replace")

    def closes(self) -> bool:
        """Whether a record that is within quotes at the start of this line ends well."""
        if self.good < self.at and self.doomed < self.at:
            well, place = fate(self.content, self.at, self.delimiter.encode())
            if well:
                self.good = place
            else:
                self.doomed = place
        return self.at <= self.good


@cache
def plain_fields(delimiter: bytes) -> re.Pattern[bytes]:
    """From a delimiter to the last one before a field that is quoted, or the last of its line."""
    mark = re.escape(delimiter)
    return re.compile(rb'(?:%b(?:[^"%b\r\n][^%b\r\n]*)?)*%b' % (mark, mark, mark, mark))


def fate(content: bytes, at: int, delimiter: bytes) -> tuple[bool, int]:
    """Whether a record that is within quotes at a place ends as RFC 4180 has it, and the byte that decides it."""
    fields = plain_fields(delimiter)
    while True:
        quote = content.find(b'"', at)
        after = content[quote + 1 : quote + 2]
        if quote < 0:
            return False, len(content)
        if after == b'"':
            at = quote + 2
        elif after in (b"", b"\r", b"\n"):
            return True, quote
        elif after != delimiter:
            return False, quote
        else:
            found = fields.match(content, quote + 1)
            at = found.end() + 1 if found else quote + 3
            if content[at - 1 : at] != b'"':
                return True, quote


def records_of(content: bytes, delimiter: str, given: str, at: int = 0, line: int = 1) -> Iterator[CsvRecord]:
    """The records from a place on that begins one. Raises UserError where a line ends in CR alone."""
    csv.field_size_limit(2**31 - 1)
    lines = Lines(content, delimiter, at)
    while lines.at < len(content):
        start = lines.record = lines.at
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        taken = 0
        try:
            for fields in reader:
                read = reader.line_num - taken
                yield CsvRecord(fields, line, start, without_line_end(content, lines.at), line + read, lines.at)
                taken, line = reader.line_num, line + read
                start = lines.record = lines.at
        except (csv.Error, NeverCloses) as failure:
            if "new-line character" in str(failure):
                raise lone_return(given, line) from None
            yield (record := as_it_stands(content, start, line, delimiter, given))
            lines.at, line = record.next_start, record.next_line


def as_it_stands(content: bytes, start: int, line: int, delimiter: str, given: str) -> CsvRecord:
    """The line from a place on, split at each delimiter."""
    feed = content.find(b"\n", start)
    after = len(content) if feed < 0 else feed + 1
    end = without_line_end(content, after)
    if content.find(b"\r", start, end) >= 0:
        raise lone_return(given, line)
    fields = content[start:end].decode("utf-8", "replace").split(delimiter)
    return CsvRecord(fields, line, start, end, line + 1, after, True)


def lone_return(given: str, line: int) -> UserError:
    return UserError(f"{given}:{line}: no CSV: a line ends in CR alone", "convert its line ends to LF or CRLF")


def without_line_end(content: bytes, end: int) -> int:
    """The end of a record's bytes: all of CR CR LF, as some converters write it, ends a line."""
    end -= content[end - 1 : end] == b"\n"
    while content[end - 1 : end] == b"\r":
        end -= 1
    return end
