"""Texts that UTF-8 can carry: halves of surrogate pairs, which JSON, Python and file names may hold, have no bytes.

In: any text. Out: text that is written and sent as it is. Law: whatever comes in from outside goes through here once,
at the door; a text that holds no half stays as it is.
"""

from __future__ import annotations

import os
from typing import Any


def well_formed(text: str) -> str:
    """The text with halves that meet as the character they are, and others as U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def without_halves(value: Any) -> Any:
    """A JSON value, all its texts well formed."""
    match value:
        case str():
            return well_formed(value)
        case list():
            return [without_halves(item) for item in value]
        case dict():
            return {without_halves(key): without_halves(item) for key, item in value.items()}
        case _:
            return value


def well_formed_name(path: str) -> str:
    """A file's name as it is shown: bytes of it that are no UTF-8 as escapes, `\\xff`, so that two names stay two."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")
