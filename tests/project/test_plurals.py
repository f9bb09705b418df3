"""One of a thing is told as one, wherever a text of ours tells a count.

In: every f-string of the package. Out: nothing but a verdict. Law: a count before a noun goes through `counted`; what
models are shown is left as it was recorded.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import rlm_dsl
from rlm_dsl.common.counted import OF_ONE, counted

PACKAGE = Path(rlm_dsl.__file__).parent
LEFT = ("context", "explore", "language", "testing")
"""Rooms whose texts are notes on data, parts of prompts, or played servers' own words: kept as they were recorded."""
NOUNS = (
    "row call token byte answer place file request question attempt line turn step table trace exploration number "
    "character example label look column event level"
)
PLURAL = re.compile(rf" (?:(?:more|new|model|other|blank|same) )*(?:{'|'.join(NOUNS.split())})s\b")


def counts_by_hand(text: str) -> list[int]:
    """The lines of f-strings in which a number with its thousands set apart stands before nouns in the plural."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            for value, after in zip(node.values, node.values[1:], strict=False):
                if not (isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)):
                    continue
                spec = value.format_spec.values if isinstance(value.format_spec, ast.JoinedStr) else []
                thousands = any(isinstance(each, ast.Constant) and each.value == "," for each in spec)
                fixed = isinstance(value.value, ast.Name) and value.value.id.isupper()
                if thousands and not fixed and PLURAL.match(str(after.value)):
                    found.append(node.lineno)
    return found


def test_every_count_is_told_by_counted() -> None:
    by_hand = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in LEFT
        for line in counts_by_hand(path.read_text(encoding="utf-8"))
    ]
    assert not by_hand, "use rlm_dsl.common.counted.counted: " + ", ".join(by_hand)


def test_one_is_one_and_its_verb_too() -> None:
    assert [counted(n, "row", "are") for n in (0, 1, 2_000)] == ["0 rows are", "1 row is", "2,000 rows are"]
    assert counts_by_hand('f"{n:,} more rows"') == [1] and not counts_by_hand('f"{MOST:,} rows {n:,} rowing"')
    assert all(many != one for many, one in OF_ONE.items())
