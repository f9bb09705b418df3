"""Secrets that were taken out of a trace: where the context rows hold them, so that a replay takes out the same.

In: values that were taken out, a warehouse. Out: places without values; and from places and the same rows, the values.
Law: a replay takes out what the recorder took out, whatever its own environment holds; no value is ever written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rlm_dsl.context.context import Context
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.operators.core.relation import ORD, ROW
from rlm_dsl.language.sql import bound, name, sql
from rlm_dsl.language.types import is_text
from rlm_dsl.trace.secrets import ENV, SHAPES, Redaction, mark

RULES, TAKEN_OUT = "redaction", "taken_out"
"""The header's parts: the rules in force, and the places of what they took out."""


def places_of(found: Iterable[str], warehouse: Warehouse) -> list[dict[str, Any]]:
    """A place in the context rows for each value; one that no row holds as it is has its mark alone."""
    return sorted((place_of(value, warehouse) for value in found), key=lambda place: str(place["mark"]))


def place_of(value: str, warehouse: Warehouse) -> dict[str, Any]:
    for context, relation in warehouse.contexts.items():
        for column in (column.name for column in relation.type.columns if is_text(column.type)):
            query = sql(
                "SELECT {r}, {c} FROM {t} WHERE contains({c}, {v}) ORDER BY {o} LIMIT 1",
                r=name(ROW),
                c=name(column),
                t=relation.sql,
                v=bound(value, "secret"),
                o=name(ORD),
            )
            for row, text in warehouse.rows(query):
                place = {"context": context, "row": row, "column": column, "at": text.index(value)}
                return {"mark": mark(ENV, value), **place, "length": len(value)}
    return {"mark": mark(ENV, value)}


def recorded_redaction(
    header: Mapping[str, Any], contexts: Mapping[str, Context]
) -> tuple[Redaction, tuple[str, ...], tuple[str, ...]]:
    """The redaction of a recorded run, with what it took out read from the same rows; the marks of which no row tells
    what they stand for; and the rules that this version does not know."""
    rules = [rule for rule in header.get(RULES, ()) if rule != "environment"]
    places = header.get(TAKEN_OUT, [])
    values: dict[str, str] = {}
    if any("context" in place for place in places):
        with Warehouse(contexts=contexts.values()) as warehouse:
            values = {place["mark"]: value for place in places if (value := value_at(place, warehouse)) is not None}
    known = tuple(rule for rule in rules if rule in SHAPES)
    unknown = tuple(place["mark"] for place in places if place["mark"] not in values)
    return Redaction(shapes=known).also(values.values()), unknown, tuple(set(rules) - set(known))


def value_at(place: Mapping[str, Any], warehouse: Warehouse) -> str | None:
    """The secret at a place, if its mark says that it is the one."""
    relation = warehouse.contexts.get(place.get("context", ""))
    if relation is None or relation.type.column(place["column"]) is None:
        return None
    query = sql(
        "SELECT {c} FROM {t} WHERE {r} = {row}",
        c=name(place["column"]),
        t=relation.sql,
        r=name(ROW),
        row=bound(int(place["row"]), "row"),
    )
    for (text,) in warehouse.rows(query):
        value = str(text)[place["at"] : place["at"] + place["length"]]
        return value if mark(ENV, value) == place["mark"] else None
    return None
