"""An answer as stores keep it: JSON, the same text for the same answer.

In: values, kept texts. Out: texts, answers. Law: what is no answer any more is told from one that is.
"""

from __future__ import annotations

import json
import struct

from rlm_dsl.models.request import Answer

NONSENSE = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, RecursionError)
"""What reading comes to where bytes are not what they were."""


def as_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def readable(text: str) -> Answer | None:
    """A kept answer; None for what is none any more."""
    try:
        answer = Answer.from_json(json.loads(text))
    except NONSENSE:
        return None
    return answer if isinstance(answer.text, str) and isinstance(answer.finish, str) else None
