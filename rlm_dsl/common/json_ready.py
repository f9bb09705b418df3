"""Values of the language as JSON has them.

In: a value. Out: what `json.dumps` takes. Law: nothing is lost that JSON could hold; moments are in ISO form.
"""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal
from typing import Any

from rlm_dsl.common.exact import spelled


def json_text(value: Any) -> str:
    """A value as the text of JSON, decimals as numbers with all their digits."""
    match value:
        case Decimal():
            return spelled(value)
        case list() | tuple():
            return "[" + ", ".join(map(json_text, value)) + "]"
        case dict():
            members = (f"{json.dumps(key, ensure_ascii=False)}: {json_text(item)}" for key, item in value.items())
            return "{" + ", ".join(members) + "}"
        case _:
            return json.dumps(json_ready(value), ensure_ascii=False)


def json_ready(value: Any) -> Any:
    """A value as JSON has it: moments in ISO form, floats beyond all bounds as text, decimals with all their
    digits as text."""
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Decimal):
        return spelled(value)
    if isinstance(value, list):
        return [json_ready(item) for item in value]
    if isinstance(value, dict):
        return {key: json_ready(item) for key, item in value.items()}
    return value
