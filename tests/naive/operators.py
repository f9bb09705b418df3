"""Operators on tables, by name.

In: a table and a call's arguments, each still to be evaluated (over no row, over each row, as columns). Out: a table
or a value. Law: every operator says what order it leaves and where each of its rows comes from.
"""

from __future__ import annotations

import datetime
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import re2

from rlm_dsl.language.syntax import tree as t
from tests.naive.aggregates import AGGREGATES
from tests.naive.folding import neighbours, terms
from tests.naive.functions import (
    FUNCTIONS,
    compiled,
    json_as_text,
    matches_in,
    read_json,
    to_float,
    to_int,
    trimmed,
)
from tests.naive.rows import Place, Row, Table, grouped
from tests.naive.values import Kind, Stops, Unsaid, Value, common_kind, key, ordered, spelled, widened

OPERATORS: dict[str, Callable[..., Table | Value]] = {}


class Reader(Protocol):
    """Evaluates expressions: over a row's columns by name, with other tables under `left` and `right`, or over rows."""

    def value(
        self, expression: t.Expression, row: dict[str, Value] | None = None, **sides: dict[str, Value]
    ) -> Value: ...
    def table(self, expression: t.Expression) -> Table: ...
    def aggregate(self, expression: t.Expression, table: Table, rows: Sequence[Row]) -> Value: ...


@dataclass(frozen=True)
class Call:
    """One use of an operator: the piped table, the arguments as written, and who evaluates them."""

    table: Table
    written: tuple[t.Argument, ...]
    read: Reader

    @property
    def positional(self) -> tuple[t.Expression, ...]:
        return tuple(argument.value for argument in self.written if argument.name is None)

    @property
    def named(self) -> dict[str, t.Expression]:
        return {argument.name: argument.value for argument in self.written if argument.name is not None}

    def argument(self, place: int, name: str) -> t.Expression | None:
        """The argument at a place or under a name."""
        return self.named.get(name, self.positional[place] if place < len(self.positional) else None)

    def constant(self, place: int, name: str, default: Any = None) -> Any:
        found = self.argument(place, name)
        return default if found is None else self.read.value(found).value

    def each(self, expression: t.Expression) -> list[Any]:
        """An expression's plain value for each row."""
        return [self.read.value(expression, self.table.named(row)).value for row in self.table.rows]

    def kind(self, expression: t.Expression) -> Kind:
        return self.read.value(expression, self.table.of_nulls()).kind

    def text(self, place: int) -> tuple[list[str | None], bool]:
        """The texts in `on`, and whether they are what stands at the rows' places."""
        found = self.argument(place, "on") or t.Name(only_text(self.table))
        return self.each(found), isinstance(found, t.Name) and found.name == self.table.own

    def named_keys(self, name: str = "by", place: int = 99) -> list[tuple[str, t.Expression]]:
        found = self.argument(place, name)
        return [] if found is None else named_items(found)

    def groups(self) -> dict[Any, list[Row]]:
        """The rows of each `by` group; all rows without `by`."""
        by = [expression for _, expression in self.named_keys()]
        return grouped(self.table.rows, lambda row: [self.read.value(e, self.table.named(row)).value for e in by])

    def aggregates(self) -> list[tuple[str, t.Expression]]:
        return [(name, expression) for name, expression in self.named.items() if name not in ("by", "into")]


def only_text(table: Table) -> str:
    """The one text column, a file's `path` apart."""
    (found,) = [name for name, kind in table.columns if kind == "text" and name != "path"]
    return found


def named_items(expression: t.Expression) -> list[tuple[str, t.Expression]]:
    """A column or a list of columns and of `name=expression`; an expression without a name is called by its text."""
    items = expression.items if isinstance(expression, t.Items) else (t.Argument(None, expression),)
    return [(item.name or getattr(item.value, "name", "key"), item.value) for item in items]


def operator(name: str) -> Callable[..., Any]:
    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS[name] = body
        return body

    return register


# ---- some of the rows, in their order ----


@operator("where")
def where(call: Call) -> Table:
    held = call.each(call.argument(0, "condition"))
    return call.table.keeping(row for row, holds in zip(call.table.rows, held, strict=True) if holds is True)


@operator("grep")
def grep(call: Call) -> Table:
    """A row is taken if it matches, or stands at most `before` before or `after` after one that does in its source."""
    texts, _ = call.text(1)
    pattern, invert = compiled(call.constant(0, "pattern")), call.constant(2, "invert", False)
    before, after = call.constant(3, "before", 0), call.constant(4, "after", 0)
    hit = [(text is not None and pattern.search(text) is not None) is not invert for text in texts]
    taken: set[int] = set()
    for source in by_source(call.table):
        for place, index in enumerate(source):
            if hit[index]:
                taken |= set(source[max(0, place - before) : place + after + 1])
    return call.table.keeping(call.table.rows[index] for index in sorted(taken))


def by_source(table: Table) -> list[list[int]]:
    """The places of each source's rows, in the table's order."""
    sources: dict[int, list[int]] = {}
    for index, row in enumerate(table.rows):
        sources.setdefault(table.source(row), []).append(index)
    return list(sources.values())


@operator("take")
def take(call: Call) -> Table:
    n, skip = call.constant(0, "n"), call.constant(1, "skip", 0)
    return only(call.table, (row for rows in call.groups().values() for row in rows[skip : skip + n]))


def only(table: Table, rows: Iterable[Row]) -> Table:
    """Those very rows, in the table's order."""
    wanted = {id(row) for row in rows}
    return table.keeping(row for row in table.rows if id(row) in wanted)


@operator("sample")
def sample(call: Call) -> Table:
    """The `n` rows whose seed and id have the smallest sha256; known here for a context's own rows only."""
    n, seed = call.constant(0, "n"), call.constant(1, "seed", 0)
    if any(row.number is None for row in call.table.rows):
        raise Unsaid("which rows are drawn, once they are no context's own")

    def drawn(row: Row) -> tuple[str, int]:
        assert row.number is not None
        return hashlib.sha256(f"{seed}:{row.number}".encode()).hexdigest(), row.number

    return only(call.table, (row for rows in call.groups().values() for row in sorted(rows, key=drawn)[:n]))


@operator("distinct")
def distinct(call: Call) -> Table:
    names = [e.name for e in flat(call.positional)] or call.table.names
    places = [call.table.names.index(name) for name in names]
    groups = grouped(call.table.rows, lambda row: [row.values[place] for place in places])
    return only(call.table, (rows[0] for rows in groups.values()))


def flat(expressions: Sequence[t.Expression]) -> list[Any]:
    return [e for x in expressions for e in ([i.value for i in x.items] if isinstance(x, t.Items) else [x])]


@operator("except")
def without(call: Call) -> Table:
    other = call.read.table(call.argument(0, "other"))
    theirs = {paired(other, call.table.names, row) for row in other.rows}
    return call.table.keeping(row for row in call.table.rows if paired(call.table, call.table.names, row) not in theirs)


def paired(table: Table, names: Sequence[str], row: Row) -> Any:
    return tuple(key(row.values[table.names.index(name)]) for name in names)


# ---- another order ----


@operator("sort")
def sort(call: Call) -> Table:
    rows = list(call.table.rows)
    for expression in reversed(flat(call.positional)):
        descending = isinstance(expression, t.Unary) and expression.operator == "-"
        inner = expression.operand if descending else expression
        found = [(call.read.value(inner, call.table.named(row)).value, row) for row in rows]
        present = sorted((p for p in found if p[0] is not None), key=lambda p: ordered(p[0]), reverse=descending)
        rows = [row for _, row in present] + [row for value, row in found if value is None]
    return call.table.keeping(row.moved() for row in rows)


@operator("search")
def search(call: Call) -> Table:
    """BM25 over terms in any script, a text's length in bytes: k1 = 1.2, b = 0.75."""
    texts, _ = call.text(2)
    top = call.constant(1, "top", 20)
    documents = [row_terms(text or "") for text in texts]
    wanted = dict.fromkeys(query_terms(call.constant(0, "words")))
    lengths = [len((text or "").encode()) for text in texts]
    n, average = len(documents), sum(lengths) / max(1, len(documents))
    holding = {term: sum(1 for document in documents if term in document) for term in wanted}
    best: list[tuple[float, int, Row]] = []
    for index, (row, document, length) in enumerate(zip(call.table.rows, documents, lengths, strict=True)):
        counts, score = Counter(document), 0.0
        for term in wanted:
            weight = math.log(1 + (n - holding[term] + 0.5) / (holding[term] + 0.5))
            scale = 1 - 0.75 + 0.75 * length / average if average else 1.0
            score += weight * counts[term] * 2.2 / (counts[term] + 1.2 * scale) if counts[term] else 0.0
        if any(counts[term] for term in wanted):
            best.append((round(score, 6), index, row))
    best.sort(key=lambda found: (-found[0], found[1]))
    ranked = call.table.keeping(replace(row.moved(), values=(*row.values, score)) for score, _, row in best)
    ranked = replace(ranked, columns=(*call.table.columns, ("score", "float")))
    return only(ranked, (row for rows in replace(call, table=ranked).groups().values() for row in rows[:top]))


def row_terms(text: str) -> list[str]:
    return terms(text, lambda run: [*run, *neighbours(run)])


def query_terms(text: str) -> list[str]:
    return terms(text, lambda run: neighbours(run) or [run])


# ---- other columns, the same rows ----


@operator("derive")
def derive(call: Call) -> Table:
    table = call.table
    for name, expression in call.named.items():
        now = replace(call, table=table)
        table = replacing(table, name, now.kind(expression), now.each(expression))
    return table


def replacing(table: Table, name: str, kind: Kind, values: Sequence[Any]) -> Table:
    """A column more, or another in the place of the one of its name, which then holds no source's text."""
    if name not in table.names:
        return table.with_columns([(name, kind)], ((value,) for value in values))
    place = table.names.index(name)
    columns = tuple((name, kind) if index == place else column for index, column in enumerate(table.columns))
    rows = tuple(
        replace(row, values=(*row.values[:place], value, *row.values[place + 1 :]))
        for row, value in zip(table.rows, values, strict=True)
    )
    return replace(table, columns=columns, rows=rows, own=None if table.own == name else table.own)


@operator("describe")
def describe(call: Call) -> Table:
    """One row a column; each rests on all rows."""
    table, origin = call.table, tuple(place for row in call.table.rows for place in row.origin)
    facts = ("count_distinct", "min", "max", "avg", "median", "stddev")
    columns = [("column", "text"), ("type", "text"), ("values", "int"), ("nulls", "int"), ("different", "int")]
    columns += [("min", "text"), ("max", "text"), ("avg", "float"), ("median", "float"), ("stddev", "float")]
    made = []
    for name in [e.name for e in flat(call.positional)] or table.names:
        kind, values = table.kind(name), [row.values[table.names.index(name)] for row in table.rows]
        present = [value for value in values if value is not None]
        found = {}
        for fact in facts:
            fits = {"min": kind[0] not in ("list", "record"), "max": kind[0] not in ("list", "record")}
            if fits.get(fact, fact == "count_distinct" or kind in ("int", "float")):
                found[fact] = AGGREGATES[fact](len(values), (kind, values)).value
        ends = (found.get(end) for end in ("min", "max"))
        texts = (None if end is None else spelled(0.0 if kind == "float" and not end else end) for end in ends)
        numbers = (found.get(fact) for fact in ("avg", "median", "stddev"))
        shown = kind if isinstance(kind, str) else f"list[{kind[1]}?]" if kind[0] == "list" else str(kind)
        counts = (len(present), len(values) - len(present), found["count_distinct"])
        made.append(Row((name, shown, *counts, *texts, *numbers), origin))
    return Table(tuple(columns), tuple(made), united=True)


@operator("select")
def select(call: Call) -> Table:
    wanted = [pair for argument in call.written for pair in chosen_columns(argument)]
    columns = tuple((name, call.kind(expression)) for name, expression in wanted)
    rows = tuple(
        replace(row, values=tuple(call.read.value(e, call.table.named(row)).value for _, e in wanted))
        for row in call.table.rows
    )
    own = next((name for name, e in wanted if isinstance(e, t.Name) and e.name == call.table.own), None)
    return replace(call.table, columns=columns, rows=rows, own=own)


def chosen_columns(argument: t.Argument) -> list[tuple[str, t.Expression]]:
    if argument.name is not None:
        return [(argument.name, argument.value)]
    return named_items(argument.value)


@operator("drop")
def drop(call: Call) -> Table:
    gone = {e.name for e in flat(call.positional)}
    kept = [name for name in call.table.names if name not in gone]
    rows = tuple(
        replace(row, values=tuple(row.values[call.table.names.index(name)] for name in kept)) for row in call.table.rows
    )
    own = None if call.table.own in gone else call.table.own
    return replace(call.table, columns=tuple((n, call.table.kind(n)) for n in kept), rows=rows, own=own)


def per_group(call: Call, compute: Callable[[list[Row]], Sequence[Any]]) -> list[Any]:
    """What is computed for each group's rows, put back beside the table's rows."""
    found: dict[int, Any] = {}
    for rows in call.groups().values():
        found |= {id(row): value for row, value in zip(rows, compute(rows), strict=True)}
    return [found[id(row)] for row in call.table.rows]


def written_name(expression: t.Expression | None, default: str) -> str:
    return default if expression is None else expression.name if isinstance(expression, t.Name) else expression.value


@operator("number")
def number(call: Call) -> Table:
    numbers = per_group(call, lambda rows: range(1, len(rows) + 1))
    into = written_name(call.argument(0, "into"), "number")
    return call.table.with_columns([(into, "int")], ((value,) for value in numbers))


@operator("shift")
def shift(call: Call) -> Table:
    column, offset = call.argument(0, "col"), call.constant(2, "offset", 1)

    def shifted(rows: list[Row]) -> list[Any]:
        values = [call.read.value(column, call.table.named(row)).value for row in rows]
        return [values[i - offset] if 0 <= i - offset < len(values) else None for i in range(len(values))]

    into = written_name(call.argument(3, "into"), "shifted")
    return call.table.with_columns([(into, call.kind(column))], ((v,) for v in per_group(call, shifted)))


@operator("fill")
def fill(call: Call) -> Table:
    places = [call.table.names.index(e.name) for e in flat(call.positional)]

    def filled(rows: list[Row]) -> list[Row]:
        made: list[Row] = []
        for row in rows:
            values = list(row.values)
            for place in places:
                if values[place] is None and made:
                    values[place] = made[-1].values[place]
            made.append(replace(row, values=tuple(values)))
        return made

    own = None if call.table.own in {call.table.names[place] for place in places} else call.table.own
    return replace(call.table.keeping(per_group(call, filled)), own=own)


@operator("correct")
def correct(call: Call) -> Table:
    name = call.positional[0].name
    place = call.table.names.index(name)
    holds, to = call.each(call.named["where"]), call.read.value(call.named["to"]).value
    kind = call.table.columns[place][1]

    def corrected(row: Row) -> Row:
        return replace(row, values=(*row.values[:place], widened(kind, to), *row.values[place + 1 :]))

    rows = (corrected(row) if held is True else row for row, held in zip(call.table.rows, holds, strict=True))
    return replace(call.table.keeping(rows), own=None if call.table.own == name else call.table.own)


@operator("running")
def running(call: Call) -> Table:
    made = call.aggregates()

    def so_far(rows: list[Row]) -> list[tuple[Any, ...]]:
        return [
            tuple(call.read.aggregate(e, call.table, rows[: place + 1]).value for _, e in made)
            for place in range(len(rows))
        ]

    columns = [(name, call.read.aggregate(e, call.table, ()).kind) for name, e in made]
    return call.table.with_columns(columns, per_group(call, so_far))


# ---- several rows from one ----


def spread(table: Table, columns: Sequence[tuple[str, Kind]], rows: Iterable[Row]) -> Table:
    return replace(table, columns=tuple(columns), rows=tuple(row.moved() for row in rows))


def narrowed(table: Table, row: Row, text: str, before: str, inside: str) -> tuple[Place, ...]:
    """Where a part of a row's text comes from: its very bytes, where the text is what stands in the row's range."""
    if table.united or row.standing != text.encode():
        return row.origin
    ((number, lo, _),) = row.origin
    start = lo + len(before.encode())
    return ((number, start, start + len(inside.encode())),)


@operator("around")
def around(call: Call) -> Table:
    held = call.each(call.argument(0, "condition"))
    before, after = call.constant(1, "before", 0), call.constant(2, "after", 0)
    rows, hit = call.table.rows, 0
    place_in = {index: (source, place) for source in by_source(call.table) for place, index in enumerate(source)}
    made: list[Row] = []
    for index, holds in enumerate(held):
        if holds is not True:
            continue
        hit += 1
        source, place = place_in[index]
        for near in source[max(0, place - before) : place + after + 1]:
            made.append(replace(rows[near], values=(*rows[near].values, hit, near == index)))
    return spread(call.table, [*call.table.columns, ("hit", "int"), ("is_hit", "bool")], made)


@operator("explode")
def explode(call: Call) -> Table:
    column = call.argument(0, "col").name
    place, element = call.table.names.index(column), call.table.kind(column)[1]
    fields = element[1] if element[0] == "record" else ((column, element),)
    nothing = [None] if call.constant(1, "keep_empty", False) else []
    before, behind = call.table.columns[:place], call.table.columns[place + 1 :]

    def parts(item: Any) -> tuple[Any, ...]:
        if element[0] != "record":
            return (item,)
        return tuple(None if item is None else item[name] for name, _ in fields)

    made = (
        replace(row, values=(*row.values[:place], *parts(item), *row.values[place + 1 :]))
        for row in call.table.rows
        for item in row.values[place] or nothing
    )
    return spread(call.table, [*before, *fields, *behind], made)


@operator("partition")
def partition(call: Call) -> Table:
    texts, own = call.text(3)
    by, size = call.constant(0, "by"), call.constant(1, "size", 1)
    step = size - call.constant(2, "overlap", 0)
    made: list[Row] = []
    written = call.argument(3, "on")
    gone = only_text(call.table) if written is None else written.name if isinstance(written, t.Name) else ""
    kept = [index for index, (name, _) in enumerate(call.table.columns) if name != gone]
    for row, text in zip(call.table.rows, texts, strict=True):
        units = list(cut(text or "", by))
        assert "".join(units) == (text or "")
        start, no = 0, 0
        while units and (no == 0 or start + size - step < len(units)):
            no += 1
            chunk = "".join(units[start : start + size])
            head = "".join(units[:start])
            place = narrowed(call.table, row, text, head, chunk) if own else row.origin
            made.append(replace(row, values=(*(row.values[index] for index in kept), chunk, no), origin=place))
            start += step
    columns = [*(call.table.columns[index] for index in kept), ("chunk", "text"), ("chunk_no", "int")]
    return spread(replace(call.table, own="chunk") if own else call.table, columns, made)


def cut(text: str, by: str) -> Iterator[str]:
    """The units of a text, one after the other the whole text."""
    match by:
        case "chars":
            yield from text
        case "lines":
            yield from lines(text)
        case "paragraphs":
            yield from paragraphs(text)
        case "tokens":
            yield from tokens(text)
        case _:
            starts = [found.start() for found in matches_in(compiled(by), text)]
            ends = [0, *starts, len(text)]
            yield from (text[a:b] for a, b in pairwise(ends) if a < b)


def lines(text: str) -> list[str]:
    """Each with its line feed; nothing after the last."""
    pieces = text.split("\n")
    return [piece + "\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def paragraphs(text: str) -> list[str]:
    """A paragraph begins at a line that is not blank and follows a blank one; blank lines belong to the paragraph
    before them, those at the head to the first."""
    made: list[str] = []
    blank_before, spoken = True, False
    for line in lines(text):
        blank = not line.strip(" \t\r\n\f")
        if not made or (not blank and blank_before and spoken):
            made.append(line)
        else:
            made[-1] += line
        spoken, blank_before = spoken or not blank, blank
    return made


def tokens(text: str) -> Iterator[str]:
    """Up to six letters, three digits or three marks, with a blank before them; other white space one by one."""
    at = 0
    while at < len(text):
        head = at + (text[at] == " ")
        kind = of_what(text[head]) if head < len(text) else "space"
        if kind == "space":
            yield text[at]
            at += 1
            continue
        end = head
        while (
            end < len(text) and end - head < {"letter": 6, "digit": 3, "mark": 3}[kind] and of_what(text[end]) == kind
        ):
            end += 1
        yield text[at:end]
        at = end


def of_what(character: str) -> str:
    for kind, pattern in (("space", r"\s"), ("letter", r"[\pL\pM]"), ("digit", r"\pN")):
        if re2.fullmatch(pattern, character):
            return kind
    return "mark"


# ---- from text to columns ----


@operator("extract")
def extract(call: Call) -> Table:
    texts, own = call.text(1)
    pattern = compiled(call.constant(0, "pattern"))
    every = call.constant(3, "all", False)
    types = dict(written_kinds(call.argument(2, "types")))
    groups = sorted(pattern.groupindex, key=lambda name: pattern.groupindex[name])
    made: list[Row] = []
    for row, text in zip(call.table.rows, texts, strict=True):
        found = [] if text is None else matches_in(pattern, text)
        for match in found if every else found[:1]:
            new = (as_read(match.group(name) or "", types.get(name, "text")) for name in groups)
            place = narrowed(call.table, row, text, text[: match.start()], match[0]) if own else row.origin
            made.append(replace(row, values=(*row.values, *new), origin=place))
    columns = [*call.table.columns, *((name, types.get(name, "text")) for name in groups)]
    whole = not every and only_whole(call.constant(0, "pattern"))
    table = replace(call.table, own=call.table.own if whole or not own else None)
    return spread(table, columns, made) if every else replace(table, columns=tuple(columns), rows=tuple(made))


def only_whole(pattern: str) -> bool:
    """Whether a pattern says itself that it matches a text as a whole or not at all."""
    ends = pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")
    return ends and "|" not in pattern and not re2.search(r"\(\?[a-zA-Z]*m", pattern)


def written_kinds(expression: t.Expression | None) -> list[tuple[str, Kind]]:
    return [(entry.name, written_kind(entry.value)) for entry in expression.entries] if expression else []


def written_kind(expression: t.Expression) -> Kind:
    match expression:
        case t.Name(name):
            return name
        case t.Maybe(of):
            return written_kind(of)
        case t.Applied("list", (of,)):
            return ("list", written_kind(of))
        case t.Entries():
            return ("record", tuple(written_kinds(expression)))
    raise AssertionError(expression)


def as_read(text: str, kind: Kind) -> Any:
    """A text as a value of a kind, null if it does not fit."""
    match kind:
        case "text":
            return text
        case "int":
            found = to_int(text)
            return found.value if isinstance(found, Value) else found
        case "float":
            return to_float(text)
        case "bool":
            return {"true": True, "false": False}.get(trimmed(text).lower())
        case "date":
            return iso_date(trimmed(text))
        case "timestamp":
            return iso_timestamp(trimmed(text))
    raise AssertionError(kind)


CLOCK = r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?"


def iso_date(text: str) -> Any:
    found = FUNCTIONS["to_date"](Value("text", text)).value
    if found is not None and not re2.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise Unsaid("whether a date may leave out zeros")
    return found


def iso_timestamp(text: str) -> Any:
    """A day, and a time with or without its distance from UTC."""
    if not re2.fullmatch(rf"\d{{4}}-\d\d-\d\d([T ]{CLOCK})?", text):
        return None
    try:
        found = datetime.datetime.fromisoformat(text)
        return found if found.tzinfo is None else found.astimezone(datetime.UTC).replace(tzinfo=None)
    except ValueError:
        return None
    except OverflowError:
        raise Unsaid("a moment outside the years 1 to 9999") from None


@operator("parse_json")
def parse_json(call: Call) -> Table:
    texts, _ = call.text(1)
    kinds = written_kinds(call.argument(0, "types"))
    made = []
    for text in texts:
        found, value = read_json(text) if text is not None else (False, None)
        fields = value if found and isinstance(value, dict) else {}
        made.append(tuple(fitted(fields.get(name), kind) for name, kind in kinds))
    return call.table.with_columns(kinds, made)


def fitted(value: Any, kind: Kind) -> Any:
    """A JSON value as one of a kind, null where it does not fit."""
    if value is None:
        return None
    if kind[0] == "list":
        return [fitted(item, kind[1]) for item in value] if isinstance(value, list) else None
    if kind[0] == "record":
        return {name: fitted(value.get(name), of) for name, of in kind[1]} if isinstance(value, dict) else None
    return as_read(json_as_text(value) or "", kind)


# ---- one row from several ----


@operator("group")
def group(call: Call) -> Table:
    keys, made = call.named_keys(place=0), call.aggregates()
    by = [expression for _, expression in keys]
    groups = grouped(call.table.rows, lambda row: [call.read.value(e, call.table.named(row)).value for e in by])
    columns = [(name, call.kind(e)) for name, e in keys]
    columns += [(name, call.read.aggregate(e, call.table, ()).kind) for name, e in made]
    rows = [
        Row(
            (
                *(call.read.value(e, call.table.named(found[0])).value for e in by),
                *(call.read.aggregate(e, call.table, found).value for _, e in made),
            ),
            tuple(place for row in found for place in row.origin),
        )
        for found in groups.values()
    ]
    return Table(tuple(columns), tuple(rows), united=True)


@operator("join")
def join(call: Call) -> Table:
    other = call.read.table(call.argument(0, "other"))
    on, how = call.argument(1, "on"), call.constant(2, "how", "inner")
    keys = [i.name for i in flat([on])] if isinstance(on, t.Name | t.Items) else []

    def belongs(a: Row, b: Row) -> bool:
        left, right = call.table.named(a), other.named(b)
        if not keys:
            return call.read.value(on, left=left, right=right).value is True
        return all(FUNCTIONS["=="](left[name], right[name]).value is True for name in keys)

    partners = [[b for b in other.rows if belongs(a, b)] for a in call.table.rows]
    if how in ("semi", "anti"):
        return call.table.keeping(
            a for a, found in zip(call.table.rows, partners, strict=True) if bool(found) is (how == "semi")
        )
    theirs = [place for place, name in enumerate(other.names) if name not in keys]
    columns = list(call.table.columns)
    for place in theirs:
        columns.append((free_name(other.names[place], [name for name, _ in columns]), other.columns[place][1]))
    nothing = Row((None,) * len(other.columns), ())
    rows = [
        Row((*a.values, *(b.values[place] for place in theirs)), (*a.origin, *b.origin))
        for a, found in zip(call.table.rows, partners, strict=True)
        for b in found or ([nothing] if how == "left" else [])
    ]
    return Table(tuple(columns), tuple(rows), united=True)


def free_name(name: str, taken: Sequence[str]) -> str:
    while name.lower() in [other.lower() for other in taken]:
        name = f"other_{name}"
    return name


@operator("union")
def union(call: Call) -> Table:
    other = call.read.table(call.argument(0, "other"))
    places = [other.names.index(name) for name in call.table.names]
    kinds = [common_kind(kind, other.columns[p][1]) for (_, kind), p in zip(call.table.columns, places, strict=True)]
    rows = [*call.table.rows, *(replace(row, values=tuple(row.values[p] for p in places)) for row in other.rows)]
    return Table(
        tuple(zip(call.table.names, kinds, strict=True)),
        tuple(
            replace(row.moved(), values=tuple(widened(k, v) for k, v in zip(kinds, row.values, strict=True)))
            for row in rows
        ),
        call.table.united or other.united,
        call.table.own if call.table.own == other.own else None,
    )


@operator("pairs")
def pairs(call: Call) -> Table:
    rows = call.table.rows
    columns = [(f"{side}_{name}", kind) for side in "ab" for name, kind in call.table.columns]
    made = [
        Row((*a.values, *b.values), (*a.origin, *b.origin)) for place, a in enumerate(rows) for b in rows[place + 1 :]
    ]
    return Table(tuple(columns), tuple(made), united=True)


# ---- a whole table to a value ----


def end(name: str, place: int) -> None:
    @operator(name)
    def end_row(call: Call) -> Value:
        """The row at one end as a record, or one column's value of it."""
        table = call.table
        column = call.argument(0, "column")
        row = table.named(table.rows[place]) if table.rows else table.of_nulls()
        if column is not None:
            kind = call.kind(column)
            return Value(kind, call.read.value(column, row).value if table.rows else None)
        values = {name: value.value for name, value in row.items()}
        return Value(("record", table.columns), values if table.rows else None)


end("first", 0)
end("last", -1)

__all__ = ["OPERATORS", "Call", "Stops"]
