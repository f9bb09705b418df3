"""How many tokens an answer may need, by its type: some dozens for a label, not thousands.

In: a result's JSON Schema, a limit. Out: the limit that is sent. Law: an answer that fits its schema and is written as
JSON fits into it twice, with as many words around it as `AROUND`; where a type has no longest answer, nothing is said.
The limit that the user or the run sets stands in keys and is never passed; what is sent below it changes no answer
that ends, and one that does not end is asked again with all of it. A small limit is sent as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from rlm_dsl.models.request import estimated_tokens
from rlm_dsl.models.server.gbnf import numbered

SMALL = 512
"""Limits below that are somebody's own, and there is little to save."""
AROUND = 64
"""Tokens for a fence, white space, or a sentence before the answer."""
LONGEST = {"boolean": 1, "null": 1, "integer": 16, "number": 32}
MOMENT = 24
"""Tokens of a date, or a date and time."""
CODE = 6
"""Tokens of one numbered code in a pack's answer."""
THINKING = re.compile(r"reason|think|effort|budget|template|extra_body", re.IGNORECASE)
"""Parameters of requests whose models think before they answer, for which the type says nothing."""


def answer_room(schema: Mapping[str, Any] | None, parameters: Mapping[str, Any], most: int) -> int:
    """Tokens that answers of a schema surely have room in; `most`, the limit, where there is no longest answer."""
    if schema is None or most < SMALL or any(THINKING.search(name) for name in parameters):
        return most
    own = longest(schema)
    return most if own is None else min(most, 2 * own + AROUND)


def longest(schema: Mapping[str, Any]) -> int | None:
    """Estimated tokens of the longest answer; None where there is none."""
    if "anyOf" in schema:
        return largest([longest(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return max((estimated_tokens(json.dumps(value)) for value in schema["enum"]), default=0)
    match schema.get("type"):
        case "object":
            names = [estimated_tokens(json.dumps(name)) + 2 for name in schema["properties"]]
            parts = [longest(inner) for inner in schema["properties"].values()]
            return None if None in parts else 2 + sum(names) + sum(part for part in parts if part is not None)
        case "array" if "enum" in schema["items"]:
            return 2 + sum(estimated_tokens(json.dumps(value)) + 1 for value in schema["items"]["enum"])
        case "array" if isinstance(most := schema.get("maxItems"), int):
            each = longest(schema["items"])
            return None if each is None else 2 + most * (each + 1)
        case "string" if (codes := numbered(schema.get("pattern", ""))) is not None:
            return CODE * codes[0]
        case "string" if isinstance(most := schema.get("maxLength"), int):
            return 2 + 2 * most
        case "string":
            return MOMENT if "format" in schema else None
        case kind:
            return LONGEST.get(str(kind))


def largest(found: list[int | None]) -> int | None:
    known = [each for each in found if each is not None]
    return max(known) if len(known) == len(found) and known else None
