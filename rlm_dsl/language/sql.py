"""Query fragments whose holes are bound values, quoted names or other fragments, never spliced text.

In: templates written in this project, names and values from programs. Out: one query text and its values by name.
Law: `render` puts into the query text only template text and quoted identifiers; every value travels beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Bound:
    """A value that the engine receives beside the query. `hint` becomes its telling name, `cast` its SQL type."""

    value: Any
    hint: str
    cast: str = ""


@dataclass(frozen=True, slots=True)
class Sql:
    """A query fragment: template text and bound values, in order."""

    parts: tuple[str | Bound, ...]


HOLE = re.compile(r"\{(\w+)\}")


def sql(template: str, **holes: Sql) -> Sql:
    """A fragment from a template whose `{holes}` are filled with fragments. Raises KeyError for a hole not given."""
    parts: list[str | Bound] = []
    at = 0
    for hole in HOLE.finditer(template):
        parts.append(template[at : hole.start()])
        parts.extend(holes[hole[1]].parts)
        at = hole.end()
    parts.append(template[at:])
    return Sql(tuple(part for part in parts if part != ""))


def name(identifier: str) -> Sql:
    """A quoted identifier: the one place where a name enters a query."""
    return Sql(('"' + identifier.replace('"', '""') + '"',))


def bound(value: Any, hint: str = "value", cast: str = "") -> Sql:
    """A bound value; `cast` is one of our own SQL type names."""
    return Sql((Bound(value, hint, cast),))


def joined(separator: str, fragments: Iterable[Sql]) -> Sql:
    """The fragments with `separator` (template text) between them."""
    parts: list[str | Bound] = []
    for index, fragment in enumerate(fragments):
        parts.extend((separator, *fragment.parts) if index else fragment.parts)
    return Sql(tuple(parts))


def names(identifiers: Iterable[str]) -> Sql:
    return joined(", ", map(name, identifiers))


def render(fragment: Sql) -> tuple[str, Mapping[str, Any]]:
    """The query text with `$names`, and the values by name. Equal values under one hint share a name."""
    values: dict[str, Any] = {}
    text: list[str] = []
    for part in fragment.parts:
        if isinstance(part, str):
            text.append(part)
        else:
            parameter = f"${_placed(part, values)}"
            text.append(f"{parameter}::{part.cast}" if part.cast else parameter)
    return "".join(text), values


def _placed(part: Bound, values: dict[str, Any]) -> str:
    base = re.sub(r"\W+", "_", part.hint, flags=re.ASCII).strip("_").lower() or "value"
    if base[0].isdigit():
        base = f"v{base}"
    candidate, number = base, 1
    while candidate in values and not _same(values[candidate], part.value):
        number += 1
        candidate = f"{base}_{number}"
    values[candidate] = part.value
    return candidate


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and repr(a) == repr(b)
