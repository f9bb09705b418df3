"""What may be written at a place of a program.

In: a text, an offset, what is bound before the text. Out: candidates in the order in which they are likely meant, and
where the word begins that they stand for.
Law: never raises; every candidate begins with the word that is there, and may stand where it is offered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rlm_dsl.integrations.editor.cursor import Cursor, Place, cursor, text_start, written
from rlm_dsl.integrations.editor.reading import EMPTY, type_of
from rlm_dsl.language.check import Environment
from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.registry import aggregates, function_names, functions, table_operators
from rlm_dsl.language.reference.manual import manual_of, parameter_words
from rlm_dsl.language.syntax.tokens import NAMES, OPERAND_ENDS
from rlm_dsl.language.types import SCALARS, Enum, ListOf, Record, Table, Type, bare, is_text, quoted_name

Kind = Literal["operator", "aggregate", "function", "column", "name", "argument", "type", "word"]

LIKELY: tuple[Kind, ...] = ("column", "argument", "aggregate", "name", "operator", "function", "type", "word")
STATEMENTS = ("context", "param", "show", "answer")
INFIX = ("and", "or", "in", "not in", "between", "is null", "is not null", "matches")
CONSTANTS = ("true", "false", "null", "not")
TYPES: Mapping[str, str] = {
    **dict.fromkeys(SCALARS, "type"),
    "list": "list[T]",
    "enum": 'enum["a", "b"]',
    "table": "table(column: T)",
    "decimal": "decimal(2)",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that may stand there: `text` is what to write, `detail` one line, `manual` Markdown."""

    text: str
    kind: Kind
    detail: str = ""
    manual: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """Candidates for the word from `start` to the cursor."""

    start: int
    candidates: tuple[Candidate, ...] = ()


def complete(text: str, offset: int, environment: Environment = EMPTY, *, bare: bool = False) -> Completion:
    """The candidates at an offset. `bare` says that an expression may stand where a statement begins."""
    at = cursor(text, offset, environment)
    if at is None:
        return in_text(text, offset, environment)
    wanted = text[at.start : offset].removeprefix("`").lower()
    fitting = [c for c in candidates(at, bare) if c.text.removeprefix("`").lower().startswith(wanted)]
    ranked = sorted(fitting, key=lambda candidate: LIKELY.index(candidate.kind))
    return Completion(at.start, tuple({c.text: c for c in reversed(ranked)}.values())[::-1])


def in_text(text: str, offset: int, environment: Environment) -> Completion:
    """Inside quotes: the labels that a column can have which is compared with the text, or an argument's values."""
    start = text_start(text, offset)
    at = None if start is None else cursor(text, start, environment)
    if start is None or at is None or text[start] not in "\"'":
        return Completion(offset)
    wanted = text[start + 1 : offset].lower()
    fitting = [each for each in labels(at) if each.lower().startswith(wanted)]
    shown = (Candidate(each, "word", "one of its values") for each in fitting if json.dumps(each)[1:-1] == each)
    return Completion(start + 1, tuple(shown))


def labels(at: Cursor) -> Sequence[str]:
    """The texts that may stand at a cursor in quotes; none where any may."""
    before, inside = at.before, at.inside
    if before is None:
        return ()
    if before.text in ("==", "!="):
        return values_of(compared(at, len(at.words) - 1))
    if inside is not None and inside.frame.bracket == "LSQB" and before.type in ("LSQB", "COMMA"):
        until = inside.frame.at - 1
        if until > 0 and at.words[until].type == "IN":
            return values_of(compared(at, until - (at.words[until - 1].type == "NOT")))
    kind = inside.parameter.kind if inside is not None and inside.parameter is not None else None
    direct = inside is not None and inside.frame.bracket == "LPAR" and before.type in ("LPAR", "COMMA", "EQUAL")
    return kind.values if direct and isinstance(kind, kinds.Choice) else ()


def values_of(type_: Type | None) -> Sequence[str]:
    known = None if type_ is None else bare(type_)
    return known.values if isinstance(known, Enum) else ()


def compared(at: Cursor, end: int) -> Type | None:
    """The type of the name or field that ends before word `end`."""
    start = end
    while start > 0 and (at.words[start - 1].type in NAMES or at.words[start - 1].type == "DOT"):
        start -= 1
    return type_of(written(at.words[start:end], at.text), at.environment, at.scope) if start < end else None


def candidates(at: Cursor, bare: bool) -> Iterator[Candidate]:
    before, inside = at.before, at.inside
    if before is None:
        yield from words(STATEMENTS, "begins a statement")
        if bare:
            yield from values(at)
    elif before.type in ("CONTEXT", "PARAM"):
        return
    elif before.type == "DOT":
        yield from fields(at)
    elif before.type == "BAR":
        yield from piped(at)
    elif (typed := wants_type(at)) is not None:
        yield from types(typed)
    elif before.type == "IS":
        yield from words(("null", "not null"), "whether it is null")
    elif before.type == "NOT" and len(at.words) > 1 and at.words[-2].type in OPERAND_ENDS:
        yield from words(("in", "between"), "expression")
    elif before.type in OPERAND_ENDS:
        yield from words(INFIX, "expression")
        yield from words(STATEMENTS, "begins a statement") if inside is None else ()
    elif inside is None or before.type not in ("LPAR", "COMMA", "LBRACE"):
        yield from argument_values(at, inside)
    elif inside.frame.bracket == "LBRACE":
        return
    elif inside.operator is not None and inside.frame.bracket == "LPAR":
        yield from argument_values(at, inside)
        yield from arguments(inside)
    else:
        yield from values(at)


def words(given: Iterable[str], detail: str) -> Iterator[Candidate]:
    return (Candidate(word, "word", detail) for word in given)


# ---- by place ----


def piped(at: Cursor) -> Iterator[Candidate]:
    """Behind a pipe: operators for a table, functions for a value, both where it is not known which it is."""
    type_ = at.type_before(len(at.words) - 1)
    if not (type_ is not None and not isinstance(type_, Table)):
        yield from operators()
    if not isinstance(type_, Table):
        yield from functions_of_values()


def fields(at: Cursor) -> Iterator[Candidate]:
    """Behind a dot: a side's columns in a join's condition, else a record's fields."""
    side = at.words[-2].text if len(at.words) > 1 else ""
    table = {"left": at.scope.left, "right": at.scope.right}.get(side)
    if table is not None:
        yield from columns(table)
        return
    type_ = at.type_before(len(at.words) - 1)
    record = None if type_ is None else bare(type_)
    if isinstance(record, Record):
        yield from (Candidate(quoted_name(f.name), "column", str(f.type)) for f in record.fields)


def wants_type(at: Cursor) -> bool | None:
    """Whether a type is due, and if so whether it may be a table; None where a value or name is."""
    before, inside = at.before, at.inside
    assert before is not None
    first = at.words[0].type
    if first in ("CONTEXT", "PARAM") and not any(word.type == "EQUAL" for word in at.words):
        if before.type == "COLON":
            return first == "CONTEXT" and inside is None
        return False if before.type in ("LSQB", "LPAR", "LBRACE", "COMMA") else None
    for place in reversed(at.places):
        if place.parameter is None:
            continue
        record = isinstance(place.parameter.kind, kinds.ColumnTypes) or (
            isinstance(place.parameter.kind, kinds.ResultType) and place.parameter.kind.record
        )
        if record or isinstance(place.parameter.kind, kinds.ResultType):
            due = before.type == "COLON" or before.type == "LSQB" or (before.type == "EQUAL" and not record)
            return False if due else None
    return None


def types(table: bool) -> Iterator[Candidate]:
    return (Candidate(name, "type", detail) for name, detail in TYPES.items() if table or name != "table")


def arguments(inside: Place) -> Iterator[Candidate]:
    """The keyword arguments that are not given yet."""
    assert inside.operator is not None
    for parameter in inside.operator.parameters:
        if not parameter.variadic and parameter.name not in inside.used:
            yield Candidate(f"{parameter.name}=", "argument", parameter.signature, parameter_words(parameter))


def argument_values(at: Cursor, inside: Place | None) -> Iterator[Candidate]:
    """The values that the parameter at the cursor takes."""
    before = at.before
    direct = inside is not None and before is not None and before.type in ("LPAR", "COMMA", "EQUAL")
    kind = inside.parameter.kind if inside is not None and inside.parameter is not None else None
    if direct and inside is not None and inside.operator is not None and kind is None:
        return
    match kind if direct else None:
        case kinds.Rows():
            yield from names(at, lambda type_: isinstance(type_, Table))
        case kinds.Flag():
            yield from words(("true", "false"), "constant")
        case kinds.Choice(choices):
            yield from (Candidate(f'"{choice}"', "word", "one of its values") for choice in choices)
        case kinds.NewName() | kinds.Derived():
            named = inside is not None and inside.frame.given[-1].name is not None
            yield from values(at) if named and isinstance(kind, kinds.Derived) else ()
        case kinds.Labels():
            yield from names(at, lambda type_: isinstance(bare(type_), ListOf))
        case kinds.Plain() | kinds.Words() | kinds.Pattern():
            yield from names(at, is_text)
        case kinds.ResultType() | kinds.ColumnTypes():
            return
        case _:
            yield from values(at)


# ---- what there is ----


def values(at: Cursor) -> Iterator[Candidate]:
    """Everything that may begin an expression here."""
    row = at.scope.row
    if at.scope.left is not None:
        yield from (Candidate(side, "name", "a side of the join") for side in ("left", "right"))
    if at.scope.grouped:
        yield from aggregates_of_groups()
    elif row is not None:
        yield from columns(row)
        yield from derived(at)
    yield from names(at, lambda type_: row is None or not isinstance(type_, Table))
    yield from functions_of_values()
    if row is None:
        yield from operators()
    yield from words(CONSTANTS, "constant")


def columns(table: Table) -> Iterator[Candidate]:
    return (Candidate(quoted_name(column.name), "column", str(column.type)) for column in table.columns)


def derived(at: Cursor) -> Iterator[Candidate]:
    """The columns that earlier arguments of the same `derive` make."""
    inside = at.inside
    if inside is not None and inside.parameter is not None and isinstance(inside.parameter.kind, kinds.Derived):
        for argument in inside.frame.given[:-1]:
            if argument.name is not None:
                yield Candidate(quoted_name(argument.name), "column", "made before in this call")


def names(at: Cursor, wanted: Callable[[Type], bool]) -> Iterator[Candidate]:
    """The bound names and contexts of a wanted type, the latest first."""
    bound: dict[str, Type] = {name: node.type for name, node in at.environment.bindings.items()}
    held: dict[str, Type] = {**at.environment.contexts, **bound}
    for name, type_ in reversed(held.items()):
        if wanted(type_):
            yield Candidate(quoted_name(name), "name", str(type_))


def operators() -> Iterator[Candidate]:
    """The operators on tables, those that give a value last."""
    for name, entry in sorted(table_operators().items(), key=lambda item: (item[0] in aggregates(), item[0])):
        yield Candidate(name, "operator", entry.signature, manual_of(entry).markdown())


def aggregates_of_groups() -> Iterator[Candidate]:
    for name, entry in aggregates().items():
        yield Candidate(name, "aggregate", entry.signature, manual_of(entry).markdown())


def functions_of_values() -> Iterator[Candidate]:
    for name in function_names():
        entry = functions()[name]
        yield Candidate(name, "function", entry.signature, manual_of(entry).markdown())
