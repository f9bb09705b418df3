"""What a reply may name: tables with their columns, values, and names that it may bind.

In: an environment and a question. Out: names by what they are. Law: a name that cannot be written in a program, or that
must not be told, does not stand here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rlm_dsl.language.check.scope import Environment
from rlm_dsl.language.operators.core.registry import function_names, table_operators
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    MISREAD,
    RESERVED,
    TIMESTAMP,
    Field,
    ListOf,
    Record,
    Table,
    Type,
    bare,
    is_numeric,
    is_text,
)

KINDS = "tnbml"
"""Kinds of values, by a letter each: texts, numbers, booleans, moments, lists."""
MOST_TABLES = 4
"""Tables whose columns are kept apart, the last that were bound; others share one set of columns."""
MOST_WORDS = 12
"""Words of a question that are offered as names."""
NEW = ("found", "counts", "result", "total", "n", "value", "name", "day", "month", "share")
"""Names that any reply may bind, beside the words of its question."""
MADE = {"label": "t", "chunk": "t", "hit": "ni", "number": "ni", "answer": "", "shifted": ""}
"""Names of columns that operators make where none is given, with their kinds where these are always the same."""
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,30}")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`tables` are by name; `values` are names of what is no table; `new` are names that may be bound, of tables,
    values and columns. `contexts` are the tables that were loaded. With `models` statements may ask a model."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    values: Mapping[str, Type] = field(default_factory=dict)
    new: tuple[str, ...] = NEW
    contexts: frozenset[str] = frozenset()
    models: bool = True


def vocabulary_of(
    environment: Environment,
    question: str = "",
    *,
    models: bool = True,
    told: Callable[[str], bool] = lambda name: True,
) -> Vocabulary:
    """What a reply to a question may name where so much is bound. `told` says whether a name may be sent."""
    types = {**environment.contexts, **{name: node.type for name, node in environment.bindings.items()}}
    known = {name: type_ for name, type_ in types.items() if is_written(name) and told(name)}
    tables = {name: writable(type_, told) for name, type_ in known.items() if isinstance(type_, Table)}
    values = {name: type_ for name, type_ in known.items() if not isinstance(type_, Table)}
    new = [name for name in dict.fromkeys([*words_of(question), *NEW]) if name not in types and told(name)]
    return Vocabulary(tables, values, tuple(new), frozenset(environment.contexts) & frozenset(tables), models)


def writable(table: Table, told: Callable[[str], bool]) -> Table:
    return Table(tuple(column for column in table.columns if is_written(column.name) and told(column.name)))


def is_written(name: str) -> bool:
    """Whether a program can write a name."""
    return bool(name) and not re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", name) and not name.startswith("#")


def words_of(question: str) -> list[str]:
    """The words of a question that may be names, each once."""
    taken = {*RESERVED, *MISREAD, *table_operators(), *function_names()}
    found = dict.fromkeys(word.lower() for word in WORD.findall(question))
    return [word for word in found if word not in taken][:MOST_WORDS]


def kind_of(type_: Type) -> str:
    """The letter of a type's kind; "" for a record's or a table's."""
    match bare(type_):
        case ListOf():
            return "l"
        case plain if plain == BOOL:
            return "b"
        case plain if plain in (DATE, TIMESTAMP):
            return "m"
        case plain if is_text(plain):
            return "t"
        case plain if is_numeric(plain):
            return "n"
        case _:
            return ""


def paths(fields: Iterable[Field], depth: int = 2) -> Iterator[tuple[tuple[str, ...], Type]]:
    """Fields and the fields of records among them, each by the names that lead to it."""
    for each in fields:
        yield (each.name,), each.type
        if isinstance(inner := bare(each.type), Record) and depth:
            for more, type_ in paths(inner.fields, depth - 1):
                yield (each.name, *more), type_


def own_texts(columns: Iterable[Field]) -> int:
    """How many columns an operator may mean that names no text column."""
    return sum(is_text(bare(each.type)) and each.name != "path" for each in columns)
