"""`values`: a column as a list."""

from __future__ import annotations

from dataclasses import replace

from rlm_dsl.language.operators.list import listed
from rlm_dsl.language.operators.operator import Example

values = replace(listed, name="values", examples=(Example("t | values(n)", {"n": [2, 1]}, [2, 1]),))
