"""Worked exchanges: questions and the programs that answer them, over the tables and columns of this very run.

In: contexts, a question. Out: a few questions, each with a program that checks and runs. Law: names, types and values
are the run's own, from its first rows; values that the question itself names are left to it where there are others.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.first_look import LOOKED_AT, is_numbering
from rlm_dsl.explore.first_looks import first_looks
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.show import show_expression
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    TIMESTAMP,
    Enum,
    Field,
    bare,
    is_numeric,
    is_text,
    quoted_name,
)

LOOK = 700
"""Estimated tokens of a first look that leaves room for exchanges."""
MOST = 7
"""Exchanges that are shown."""
KINDS, LONGEST = 24, 40
"""Different values of a column that says of which kind a row is, and characters of one."""
READ = 60
"""Characters from which on a text is one to be read."""
PAUSE = 3
"""What numbers are compared with: a part of the way up."""


@dataclass(frozen=True, slots=True)
class Worked:
    """A question, and the reply that answers it."""

    question: str
    reply: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that examples are made of: of kinds with two of their values, of numbers with a value, of
    days with the first of a month; and the longest text."""

    kinds: tuple[tuple[Field, tuple[Any, ...]], ...]
    numbers: tuple[tuple[Field, Any], ...]
    days: tuple[tuple[Field, datetime.date], ...]
    text: str


def worked_exchanges(
    contexts: Mapping[str, Relation], warehouse: Warehouse, question: str, models: bool
) -> tuple[Worked, ...]:
    """Exchanges over the first context; with `models` one that has a model read a text."""
    for name, relation in contexts.items():
        columns = columns_of(relation, warehouse, question)
        return tuple(exchanges(quoted_name(name), columns, models))
    return ()


def columns_of(relation: Relation, warehouse: Warehouse, question: str) -> Columns:
    rows = warehouse.table(relation, 3 * LOOKED_AT)
    kinds: list[tuple[Field, tuple[Any, ...]]] = []
    numbers: list[tuple[Field, Any]] = []
    days: list[tuple[Field, datetime.date]] = []
    lengths: dict[str, float] = {}
    for place, column in enumerate(relation.type.columns):
        held = [row[place] for row in rows if row[place] is not None]
        type_ = bare(column.type)
        if not held:
            continue
        if type_ in (DATE, TIMESTAMP):
            middle = sorted(held)[len(held) // 2]
            days.append((column, datetime.date(middle.year, middle.month, 1)))
        elif is_numeric(type_) and not is_numbering(held) and len(set(held)) > 1:
            numbers.append((column, sorted(held)[len(held) * (PAUSE - 1) // PAUSE]))
        elif is_text(type_) or isinstance(type_, Enum) or type_ == BOOL:
            if some := values_of(held, question):
                kinds.append((column, some))
            elif is_text(type_):
                lengths[column.name] = sum(map(len, held)) / len(held)
    text = max(lengths, key=lambda name: lengths[name], default="")
    kinds.sort(key=lambda each: len(each[1]) < 2)
    return Columns(tuple(kinds), tuple(numbers), tuple(days), text if lengths.get(text, 0) >= READ else "")


def values_of(held: list[Any], question: str) -> tuple[Any, ...]:
    """Two values of a column that has few, many rows first; none of one that has many, or long ones."""
    counts = Counter(held)
    often = [value for value, n in sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))]
    short = all(not isinstance(value, str) or (value.isprintable() and 0 < len(value) <= LONGEST) for value in often)
    if not short or len(often) < 2 or len(often) > min(KINDS, max(3, len(held) // 2)):
        return ()
    asked = question.lower()
    others = [value for value in often if str(value).lower() not in asked]
    return tuple((others or often)[:2])


def exchanges(table: str, columns: Columns, models: bool) -> Iterator[Worked]:
    """A question of each kind that the columns allow."""
    if columns.kinds:
        yield from of_kinds(table, columns)
    else:
        yield Worked("How many rows are there?", f"answer {table} | count()")
        if columns.numbers:
            (of, words), low = named(columns.numbers[0][0]), columns.numbers[0][1]
            yield Worked(f"What is the highest {words}?", f"answer {table} | max({of})")
            above = f"where({of} > {spelled(low)})"
            yield Worked(f"How many have a {words} above {said(low)}?", f"answer {table} | {above} | count()")
    if columns.days:
        yield from of_days(table, *columns.days[0])
    if models and columns.text:
        text = quoted_name(columns.text)
        reads = f'read = {table} | classify(on={text}, labels=["complaint", "praise", "other"], into=label)'
        counts = 'answer read | where(label == "complaint") | count()'
        yield Worked(f"How many of the {columns.text} texts are complaints?", f"{reads}\n{counts}")


def of_kinds(table: str, columns: Columns) -> Iterator[Worked]:
    """Questions about a column of kinds, alone and beside another; values differ, as they are to be put in."""
    column, values = columns.kinds[0]
    (name, told), first, second = named(column), values[0], values[-1]
    other, others = columns.kinds[-1]
    (beside, said_beside), third = named(other), others[-1]
    counted = f"{table} | group(by={name}, n=count()) | sort(-n)"
    one, two, three = (
        f"{table} | where({by} == {spelled(value)})" for by, value in ((name, first), (name, second), (beside, third))
    )
    yield Worked(f"How many have the {told} {said(first)}?", f"answer {one} | count()")
    yield Worked(f"Which {told} has the most rows?", f"answer {counted} | first({name})")
    yield Worked(f"How many rows are there for each {told}?", f"answer {counted}")
    share = f"part = {two} | count()\nwhole = {table} | count()\nanswer part / whole"
    yield Worked(f"What share of the rows has the {told} {said(second)}?", share)
    if beside != name:
        both = f"where({name} == {spelled(second)} and {beside} == {spelled(third)})"
        asked = f"How many with the {told} {said(second)} have the {said_beside} {said(third)}?"
        yield Worked(asked, f"answer {table} | {both} | count()")
        asked = f"How many different {said_beside} values are there where {told} is {said(first)}?"
        yield Worked(asked, f"answer {one} | count_distinct({beside})")
    if columns.numbers:
        (of, words), low = named(columns.numbers[0][0]), columns.numbers[0][1]
        yield Worked(
            f"What is the average {words} where {said_beside} is {said(third)}?", f"answer {three} | avg({of})"
        )
        yield Worked(f"What is the highest {words} where {told} is {said(first)}?", f"answer {one} | max({of})")
        yield Worked(f"What is the lowest {words} of all?", f"answer {table} | min({of})")
        yield Worked(f"How much {words} is there in total where {told} is {said(second)}?", f"answer {two} | sum({of})")
        above = f"where({name} == {spelled(second)} and {of} > {spelled(low)})"
        asked = f"How many with the {told} {said(second)} have a {words} of more than {said(low)}?"
        yield Worked(asked, f"answer {table} | {above} | count()")
        summed = f"{table} | group(by={beside}, total=sum({of})) | sort(-total)"
        yield Worked(f"Which {said_beside} has the most {words} in total?", f"answer {summed} | first({beside})")
        yield Worked(f"Which 3 {said_beside} values have the most {words}?", f"answer {summed} | take(3)")


def nearest_last(worked: Sequence[Worked], question: str) -> tuple[Worked, ...]:
    """The exchanges that share the most words with a question, the likest last: what was said last is copied first."""
    wanted = words_of(question)

    def likeness(each: Worked) -> float:
        own = words_of(each.question)
        return len(own & wanted) / (len(own | wanted) or 1)

    return tuple(sorted(worked, key=likeness)[-MOST:])


def words_of(text: str) -> set[str]:
    """The words of a text in the singular, without quoted values, numbers and words that stand in any question."""
    words = re.findall(r"[a-z]+", re.sub(r'"[^"]*"', " ", text.lower()))
    return {word.rstrip("s") for word in words if word not in ANYWHERE}


ANYWHERE = frozenset(
    "a all an and are as at been by did do does for from had has have in is it its made of on or row rows still than "
    "that the their there these they this those to value values was were what where which who whose with".split()
)


def of_days(table: str, column: Field, first: datetime.date) -> Iterator[Worked]:
    """Questions about a month, and about what came after a day; timestamps are chosen by their day."""
    name, told = named(column)
    day = f"date({name})" if bare(column.type) == TIMESTAMP else name
    last = (first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1) - datetime.timedelta(days=1)
    month = f"where({day} between @{first.isoformat()} and @{last.isoformat()})"
    asked = f"How many rows have {told} in {first:%B} {first.year}?"
    yield Worked(asked, f"answer {table} | {month} | count()")
    asked = f"How many rows have {told} after {first.isoformat()}?"
    yield Worked(asked, f"answer {table} | where({day} > @{first.isoformat()}) | count()")


def named(column: Field) -> tuple[str, str]:
    """A column as programs write it, and as people say it."""
    return quoted_name(column.name), column.name.replace("_", " ")


def spelled(value: Any) -> str:
    """A value as programs write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return show_expression(t.Text(value)) if isinstance(value, str) else show_expression(t.Number(value))


def said(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else spelled(value)


def brief_look(contexts: Mapping[str, Relation], warehouse: Warehouse) -> str:
    """The contexts as they are told beside exchanges."""
    return first_looks(contexts, warehouse, LOOK)
