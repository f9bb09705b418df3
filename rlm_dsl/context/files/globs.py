"""Globs over names that no file system lists: those in archives and in object storage.

In: a pattern such as `2026/**/*.csv`. Out: a regular expression of whole names. Law: it matches what Python's glob
finds: `*` and `?` stay within a part, `**` is any number of folders.
"""

from __future__ import annotations

import re
from functools import cache

WILDCARDS = "*?["


def has_wildcard(path: str) -> bool:
    return any(mark in path for mark in WILDCARDS)


def fixed_folder(pattern: str) -> str:
    """A pattern's longest folder without wildcards, with a slash at its end; '' where there is none."""
    parts = pattern.split("/")[:-1]
    fixed = next((n for n, part in enumerate(parts) if has_wildcard(part)), len(parts))
    return "".join(f"{part}/" for part in parts[:fixed])


@cache
def name_pattern(pattern: str) -> re.Pattern[str]:
    """What names a glob matches, whole."""
    parts = pattern.split("/")
    made = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            made.append(".+" if last else "(?:[^/]+/)*")
        else:
            made.append(part_pattern(part) + ("" if last else "/"))
    return re.compile("".join(made) + r"\Z", re.DOTALL)


def part_pattern(part: str) -> str:
    """A part of a path: between brackets stand the characters of one place."""
    made, at = [], 0
    while at < len(part):
        mark, at = part[at], at + 1
        close = part.find("]", at + 1 + part[at : at + 1].count("!")) if mark == "[" else -1
        if mark == "*":
            made.append("[^/]*")
        elif mark == "?":
            made.append("[^/]")
        elif close > 0:
            inside = part[at:close].replace("\\", r"\\").replace("[", r"\[")
            made.append(f"(?!/)[{'^' + inside[1:] if inside[0] == '!' else inside.replace('^', chr(92) + '^')}]")
            at = close + 1
        else:
            made.append(re.escape(mark))
    return "".join(made)
