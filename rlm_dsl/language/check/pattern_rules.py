"""What functions ask of patterns, of what replaces their matches, and of texts that look like patterns and are none.

In: a function's arguments, each of its kind. Out: whether they are right, after saying what is not.
Law: what would silently find nothing, or put in something else than was meant, is told before the run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rlm_dsl.common.source import Span
from rlm_dsl.language.check.scope import Names
from rlm_dsl.language.patterns.validate import group_count, named_groups
from rlm_dsl.language.program import Literal, Node, Param, known_value, resolved
from rlm_dsl.language.syntax.literals import spell_text
from rlm_dsl.language.syntax.tree import Text


def has_group(names: Names, pattern: Node, group: Node, place: Span) -> bool:
    """Which group is wanted must be known before the run, and the pattern must have it."""
    inner, count = resolved(group), group_count(known_value(pattern))
    if not isinstance(inner, Literal | Param):
        names.report("C12", "which group is wanted must be a number written out", place)
        return False
    if inner.value is not None and 9 < inner.value <= count:
        names.report("C12", "only the groups 1 to 9 can be taken here", place, "name it (?P<name>...) and use extract")
        return False
    if inner.value is not None and not 0 <= inner.value <= count:
        held = f"it has {count}" if count else "it has none"
        names.report("C12", f"the pattern has no group {inner.value}: {held}", place, "0 is the whole match")
        return False
    return True


REFERENCE = re.compile(
    r"\\(?:(?P<number>[0-9])(?P<more>[0-9]*)|(?P<backslash>\\)|g?<(?P<name>\w+)>|(?P<other>.?))", re.DOTALL
)
"""A backslash in a replacement, and what it is meant to be."""
DOLLAR = re.compile(r"\$(?:([0-9]+)|\{(\w+)\}|&)")
"""How other languages write a group in a replacement."""


def is_replacement(names: Names, pattern: str, new: str, place: Span) -> bool:
    r"""A replacement's backslashes are groups of the pattern, or `\\`, which is one backslash."""
    for found in REFERENCE.finditer(new):
        if (wrong := _wrong_reference(found, pattern)) is not None:
            what, *hints = wrong
            names.report("C12", what, place, *hints)
            return False
    for found in DOLLAR.finditer(new):
        if (group := _number_of(found[1] or found[2] or "0", pattern)) is not None:
            hint = rf'a group is written with a backslash: r"\{group}"'
            names.warn("W02", f"`{found[0]}` is no group in a replacement, and is put in as it stands", place, hint)
            break
    return True


def _wrong_reference(found: re.Match[str], pattern: str) -> tuple[str, ...] | None:
    """What is wrong with a backslash in a replacement, and what to write instead."""
    count = group_count(pattern)
    if found["backslash"]:
        return None
    if found["name"]:
        number = _number_of(found["name"], pattern)
        instead = rf"write \{number}" if number is not None else _groups_there_are(count)
        return f"a replacement has no {found[0]}: its groups go by number", instead
    if found["number"]:
        if found["more"] and int(found["number"] + found["more"]) <= count:
            return "only the groups 1 to 9 can be put in", "make groups that are not put in (?:..)"
        if int(found["number"]) <= count:
            return None
        held = f"it has {count}" if count else "it has none"
        return f"the pattern has no group {found['number']}: {held}", _groups_there_are(count)
    if found["other"] in ("n", "t", "r"):
        sign = found["other"]
        return rf"a replacement has no \{sign}", rf'write it in a text without r: "\{sign}"'
    itself = 'a backslash that means itself is written r"\\\\"'
    return f"a backslash in a replacement comes before the number of a group, and here before {_sign(found)}", itself


def _sign(found: re.Match[str]) -> str:
    return f"`{found['other']}`" if found["other"] else "the end"


def _groups_there_are(count: int) -> str:
    most = rf"\1 to \{count} are its groups, " if count > 1 else r"\1 is its group, " if count else ""
    return rf"{most}\0 is the whole match"


def _number_of(group: str, pattern: str) -> int | None:
    """The number of a group that is called so, or has this number; None if there is none."""
    number = int(group) if group.isascii() and group.isdigit() else named_groups(pattern).get(group)
    return number if number is not None and number <= min(9, group_count(pattern)) else None


MEANT: Mapping[str, tuple[str, str]] = {
    "contains": ("x matches {p}", "{}"),
    "starts_with": ("x matches {p}", "^(?:{})"),
    "ends_with": ("x matches {p}", "(?:{})$"),
    "split": ('split(regex_replace(x, {p}, "|"), "|"), with a sign for | that x has not', "{}"),
    "==": ("x matches {p}", "^(?:{})$"),
    "!=": ("not (x matches {p})", "^(?:{})$"),
}
"""What to write where a pattern was meant, and as which pattern, for functions that take texts word for word."""

LOOKS_LIKE_A_PATTERN = re.compile(
    r"\\[dDwWsSbB](?![A-Za-z])|\\[.*+?|()\[\]{}^$]|[.\])][*+]|[^|]\|[^|]|\[[^\]]+\]|^\^|\$$|\(\?|\{\d+(,\d*)?\}"
)
r"""Signs of a pattern, which a path such as `C:\dir` has not."""


def taken_word_for_word(names: Names, function: str, given: tuple[Node, ...], places: list[Span]) -> bool:
    """Whether no pattern stands where a text is taken word for word. `replace` refuses what is written r"..": it would
    replace nothing; elsewhere what looks like a pattern is warned of."""
    if function == "replace" and (old := _raw(given[1])) is not None:
        names.report(
            "C12",
            '`replace` looks for `old` word for word, and r".." is how a pattern is written',
            places[1],
            f"for the pattern: regex_replace(x, {_spelled(old, raw=True)}, new)",
            f"for these very signs: {_spelled(old, raw=False)}",
        )
        return False
    for node, place in zip(given, places, strict=False):
        text = _raw(node) if function in MEANT else None
        if text is not None and LOOKS_LIKE_A_PATTERN.search(text):
            names.warn(
                "W02",
                f"`{function}` takes a text word for word, and this looks like a pattern",
                place,
                f"for the pattern: {_meant(function, text)}",
                f"for these very signs: {_spelled(text, raw=False)}",
            )
    return True


def _meant(function: str, text: str) -> str:
    use, form = MEANT[function]
    anchored = text.startswith("^") or text.endswith("$")
    return use.replace("{p}", _spelled(text if anchored else form.replace("{}", text), raw=True))


def _raw(node: Node) -> str | None:
    """The text of what is written r".."; None for anything else."""
    inner = resolved(node)
    return inner.value if isinstance(inner, Literal) and inner.raw else None


LONGEST = 60
"""Characters of a text that a hint repeats."""


def _spelled(text: str, *, raw: bool) -> str:
    return spell_text(Text(text if len(text) <= LONGEST else "..", raw))
