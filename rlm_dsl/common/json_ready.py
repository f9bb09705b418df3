"""Values of the language as JSON has them.

In: a value. Out: what `json.dumps` takes. Law: nothing is lost that JSON could hold; moments are in ISO form.
"""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

from rlm_dsl.common.exact import spelled


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
