"""What texts did not become: rows without a match, values of another form than the type that was asked for.

In: a statement's node. Out: the same step with its values left as texts, to be compared with it; lines on what differs.
Law: a null that a value became is told at once, with values that became one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.explore.view import cell
from rlm_dsl.language.operators.core.relation import ORD
from rlm_dsl.language.program import Apply, Node, Step
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import TEXT, Field, ListOf, Record, Table, Type, bare, is_text

EXAMPLES = 3
WIDE = 40


@dataclass(frozen=True, slots=True)
class AsTexts:
    """A step whose converted columns are left as the texts that they were made of; `columns` are those, with their
    types."""

    step: Step
    columns: Mapping[str, Type]


def as_texts(node: Node) -> AsTexts | None:
    """The step with its conversions undone; None where it makes none."""
    if not isinstance(node, Step) or not isinstance(node.type, Table):
        return None
    makers: dict[str, Callable[[Step], tuple[Any, Mapping[str, Type]]]] = {
        "extract": of_types,
        "parse_json": of_types,
        "derive": of_functions,
    }
    if node.operator not in makers:
        return None
    changed, columns = makers[node.operator](node)
    if not columns:
        return None
    fields = tuple(Field(f.name, TEXT) if f.name in columns else f for f in node.type.columns)
    return AsTexts(replace(node, arguments={**node.arguments, **changed}, type=Table(fields)), columns)


def of_types(node: Step) -> tuple[Any, Mapping[str, Type]]:
    """Of `types`: every scalar that is no text."""
    types = node.arguments["types"]
    scalar = {c: type_ for c, type_ in types if not is_text(type_) and not isinstance(bare(type_), ListOf | Record)}
    return {"types": tuple((c, TEXT if c in scalar else type_) for c, type_ in types)}, scalar


def of_functions(node: Step) -> tuple[Any, Mapping[str, Type]]:
    """Of `derive`: columns that are a text converted."""
    found = {
        column: (value.arguments[0], value.type)
        for column, value in node.arguments["columns"]
        if isinstance(value, Apply) and value.function.startswith("to_") and is_text(value.arguments[0].type)
    }
    if len(found) < len(node.arguments["columns"]):  # others may be made of the converted ones
        return {}, {}
    columns = tuple((column, text) for column, (text, _) in found.items())
    return {"columns": columns}, {column: type_ for column, (_, type_) in found.items()}


def misfits(texts: Sql, made: Sql, column: str) -> Sql:
    """Values that became null, many first, with how many rows have each."""
    return sql(
        "SELECT x.{c}, count(*) AS n FROM {texts} AS x JOIN {made} AS m ON x.{o} = m.{o} "
        "WHERE m.{c} IS NULL AND x.{c} IS NOT NULL AND x.{c} <> '' GROUP BY 1 ORDER BY n DESC, 1",
        c=name(column),
        o=name(ORD),
        texts=texts,
        made=made,
    )


def told(column: str, type_: Type, found: Sequence[Sequence[Any]]) -> Iterator[str]:
    """What is said of a column's values that are of another form."""
    if found:
        rows = sum(row[1] for row in found)
        some = ", ".join(f'"{cell(row[0], WIDE)}"' for row in found[:EXAMPLES])
        more = f" and {len(found) - EXAMPLES:,} more" if len(found) > EXAMPLES else ""
        are = "value is" if rows == 1 else "values are"
        yield f"note: {rows:,} {are} no {bare(type_)}, and null in `{column}`: {some}{more}"


def unmatched(before: int, after: int) -> Iterator[str]:
    """How many rows a pattern matched, where it did not match all of them."""
    if after < before:
        yield f"note: matched {after:,} of {before:,} rows"
