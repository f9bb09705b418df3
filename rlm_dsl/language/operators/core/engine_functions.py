"""What queries call and the engine has not of its own.

In: nothing. Out: functions by the names that queries call them. Law: each is total over what queries hand it, gives no
null, and the same on every machine; its annotations are the types that the engine hands it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from rlm_dsl.language.operators.core import terms
from rlm_dsl.language.operators.core.exact_numbers import (
    log_of,
    log_to_base,
    power_of,
    variance_of_floats,
    variance_of_wholes,
)
from rlm_dsl.language.operators.core.json_text import json_at

ENGINE_TYPES = {
    "str": "VARCHAR",
    "float": "DOUBLE",
    "int": "BIGINT",
    "list[float]": "DOUBLE[]",
    "list[int]": "HUGEINT[]",
}
"""The engine's types by how functions here are annotated."""


def normalized(text: str, form: str) -> str:
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]  # the checker has seen which


ENGINE_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **terms.ENGINE_FUNCTIONS,
    "json_at": json_at,
    "log_of": log_of,
    "log_to_base": log_to_base,
    "normalized_text": normalized,
    "power_of": power_of,
    "variance_of_floats": variance_of_floats,
    "variance_of_wholes": variance_of_wholes,
}
