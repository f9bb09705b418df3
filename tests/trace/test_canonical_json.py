"""Canonical JSON: one form of equal values, the order of RFC 8785, and no digest of before changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.common.hashing import canonical, identity, members, tagged, without_floats

RFC_8785 = ["\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
"""The RFC's example in its order: by UTF-16 code units, in which U+1F600 (D83D DE00) stands before U+FB33."""


def values(names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"))
    return st.recursive(scalars, lambda of: st.lists(of) | st.dictionaries(names, of), max_leaves=12)


@given(values(st.text(st.characters(codec="ascii"))))
def test_names_in_ascii_are_hashed_as_ever(value: Any) -> None:
    as_ever = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert canonical(value) == as_ever
    assert identity("kind", value) == hashlib.sha256(b"kind\x00" + as_ever).hexdigest() == tagged("kind", as_ever)


@given(values(st.text()))
def test_the_order_is_by_utf_16_and_the_value_stays(value: Any) -> None:
    written = canonical(value).decode("utf-8", "surrogatepass")
    ordered: list[list[str]] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        ordered.append([name for name, _ in found])
        return dict(found)

    assert json.loads(written, object_pairs_hook=pairs) == value
    for names in ordered:
        assert names == sorted(names, key=lambda name: name.encode("utf-16-be", "surrogatepass"))


def test_the_rfcs_example() -> None:
    backwards = {name: {"größe": 1, "a": [{"ü": None, "z": True}]} for name in reversed(RFC_8785)}
    inner = '{"a":[{"z":true,"ü":null}],"größe":1}'
    assert list(json.loads(canonical(backwards))) == RFC_8785
    assert (
        canonical(backwards).decode()
        == "{" + ",".join(f"{json.dumps(n, ensure_ascii=False)}:{inner}" for n in RFC_8785) + "}"
    )


def test_equal_values_in_any_order_have_one_digest() -> None:
    assert identity("k", {"größe": 1, "farbe": 2, "東京": 3}) == identity("k", {"東京": 3, "farbe": 2, "größe": 1})
    assert identity("k", {"größe": 1}) != identity("k", {"gro\u0308ße": 1}), "composed and decomposed names differ"
    assert canonical("\ud800") == b'"\xed\xa0\x80"'


@pytest.mark.parametrize(
    "value", [1.5, {"a": [1.5]}, {1: "a"}, {"a": {None: 1}}, {"ü": 1, 2: 3}, {"a": b"x"}, {"a": {1}}]
)
def test_what_has_no_one_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)


def test_floats_are_hashed_as_their_shortest_text() -> None:
    value = {"ü": [0.1, (1.0,)], 5: {"a": 1e300, "b": [None, True, 7, "x"]}}
    assert without_floats(value) == {"ü": ["0.1", ["1.0"]], "5": {"a": "1e+300", "b": [None, True, 7, "x"]}}


def test_an_object_is_made_of_its_members_texts() -> None:
    value = {"b": [2, "ü"], "a": "x", "_": None}
    assert members({name: canonical(each).decode() for name, each in value.items()}) == canonical(value).decode()
