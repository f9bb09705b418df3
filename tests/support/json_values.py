"""JSON of every kind: values generated, files of JSONTestSuite, and whether a loaded value is what JSON meant.

In: nothing, or a loaded value and the value that Python's `json` reads. Out: strategies, files, a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.support.real import REAL

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


PYTHONIC = {"n_number_NaN.json", "n_number_infinity.json", "n_number_minus_infinity.json"}
"""Of what must not parse, what Python's `json` writes: it is read as that reads it."""


def json_files(kinds: str) -> Iterator[tuple[str, bytes]]:
    """The files of JSONTestSuite that must parse (y), must not (n), may (i) or are as Python writes it (p)."""
    for path in sorted((REAL / "json-test-suite" / "test_parsing").glob("*.json")):
        if ("p" if path.name in PYTHONIC else path.name[0]) in kinds:
            yield path.name, path.read_bytes()


def same(loaded: Any, meant: Any) -> bool:
    """Whether a loaded value is the JSON value, held in the column's type: itself, a float, a decimal that prints so,
    or its JSON text."""
    if isinstance(meant, str):
        whole = meant.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return bool(loaded == whole)
    if isinstance(meant, list) and isinstance(loaded, list):
        return len(meant) == len(loaded) and all(map(same, loaded, meant))
    if isinstance(meant, dict) and isinstance(loaded, dict):
        return all(same(loaded.get(key), value) for key, value in meant.items())
    if isinstance(loaded, str) and meant is not None:
        return bool(json.loads(loaded) == meant)
    if isinstance(loaded, Decimal):
        return isinstance(meant, int | float) and not isinstance(meant, bool) and float(loaded) == meant
    return type(loaded) in (type(meant), float) and loaded == meant


def halved(value: Any) -> Any:
    """A value with halves of surrogate pairs as U+FFFD, by another way than the loader's."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads("".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text))
