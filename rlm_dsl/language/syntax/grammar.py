"""The grammar, found and made ready once.

In: `grammar/rlm.lark`. Out: an LALR parser that eats tokens and builds nodes, and the one pattern that finds tokens.
Law: the pattern is made of the grammar's own terminals, so the file alone says what a token is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_dsl.language.syntax.foreign import FORMS, REMAINS

if TYPE_CHECKING:
    from lark import Lark
    from lark.lexer import TerminalDef

# What a token must not run into: `12px`, `1.2.3` and `grün` are one wrong token each, not two right ones, and three
# quotes begin a long text, never an empty one.
_EDGES = {
    "NAME": r"(?!\w)",
    "NUMBER": r"(?![\w]|\.[0-9])",
    "MOMENT": r"(?![\w:+-]|\.[0-9]|[ ][0-9]{2}:[0-9]{2})",
    "TEXT": r"""(?!(?<=""|'')["'])""",
    "RAW": r"""(?!(?<=""|'')["'])""",
}


@dataclass(frozen=True, slots=True)
class Language:
    """The parser, the pattern of all tokens, whose group names are terminals, and the words that are no names."""

    parser: Lark
    pattern: re.Pattern[str]
    keywords: dict[str, str]


def grammar_text() -> str:
    """The language's grammar."""
    return grammar_file("rlm.lark")


def grammar_file(name: str) -> str:
    """A file of `grammar/`: inside the package when installed, at the top of the repository in a checkout."""
    installed = files("rlm_dsl").joinpath("grammar", name)
    if installed.is_file():
        return installed.read_text(encoding="utf-8")
    return (Path(__file__).parents[3] / "grammar" / name).read_text(encoding="utf-8")


@cache
def language() -> Language:
    """The language, read once; Lark is imported here and nowhere earlier, for start-up's sake."""
    from lark import Lark

    from rlm_dsl.language.syntax.transform import Build

    parser = Lark(grammar_text(), parser="lalr", transformer=Build(), keep_all_tokens=True, maybe_placeholders=False)
    keywords = {t.pattern.value: t.name for t in parser.terminals if t.pattern.value.isalpha()}
    others = [t for t in parser.terminals if t.name not in keywords.values()]
    return Language(parser, _pattern(others), keywords)


def _pattern(terminals: Iterable[TerminalDef]) -> re.Pattern[str]:
    """All tokens as one pattern, what is foreign to the language between them."""
    groups = {t.name: t.pattern.to_regexp() + _EDGES.get(t.name, "") for t in sorted(terminals, key=_order)}
    first = {name: groups.pop(name) for name in ("BLANK", "COMMENT", "RAW", "TEXT")}
    every = first | FORMS | groups | REMAINS
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in every.items()))


def _order(terminal: TerminalDef) -> tuple[int, int, str]:
    """Longer symbols before their beginnings."""
    return -terminal.priority, -terminal.pattern.max_width, terminal.name
