"""Scalar functions on lists. Places count from 1, and from the end where they are negative."""

from __future__ import annotations

from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.types import ListOf, Type, bare, nullable


def element(types: tuple[Type, ...]) -> Type:
    of = bare(types[0])
    assert isinstance(of, ListOf)
    return nullable(of.of)


FUNCTIONS = [
    Function(
        "item(list: list, place: int) -> any",
        "the element at a place, the first is 1 and the last -1; null where there is none",
        "list_extract({list}, {place})",
        gives=element,
        examples=(
            ('item(split("a-b-c", "-"), 2)', "b"),
            ('item(split("a-b-c", "-"), -1)', "c"),
            ("item([1, 2], 3)", None),
        ),
    ),
    Function(
        "join_list(list: list, separator: text) -> text",
        "the elements as one text, with `separator` between them; nulls are left out",
        "CASE WHEN {list} IS NOT NULL AND {separator} IS NOT NULL THEN "
        "coalesce(array_to_string(CAST({list} AS VARCHAR[]), {separator}), '') END",
        examples=(('join_list(split("a b", " "), "-")', "a-b"), ('join_list([1, null, 2], ", ")', "1, 2")),
    ),
]
