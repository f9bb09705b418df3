"""Values of an answer as pages and reports show them.

In: a value of JSON. Out: text. Law: a text is itself; all else is its JSON.
"""

from __future__ import annotations

import json
from typing import Any

LONGEST = 1_500
"""Letters of a text that are shown."""


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def cell(value: Any) -> str:
    return "" if value is None else as_text(value)[:LONGEST]
