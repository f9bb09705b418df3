"""The little of JSON Schema that an answer needs: properties, allowed values, a first value, a value of the wrong kind.

In: JSON Schemas as sent by clients, `$ref` into the same document included. Out: plain values.
Law: `first_value` and nothing of `off_value` meets the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

Schema = Mapping[str, Any]


def properties(schema: Schema) -> dict[str, Schema]:
    """The properties of an object's schema in order, each without references at its top."""
    top = alternatives(schema, schema)[0]
    shared = {name: schema[name] for name in ("$defs", "definitions") if name in schema}
    parts = top.get("properties", {}).items()
    return {name: {"anyOf": alternatives(part, schema), **shared} for name, part in parts}


def alternatives(schema: Any, root: Schema) -> list[Schema]:
    """The schemas of which a value meets one: references followed, unions and lists of types opened.

    The schemas `true` and `false` name no values and no types, like the empty one.
    """
    if not isinstance(schema, Mapping):
        return [{}]
    if "$ref" in schema:
        return alternatives(pointed(root, schema["$ref"]), root)
    for union in ("anyOf", "oneOf", "allOf"):
        if schema.get(union):
            return [leaf for part in schema[union] for leaf in alternatives(part, root)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": name} for name in schema["type"]]
    return [schema]


def pointed(root: Schema, pointer: str) -> Schema:
    """What `#/$defs/Name` points at; an empty schema where it points at nothing."""
    place: Any = root
    for step in pointer.lstrip("#").strip("/").split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        place = place.get(key, {}) if key and isinstance(place, Mapping) else place
    return place if isinstance(place, Mapping) else {}


def allowed_values(schema: Schema) -> list[Any]:
    """The values of an enum or a constant, null aside; none where the schema names no values."""
    return [value for value in named_values(schema) if value is not None]


def named_values(schema: Schema) -> Iterator[Any]:
    for leaf in alternatives(schema, schema):
        yield from leaf.get("enum", ())
        yield from (leaf["const"],) if "const" in leaf else ()


def kinds(schema: Schema) -> set[str]:
    """The JSON types that the schema allows, as far as it names them."""
    return {leaf["type"] for leaf in alternatives(schema, schema) if isinstance(leaf.get("type"), str)}


def is_nullable(schema: Schema) -> bool:
    return "null" in kinds(schema) or None in list(named_values(schema))


FIRST: Mapping[str, Any] = {"integer": 0, "number": 0, "boolean": False, "string": "", "array": []}
FIRST_TEXTS = {"date": "1970-01-01", "date-time": "1970-01-01T00:00:00Z"}


def first_value(schema: Schema) -> Any:
    """Null where allowed, else the first value of an enum, else zero, false, the empty text or list."""
    if is_nullable(schema):
        return None
    if values := allowed_values(schema):
        return values[0]
    leaf = alternatives(schema, schema)[0]
    if leaf.get("type") == "object":
        return {name: first_value(part) for name, part in properties({**schema, **leaf, "anyOf": ()}).items()}
    return FIRST_TEXTS.get(leaf.get("format", "")) or FIRST.get(leaf.get("type", ""), "")


def off_value(schema: Schema) -> Any:
    """A value outside an enum, or of a type that the schema does not allow."""
    if values := allowed_values(schema):
        return f"{values[0]} (outside the set)"
    return {"unexpected": "object"} if "string" in kinds(schema) else "a text where none belongs"


@lru_cache(maxsize=256)
def schema_in(text: str) -> Schema | None:
    """The last schema of an object that a text holds, or None. Treat it as read-only: it is shared."""
    found = [value for value in objects_in(text) if isinstance(value.get("properties"), dict)]
    return found[-1] if found else None


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that stand in a text, outermost only."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield value
        start = text.find("{", end)
