"""`first`: the first row, or a column's value in it."""

from __future__ import annotations

from rlm_dsl.language.operators.core.end_row import end_row, end_value
from rlm_dsl.language.operators.core.operator import Example

first_row = end_row(
    "first",
    "",
    (
        Example("t | first(n)", {"n": [1, 2]}, 1),
        Example("t | first()", {"n": [1, 2], "w": ["a", "b"]}, {"n": 1, "w": "a"}),
        Example("t | where(n > 9) | first(n)", {"n": [1]}, None),
    ),
)
first_value = end_value("first", "")
