"""Answers from labels: what is known of a text, and the errors made on purpose.

In: gold rows (or a callable), the text shown, a result schema. Out: the answer as JSON, or a problem if none is known.
Law: an answer depends on the text, the schema and the seed alone, never on order, time or how often it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlm_dsl.testing import seeded
from rlm_dsl.testing.schemas import Schema, allowed_values, first_value, kinds, properties
from rlm_dsl.testing.wire import Problem, Reply

Shown = str | Mapping[str, Any]
"""What a request shows: one column's text, or several columns by name."""

Row = Mapping[str, Any]
Finder = Callable[[str, Schema], Row | None]
Fallback = Literal["error", "first", "learn"]


class BadGold(ValueError):
    """Gold rows that cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What is known of texts. `find` takes the text as shown and the result schema; None means: nothing is known.

    A row is `{"text": ..., <property>: <answer>, ...}`, its text one column's or `{column: text}`; `label` answers any
    property whose enum holds it.
    """

    find: Finder

    @staticmethod
    def of(source: Gold | Finder | Iterable[Row]) -> Gold:
        """From rows or from a callable. Raises BadGold for rows without text, or that contradict each other."""
        if isinstance(source, Gold):
            return source
        return Gold(source if callable(source) else finder(source))

    @staticmethod
    def parse(lines: str) -> Gold:
        """From JSON Lines. Raises BadGold, naming the line."""
        return Gold.of([parsed(line, number) for number, line in enumerate(lines.split("\n"), 1) if line.strip()])


def load_gold(path: Path) -> Gold:
    """Gold from a file of JSON Lines. Raises BadGold and OSError."""
    return Gold.parse(path.read_text("utf-8"))


def parsed(line: str, number: int) -> Row:
    try:
        row = json.loads(line)
    except ValueError as failure:
        raise BadGold(f"gold line {number} is no JSON: {failure}") from None
    return checked(row, f"gold line {number}")


def checked(row: Any, at: str) -> Row:
    if not isinstance(row, Mapping) or not isinstance(row.get("text"), str | Mapping):
        raise BadGold(f"{at} must be an object with a `text`, which is a text or an object of columns")
    return row


def finder(rows: Iterable[Row]) -> Finder:
    """Looks a text up exactly, then with the space around it (and around each column) taken off."""
    exact: dict[str, Row] = {}
    for number, row in enumerate(rows, 1):
        key = exact_key(checked(row, f"gold row {number}")["text"])
        exact[key] = merged(exact.get(key, {}), row, number)
    trimmed = unambiguous(exact.values())
    return lambda text, schema: exact.get(exact_key(text)) or trimmed.get(trimmed_key(text))


def merged(known: Row, more: Row, number: int) -> Row:
    """Two rows of one text as one, as rows may label different properties."""
    clash = sorted(name for name in (known.keys() & more.keys()) - {"text"} if known[name] != more[name])
    if clash:
        raise BadGold(f"gold row {number} contradicts an earlier row of the same text on {', '.join(clash)}")
    return {**known, **more}


def unambiguous(rows: Iterable[Row]) -> dict[str, Row]:
    """Rows by trimmed text, without those whose trimmed texts coincide."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(trimmed_key(row["text"]), []).append(row)
    return {key: same[0] for key, same in found.items() if len(same) == 1}


def exact_key(shown: Shown) -> str:
    columns = columns_of(shown)
    return str(shown) if columns is None else json.dumps(columns, sort_keys=True)


def trimmed_key(shown: Shown) -> str:
    columns = columns_of(shown)
    if columns is None:
        return str(shown).strip()
    return json.dumps(
        {name: text.strip() if isinstance(text, str) else text for name, text in columns.items()}, sort_keys=True
    )


def columns_of(shown: Shown) -> Mapping[str, Any] | None:
    """The columns shown, or None for a plain text."""
    if isinstance(shown, Mapping):
        return shown
    if not shown.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(shown)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def gold_reply(
    gold: Gold | None, shown: str, schema: Schema, fallback: Fallback, error_rate: float, seed: int
) -> Reply | Problem:
    """The answer to a row as compact JSON in the schema's order of properties."""
    try:
        row = None if gold is None else gold.find(shown, schema)
    except Exception as failure:
        return Problem(400, f"the gold callable failed: {type(failure).__name__}: {failure}", "gold_failed")
    parts = properties(schema) or {name: {} for name in row or {} if name != "text"}
    known = {name: value for name, part in parts.items() for value in known_values(row, name, part)}
    missing = [name for name in parts if name not in known]
    if (missing or not parts) and fallback == "error":
        return unknown(shown, missing)
    answers = {name: known[name] if name in known else first_value(part) for name, part in parts.items()}
    said = {name: with_error(answers[name], part, seed, shown, name, error_rate) for name, part in parts.items()}
    content = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return Reply(content, "fallback" if missing or not parts else "gold")


def known_values(row: Row | None, name: str, schema: Schema) -> list[Any]:
    """The row's answer for a property, by its name or by `label`: one value, or none."""
    if row is None:
        return []
    if name in row and name != "text":
        return [row[name]]
    return [row["label"]] if row.get("label") in allowed_values(schema) else []


def unknown(shown: str, missing: list[str]) -> Problem:
    start = shown if len(shown) <= 80 else shown[:79] + "…"
    what = f" for {', '.join(missing)}" if missing else ""
    return Problem(400, f"no gold answer is known{what} of this text: {start!r}", "no_gold_answer", "messages")


def is_wrong(seed: int, text: Shown, property: str, rate: float) -> bool:
    """Whether the answer for this property of this text is one of the errors made on purpose at this rate.

    The text is the row's as shown, or its columns by name; space around it does not count.
    """
    return seeded.fraction("error", seed, trimmed_key(text), property) < rate


def with_error(value: Any, schema: Schema, seed: int, text: Shown, property: str, rate: float) -> Any:
    """The value, or another one where `is_wrong` says so and the schema has another one."""
    if rate <= 0 or not is_wrong(seed, text, property, rate):
        return value
    others = other_values(value, schema)
    return seeded.pick(others, "which error", seed, trimmed_key(text), property) if others else value


def other_values(value: Any, schema: Schema) -> list[Any]:
    """What an error can make of a value: the enum's others, the other truth value, the neighbouring integers."""
    values = allowed_values(schema)
    if value in values:
        return [other for other in values if other != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int) and "integer" in kinds(schema):
        return [near for near in (value - 1, value + 1) if within(near, schema)]
    return []


def within(value: int, schema: Schema) -> bool:
    return all(
        leaf.get("minimum", value) <= value <= leaf.get("maximum", value) for leaf in schema.get("anyOf", [schema])
    )
