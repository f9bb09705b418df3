"""How a CSV file is written: found from its first lines, or said.

In: a file's text and its reading options. Out: the text in which lines that are none of the data are blank, its
delimiter, whether it has a header, its decimal sign; notes, each with the option that settles it. Law: no byte moves:
a line that is passed over becomes line ends, and every other keeps its place; what is only likely is said, not done.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from rlm_dsl.context.columns.cell_types import read_cell
from rlm_dsl.context.columns.spelling import Spelling, is_plain
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.options import NO, YES, ReadingOptions, listed, number_signs, written
from rlm_dsl.context.rows.totals import SAMPLE_ROWS, is_total, label_of, shown_total, told_subtotals

SAMPLE = 1 << 16
"""Bytes of the beginning that tell a file's dialect."""
LAST = 4_096
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
STEADY = 0.9
"""The share of records that have as many fields, from which on they are what the file means."""
SEP = re.compile(rb"\A(?:\xef\xbb\xbf)?\"?sep=(.)\"?[ \t]*\r*(?:\n|\Z)", re.IGNORECASE)
COMMENTS = ("#", "//", "%", "--")
COMMA_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?\Z")
COMMA_SURE = re.compile(r".*,(?:\d{1,2}|\d{4,})\Z")
POINT_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+\Z")
WHOLE = re.compile(r"[+-]?\d+\Z")
POINT_SURE = re.compile(r"[+-]?\d+\.(?:\d{1,2}|\d{4,})\Z")
NUMBER = re.compile(r"[+-]?[\d.,' ]*\d[\d.,' ]*\Z")
SWAPPED = {"'": bytes.maketrans(b"'\"", b"\"'")}


Records = Sequence[tuple[int, list[str]]]
"""Records with the line on which each begins."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How records are cut and cells read. `quote` is '"', "'" or '' for none; `passed` lines were made blank; `sample`
    are the first records, `total` is the last row where it looks like a total of those above."""

    delimiter: str
    quote: str = '"'
    headed: bool = True
    decimal: str = ""
    thousands: str = ""
    notes: tuple[str, ...] = ()
    passed: int = 0
    sample: tuple[list[str], ...] = ()
    total: str = ""
    padded: bool = False


def find_dialect(content: bytes, options: ReadingOptions, usual: str) -> Dialect:
    """The dialect of a file; `usual` is the delimiter of its format."""
    if options.earlier:
        return earlier(content, usual)
    notes: list[str] = []
    delimiter = options.delimiter
    if not delimiter and (sep := SEP.match(content)):
        delimiter = sep[1].decode("latin-1")
        notes.append(f"its first line says that {DELIMITERS.get(delimiter, repr(delimiter))} separate fields")
    prepared, passed = prepare(content, options)
    sample = sample_of(prepared, options)
    numbered = list(numbered_records(sample, delimiter or usual))
    if not delimiter:
        delimiter = best_delimiter(sample, usual, [record for _, record in numbered])
        if delimiter != usual:
            notes.append(f"fields are separated by {DELIMITERS[delimiter]}")
            numbered = list(numbered_records(sample, delimiter))
    headed = options.header != NO
    found = parts_of(numbered)
    records = [record for _, record in found.data]
    decimal, thousands = number_signs(options)
    if not decimal and not thousands and delimiter != ",":
        if comma_numbers(records[headed:]):
            decimal, thousands = ",", "."
            notes.append('numbers have "," for a decimal sign and "." between thousands; if not, say decimal="."')
        elif number := point_grouped(records[headed:]):
            notes.append(
                f'numbers such as {number} have "." for a decimal sign; '
                'if it stands between thousands, say thousands="."'
            )
    quote = '"' if options.quote is None else options.quote
    made = Dialect(delimiter, quote, headed, decimal, thousands, tuple(notes), passed)
    told = (*made.notes, *advice(found, sample, made, options), *below_preamble(sample, found, made, options))
    made = replace(made, notes=told, sample=tuple(records[headed:]), padded=is_padded(records[headed:], made))
    return replace(made, total=total_of(records, prepared, made, options))


def earlier(content: bytes, usual: str) -> Dialect:
    """As files were read before there were options."""
    header = content.partition(b"\n")[0].decode("utf-8", "replace")
    if usual == "," and "," not in header:
        for other in (";", "\t", "|"):
            if other in header:
                return Dialect(other, notes=(f"fields are separated by {DELIMITERS[other]}",))
    return Dialect(usual)


def prepare(content: bytes, options: ReadingOptions) -> tuple[bytes, int]:
    """The text in which what is passed over is blank, and how many lines that are."""
    if options.earlier:
        return content, 0
    skipped = max(options.skip, int(options.header) - 1 if options.header.isdigit() else 0)
    skipped = skipped or (0 if options.delimiter or not SEP.match(content) else 1)
    if SEP.match(content) and not skipped:
        skipped = 1
    spans = list(first_lines(content, skipped))
    begin = spans[-1][1] if spans else 0
    for sign in listed(options.comment):
        spans += comment_lines(content, sign.encode(), begin)
    if options.skip_last:
        spans += last_lines(content, {start for start, _ in spans}, options.skip_last, options.header != NO)
    if options.quote not in (None, '"'):
        content = with_quotes(content, options.quote)
    if not spans:
        return content, 0
    made = bytearray(content)
    for start, end in spans:
        made[start:end] = b"\r" * (end - start)
        if end == len(made) and end > start:
            made[end - 1 : end] = b"\n"
    return bytes(made), len(spans)


def first_lines(content: bytes, count: int) -> Iterator[tuple[int, int]]:
    start = len(BOM) if content.startswith(BOM) else 0
    for _ in range(count):
        if start >= len(content):
            return
        feed = content.find(b"\n", start)
        end = len(content) if feed < 0 else feed
        yield start, end
        start = end + 1


def last_lines(content: bytes, passed: Collection[int], count: int, headed: bool) -> list[tuple[int, int]]:
    """The last lines that are not blank nor passed over; the first of all is the header, and stays."""
    found: list[tuple[int, int]] = []
    end = len(content)
    while len(found) < count + headed and end > 0:
        start = content.rfind(b"\n", 0, end) + 1
        if content[start:end].strip(b"\r\n\xef\xbb\xbf") and start not in passed:
            found.append((start, end))
        end = start - 1
    return found[:-1] if headed else found


def comment_lines(content: bytes, sign: bytes, at: int) -> Iterator[tuple[int, int]]:
    """The lines that begin with a sign, outside quotes."""
    within, counted = 0, at
    for found in re.finditer(rb"^[ \t]*" + re.escape(sign) + rb"[^\n]*", content[at:], re.MULTILINE):
        start, end = at + found.start(), at + found.end()
        within += content.count(b'"', counted, start)
        counted = start if within % 2 else end
        if not within % 2:
            yield start, end


def with_quotes(content: bytes, quote: str) -> bytes:
    """The text with `"` where another sign quotes, and that in its place; where none quotes, with a sign that no text
    has in place of `"`."""
    if quote in SWAPPED:
        return content.translate(SWAPPED[quote])
    if quote:
        mark = quote.encode()
        return content.translate(bytes.maketrans(mark + b'"', b'"' + mark))
    return content.replace(b'"', NO_QUOTE.encode())


NO_QUOTE = "\x1a"


def sample_of(content: bytes, options: ReadingOptions) -> str:
    """The whole lines of the beginning."""
    head = content[:SAMPLE]
    if len(content) > SAMPLE:
        head = head[: head.rfind(b"\n") + 1] or head
    return head.removeprefix(BOM).decode("utf-8", "replace").replace("\r", "")


def records_in(sample: str, delimiter: str) -> Iterator[list[str]]:
    """The records of a sample, blank ones left out."""
    for _, record in numbered_records(sample, delimiter):
        yield record


def numbered_records(sample: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The records of a sample with the line on which each begins, blank ones left out."""
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(sample.split("\n"), delimiter=delimiter)
    begin = 1
    try:
        for record in reader:
            if record:
                yield begin, record
            begin = reader.line_num + 1
    except csv.Error:
        return


def best_delimiter(sample: str, usual: str, records: Sequence[Sequence[str]]) -> str:
    """The delimiter that cuts the header and most records into as many fields, two at least; the usual one, which gives
    these records, where no other cuts more."""
    if usual not in DELIMITERS:
        return usual
    share, fields = steadiness(records)
    seen = [each for each in DELIMITERS if each != usual and sample.count(each) >= max(1, fields)]
    known = {each: steadiness(list(records_in(sample, each))) for each in seen}
    others = {each: found for each, found in known.items() if found[1] > max(1, fields)}
    good = [each for each, found in others.items() if found[0] >= STEADY and found[0] >= share - 0.001]
    if good:
        return max(good, key=lambda each: (others[each][1], others[each][0]))
    if usual == "," and "," not in sample.partition("\n")[0]:
        return next((each for each in DELIMITERS if each in sample.partition("\n")[0]), usual)
    return usual


def steadiness(records: Sequence[Sequence[str]]) -> tuple[float, int]:
    """The share of records that have as many fields as the header, and how many that are."""
    if not records:
        return 0.0, 0
    width = len(records[0])
    return sum(len(record) == width for record in records) / len(records), width


def comma_numbers(records: Sequence[Sequence[str]]) -> bool:
    """Whether a column has numbers with a decimal comma alone, and none has one with a point."""
    width = max(map(len, records), default=0)
    columns = [[r[n].strip() for r in records if len(r) > n and r[n].strip()] for n in range(width)]
    if any(POINT_SURE.match(cell) for cells in columns for cell in cells):
        return False
    return any(all(map(COMMA_NUMBER.match, cells)) and any(map(COMMA_SURE.match, cells)) for cells in columns)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a sample's records seem to be: lines before the header, comments before or below it, the header and rows.
    `width` is how many fields most have; `signs` are those that comments begin with."""

    before: Records
    above: Records
    below: Records
    data: Records
    width: int
    signs: tuple[str, ...]


def parts_of(records: Records) -> Parts:
    rows = [record for _, record in records if not record[0].lstrip().startswith(COMMENTS)] or [r for _, r in records]
    widths = Counter(map(len, rows))
    width = max(widths, key=lambda each: (widths[each], each if widths[each] > 1 else 0), default=0)
    first = next((n for n, (_, record) in enumerate(records) if len(record) >= width), 0)

    def sign_of(place: int, record: Sequence[str]) -> str:
        odd = place < first or len(record) < width
        return next((sign for sign in COMMENTS if record[0].lstrip().startswith(sign)), "") if odd else ""

    signs = [sign_of(n, record) for n, (_, record) in enumerate(records)]
    return Parts(
        [each for each, sign in zip(records[:first], signs, strict=False) if not sign],
        [each for each, sign in zip(records[:first], signs, strict=False) if sign],
        [each for each, sign in zip(records[first:], signs[first:], strict=True) if sign],
        [each for each, sign in zip(records[first:], signs[first:], strict=True) if not sign],
        width,
        tuple(dict.fromkeys(filter(None, signs))),
    )


def point_grouped(records: Sequence[Sequence[str]]) -> str:
    """A number of a column whose points may all stand between thousands, '' where there is none."""
    width = max(map(len, records), default=0)
    for n in range(width):
        cells = [r[n].strip() for r in records if len(r) > n and r[n].strip()]
        pointed = [cell for cell in cells if "." in cell]
        if pointed and all(POINT_GROUPED.match(cell) or WHOLE.match(cell) for cell in cells):
            return pointed[0]
    return ""


def advice(parts: Parts, sample: str, dialect: Dialect, options: ReadingOptions) -> Iterator[str]:
    """What seems to be none of the data, and how to say so."""
    if not parts.data:
        return
    records = [record for _, record in parts.data]
    skips = bool(parts.before) and parts.width > 1 and not options.skip and options.header in ("", YES)
    if skips:
        number = parts.data[0][0]
        count = len(parts.before) + len(parts.above)
        yield (
            f"{count:,} lines stand before what looks like the header: skip={number - 1} passes over them "
            f"(line {number} is then the header)"
        )
    elif not parts.before and not parts.above and dialect.headed and not options.header and looks_like_data(records):
        yield "the first row looks like data: header=no reads it as a row"
    seen = parts.below if skips else (*parts.above, *parts.below)
    signs = [sign for sign in parts.signs if any(record[0].lstrip().startswith(sign) for _, record in seen)]
    told = [f"lines begin with {' or '.join(written_sign(sign) for sign in signs)}"] if signs else []
    if len(records) > 3 and dialect.headed and is_units(records):
        told.append("the row below the header looks like units")
        signs.append(sample.split("\n")[parts.data[1][0] - 1][:20])
    if told:
        wanted = tuple(dict.fromkeys((*listed(options.comment), *signs)))
        them = "them" if len(parts.signs) else "it"
        yield f"{', and '.join(told)}: comment={written(wanted if len(wanted) > 1 else wanted[0])} passes over {them}"
    yield from subtotals(parts.data, dialect, options)


def below_preamble(sample: str, parts: Parts, dialect: Dialect, options: ReadingOptions) -> Iterator[str]:
    """That lines cut at another sign stand below some that hide it."""
    if options.delimiter or options.skip or parts.width > 1:
        return
    for each in DELIMITERS:
        found = parts_of(list(numbered_records(sample, each)))
        steady = sum(len(record) == found.width for _, record in found.data)
        if found.width > 1 and found.before and len(found.data) > 1 and steady >= STEADY * len(found.data):
            number = found.data[0][0]
            yield f"from line {number} on {DELIMITERS[each]} seem to separate fields: skip={number - 1} reads them so"
            return


def is_padded(records: Sequence[Sequence[str]], dialect: Dialect) -> bool:
    """Whether blanks stand around numbers or days."""
    spelling = Spelling(dialect.decimal, dialect.thousands)
    for record in records[:SAMPLE_ROWS]:
        for cell in record:
            if cell[:1] == " " or cell[-1:] == " ":
                bare = cell.strip(" ")
                if bare != cell and bare and is_plain(spelling.value(bare)):
                    return True
    return False


def written_sign(sign: str) -> str:
    return f'"{sign}"'


def subtotals(data: Records, dialect: Dialect, options: ReadingOptions) -> list[str]:
    """Rows among the others that are labelled as totals."""
    width = max(len(record) for _, record in data)
    header = data[0][1] if dialect.headed else []
    names = [*(name.strip() for name in header), *(f"column_{n}" for n in range(len(header) + 1, width + 1))]
    rows = data[dialect.headed : -1]
    read = as_read([record for _, record in rows], dialect, options)
    return told_subtotals([(line, cells) for (line, _), cells in zip(rows, read, strict=True)], names, "line")


def total_of(records: Sequence[Sequence[str]], content: bytes, dialect: Dialect, options: ReadingOptions) -> str:
    """The last row as it is shown, where it looks like a total of those above."""
    rows = records[dialect.headed :]
    whole = len(content) <= SAMPLE
    last = rows[-1] if whole and rows else next(records_in(last_line(content), dialect.delimiter), [])
    above = rows[:-1] if whole else rows
    width = max(map(len, above), default=0)
    if len(last) > width:
        return ""
    held = as_read([*above[:SAMPLE_ROWS], last], dialect, options)
    return shown_total(last) if is_total(held[:-1], held[-1], whole and len(above) <= SAMPLE_ROWS) else ""


def spelling_of(dialect: Dialect, options: ReadingOptions) -> Spelling:
    """How a file's cells are spelled, by what is said and what was found."""
    said = (options.nulls, listed(options.dates), options.units)
    return Spelling(dialect.decimal, dialect.thousands, *said, dialect.padded)


def as_read(rows: Sequence[Sequence[str]], dialect: Dialect, options: ReadingOptions) -> Sequence[Sequence[str]]:
    """Rows with numbers and days as the columns' own reader has them, without blanks around them; a null word is an
    empty cell, but where it is a total's label."""
    spelling = spelling_of(dialect, options)
    if dialect.quote == '"' and not spelling.changes and not spelling.nulls:
        return rows
    signs = str.maketrans({'"': dialect.quote, dialect.quote: '"'} if dialect.quote else {NO_QUOTE: '"'})

    def read(cell: str) -> str:
        own = cell.translate(signs) if dialect.quote != '"' else cell
        if own in spelling.nulls and label_of(own) is None:
            return ""
        return spelling.value(own.strip()) if spelling.changes else own

    return [[read(cell) for cell in row] for row in rows]


def last_line(content: bytes) -> str:
    held = content[-LAST:].rstrip(b"\r\n")
    return held[held.rfind(b"\n") + 1 :].decode("utf-8", "replace")


def looks_like_data(records: Sequence[Sequence[str]]) -> bool:
    """Whether the first record has numbers, days or the like, and nothing else, where the others have them."""
    first, rest = records[0], records[1:20]
    kinds = [kind_of(cell) for cell in first]
    if not any(kinds) or any(not cell.strip() for cell in first):
        return False
    for number, kind in enumerate(kinds):
        below = {kind_of(record[number]) for record in rest if len(record) > number and record[number]}
        if below - {""} and kind not in below:
            return False
        if kind and below and kind not in below:
            return False
    return True


def kind_of(cell: str) -> str:
    """What a cell reads as, other than text."""
    text = cell.strip().replace(",", ".") if COMMA_NUMBER.match(cell.strip()) else cell.strip()
    found = read_cell(text)
    if found is None:
        return ""
    type_, value = found
    return "moment" if isinstance(value, datetime.date) else "number" if str(type_) in ("int", "float") else "bool"


def is_units(records: Sequence[Sequence[str]]) -> bool:
    """Whether the second record has words where all below have numbers."""
    second, rest = records[1], records[2:20]
    odd = 0
    for number, cell in enumerate(second):
        below = [record[number] for record in rest if len(record) > number and record[number].strip()]
        if not below or not all(NUMBER.match(each) for each in below):
            continue
        if NUMBER.match(cell):
            return False
        odd += bool(cell.strip())
    return odd > 0
