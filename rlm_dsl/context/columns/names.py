"""What columns are called.

In: names as they were written. Out: names that a program can write. Law: they differ by more than case, and what was
changed is noted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LINE_ENDS = re.compile(r"\r\n|[\r\n\t]")
UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters and those that turn the direction of writing: a name in a program has no escapes for them."""


def free_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Column names that differ by more than case, none empty, none beginning with `#`, none with characters that a
    program cannot write in a name; and notes on what changed."""
    taken: set[str] = set()
    made, noted = [], []
    for index, name in enumerate(names, 1):
        shown = UNSPEAKABLE.sub("\ufffd", LINE_ENDS.sub(" ", name))
        base = shown.strip().lstrip("#").strip() or f"column_{index}"
        candidate, number = base, 1
        while candidate.lower() in taken:
            number += 1
            candidate = f"{base}_{number}"
        taken.add(candidate.lower())
        made.append(candidate)
        if candidate != name:
            noted.append(f"column {name!r} is called `{candidate}`")
    return made, noted
