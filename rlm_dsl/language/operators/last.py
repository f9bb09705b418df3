"""`last`: the last row, or a column's value in it."""

from __future__ import annotations

from rlm_dsl.language.operators.core.end_row import end_row, end_value
from rlm_dsl.language.operators.core.operator import Example

last_row = end_row(
    "last",
    " DESC",
    (
        Example("t | last(n)", {"n": [1, 2]}, 2),
        Example("t | last()", {"n": [1, 2], "w": ["a", "b"]}, {"n": 2, "w": "b"}),
        Example("t | where(n > 9) | last(n)", {"n": [1]}, None),
    ),
)
last_value = end_value("last", " DESC")
