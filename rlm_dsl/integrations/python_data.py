"""What Python code hands in as data, as contexts that a program can name.

In: texts, tables, paths, contexts, and lists and dicts of values, however nested. Out: contexts by name.
Law: a `str` is always a text and never a path; only a `Path` names a file; no value is left out without a word.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.columns.python_values import plain_value
from rlm_dsl.context.context import Context
from rlm_dsl.context.python_table import as_arrow
from rlm_dsl.engine.inputs import context_of, text
from rlm_dsl.language.names import check_name

NUMBER, KEY, VALUE = "number", "key", "value"
"""The columns of what has no names of its own: which element it is, under which key it stands, and itself."""


def given_context(name: str, given: Any) -> Context:
    """One context. Raises UserError for what is no data."""
    if isinstance(given, str):
        return text(given, name)
    if isinstance(given, bytes | bytearray | memoryview):
        raise UserError(f"`{name}` is bytes", "decode them: given.decode('utf-8')")
    if isinstance(given, Context | os.PathLike) or as_arrow(given) is not None:
        return context_of(name, given)
    rows = rows_of(given)
    if rows is None:
        raise UserError(
            f"`{name}` is no data: {type(given).__name__}",
            "give a text, numbers, lists and dicts of these, a table of pandas, polars or Arrow, or a Path to a file",
        )
    try:
        return context_of(name, rows)
    except UserError as failure:
        if (spelled := [text_keys(row) for row in rows]) == rows:
            raise
        try:
            return context_of(name, spelled)
        except UserError:
            raise failure from None


def rows_of(given: Any) -> list[Any] | None:
    """Any nested value as rows: a record is one, a list of records is as many; what has no names of its own stands in a
    column `value`, beside its number or key. None for what no table can hold."""
    if is_record(given):
        return [given] if not isinstance(given, Mapping) else rows_of_mapping(given)
    if type(given).__module__ == "numpy" and callable(getattr(given, "tolist", None)):
        return rows_of(given.tolist())
    if isinstance(given, Iterable):
        items = sorted(given, key=repr) if isinstance(given, set | frozenset) else list(given)
        if items and all(isinstance(item, str) for item in items):
            return [{NUMBER: number, "text": item} for number, item in enumerate(items, 1)]
        if all(map(is_record, items)):
            return items
        return [{NUMBER: number, VALUE: item} for number, item in enumerate(items, 1)]
    try:
        plain_value(given)
    except (TypeError, ValueError):
        return None
    return [{VALUE: given}]


def rows_of_mapping(given: Mapping[Any, Any]) -> list[Any]:
    """One record where the keys are names, else a row for each key."""
    if all(isinstance(key, str) for key in given):
        return [dict(given)] if given else []
    return [{KEY: key, VALUE: value} for key, value in given.items()]


def is_record(item: Any) -> bool:
    """Whether something has named fields."""
    if isinstance(item, Mapping):
        return True
    made = dataclasses.is_dataclass(item) or hasattr(item, "model_dump") or hasattr(item, "_asdict")
    return made and not isinstance(item, type)


def text_keys(value: Any) -> Any:
    """A value whose dicts have texts for keys, as JSON has them."""
    match value:
        case Mapping():
            return {key if isinstance(key, str) else str(key): text_keys(item) for key, item in value.items()}
        case list() | tuple():
            return [text_keys(item) for item in value]
        case _:
            return value


def given_contexts(given: Mapping[str, Any]) -> dict[str, Context]:
    """Contexts by the names that programs know them by. Raises UserError for a name that none can write."""
    for name in given:
        check_name(name, "call it otherwise, such as {name}")
    return {name: given_context(name, value) for name, value in given.items()}


def refuse_arguments(given: Mapping[str, Any], reasons: Mapping[str, str], of: str) -> None:
    """Raise UserError for an argument that a peer takes and that makes no sense here, with the reason."""
    for name, value in given.items():
        if name not in reasons:
            raise TypeError(f"{of}() got an unexpected keyword argument {name!r}")
        if value not in (None, False, (), [], {}):
            raise UserError(f"{of} takes no `{name}`", reasons[name])
