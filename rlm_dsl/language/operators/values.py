"""`values`: a column as a list."""

from __future__ import annotations

from dataclasses import replace

from rlm_dsl.language.operators.core.operator import Example
from rlm_dsl.language.operators.list import listed

values = replace(
    listed, name="values", words="all {value}, in order", examples=(Example("t | values(n)", {"n": [2, 1]}, [2, 1]),)
)
