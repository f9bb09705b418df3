"""Words of other languages and broken words: how to find them, and what was meant.

In: a word that the grammar does not have. Out: the word it stands for, and what to write instead.
Law: no form here is part of a correct program, so a correct program never meets this module.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from rlm_dsl.common.diagnostics import Diagnostic
from rlm_dsl.common.source import Span
from rlm_dsl.language.syntax.literals import SAMPLE_DATES
from rlm_dsl.language.syntax.tree import Moment, Number, Text

# Tried before the grammar's words, in this order.
FORMS = {
    "PREFIX": r"""(?:[fFbBuUR]|[fFbBrRuU]{2})(?=["'])""",
    "OPEN_LONG": r'''r?(?:"""|\'\'\')[\s\S]*''',
    "OPEN_TEXT": r"""r?["'][^\n]*""",
    "BARE_DATE": r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])(?:[T ][0-9]{2}:[0-9:.]*)?",
    "POINT_FIRST": r"\.[0-9]\w*",
    "FENCE": r"```[A-Za-z0-9_-]*[ \t]*(?=\r?\n|\Z)",
    "REMARK": r"--[^\n]*|/\*[\s\S]*?(?:\*/|\Z)",
    "CURLY": r"[“„«][^“”„«»\n]*[”“»]|[‘‚][^‘’‚\n]*[’‘]",
    "SYMBOL": r"%>%|&&?|\|\||\|>|:=|===|!==|<>|=>|->|=~|\*\*|::|\?\?|!(?!=)|[~;^$\\]",
}
# Tried when no word of the grammar fits.
REMAINS = {
    "BAD_NUMBER": r"[0-9](?:\w|\.[0-9]|(?<=[eE])[+-])*",
    "BAD_MOMENT": r"@[\w:.+-]*(?:[ ][0-9]{2}:[0-9:.]*)?",
    "ODD_NAME": r"[^\W0-9]\w*",
    "OPEN_NAME": r"`[^\n]*",
    "ODD_BLANK": r"\s+",
    "STRAY": r"[\s\S]",
}

CAPITALS = {"None": "null", "True": "true", "False": "false", "NULL": "null", "TRUE": "true", "FALSE": "false"}


class Mend(NamedTuple):
    """What a word was meant to be; `type` None leaves it out. `sure` if reading on makes sense."""

    code: str
    message: str
    hints: tuple[str, ...] = ()
    type: str | None = None
    text: str = ""
    sure: bool = True
    literal: Number | Text | Moment | None = None


def _symbol(written: str, hint: str, type_: str | None = None, text: str = "", *, sure: bool = True) -> Mend:
    return Mend("S07", f"`{written}` is not part of the language", (hint,), type_, text, sure)


_EQUALITY = "write `==` to compare and `!=` for its opposite"
_SYMBOLS = {
    mend.message.split("`")[1]: mend
    for mend in (
        _symbol("&&", "write `and`", "AND", "and"),
        _symbol("&", "write `and`", "AND", "and"),
        _symbol("||", "write `or` between conditions, concat(a, b) for texts", "OR", "or"),
        _symbol("!", "write `not`", "NOT", "not"),
        _symbol("~", "write `not`", "NOT", "not"),
        _symbol("|>", "the pipe is written `|`", "BAR", "|"),
        _symbol("%>%", "the pipe is written `|`", "BAR", "|"),
        _symbol(":=", "bind with `=`: name = expression", "EQUAL", "="),
        _symbol("===", _EQUALITY, "COMPARISON", "=="),
        _symbol("!==", _EQUALITY, "COMPARISON", "!="),
        _symbol("<>", _EQUALITY, "COMPARISON", "!="),
        _symbol("=>", "greater or equal is `>=`; an argument is name=value", "COMPARISON", ">="),
        _symbol("->", "leave it out: a call is written operator(arguments)", sure=False),
        _symbol("=~", 'write: column matches r"..."', "MATCHES", "matches"),
        _symbol("**", "there is no power operator; multiply", "TIMES", "*"),
        _symbol("^", "there is no power operator; multiply", "TIMES", "*"),
        _symbol("::", "convert with to_int(x), to_float(x), to_date(x, format)", sure=False),
        _symbol("??", "write coalesce(x, default)", sure=False),
        _symbol(";", "leave it out: a statement ends where the next begins"),
        _symbol("$", "write the bare name"),
        _symbol("\\", "leave it out: line ends do not matter"),
    )
}

# ---- whole words, which the grammar takes for names and stumbles over later ----

_IF = "write if(condition, a, b), which is a function"
_LOOP = "there are no loops: operators such as derive, where and group work on all rows"
_BIND = "bind with: name = expression"
_SQL = "pipe a table through operators: table | where(...) | group(by=..., n=count()) | select(...)"
_DEFINE = "there are no definitions: bind each step with name = expression"
_ALIAS = "the new name stands first: n=count()"
_DOWN = "sort(n) goes upwards, sort(-n) downwards"
_NONE = "leave it out: a program is statements such as name = expression, show and answer"
FOREIGN_WORDS: dict[str, str] = (
    {"lambda": "leave lambda out: a bare column name is the row's value, as in where(n > 3)"}
    | dict.fromkeys(("def", "function", "fn", "class"), _DEFINE)
    | dict.fromkeys(("for", "while", "foreach"), _LOOP)
    | dict.fromkeys(("if", "else", "elif", "then", "case", "when", "CASE", "WHEN"), _IF)
    | dict.fromkeys(("import", "require"), "nothing is imported: every operator is at hand")
    | dict.fromkeys(("let", "const", "var", "val", "set"), _BIND)
    | dict.fromkeys(("return", "yield"), "write: answer expression")
    | {"print": "write: show expression"}
    | dict.fromkeys(("SELECT", "FROM", "WHERE", "JOIN", "WITH", "HAVING", "LIMIT", "UNION", "CREATE", "from"), _SQL)
    | dict.fromkeys(("GROUP", "ORDER", "BY", "INSERT", "UPDATE", "DELETE"), _SQL)
    | dict.fromkeys(("AND", "OR", "NOT", "IN", "IS", "BETWEEN", "MATCHES"), "it is written in small letters")
    | dict.fromkeys(("as", "AS"), _ALIAS)
    | dict.fromkeys(("asc", "desc", "ASC", "DESC"), _DOWN)
    | dict.fromkeys(("contains", "has"), 'it is a function: contains(x, "...")')
    | dict.fromkeys(("startswith", "starts_with"), 'it is a function: starts_with(x, "...")')
    | dict.fromkeys(("endswith", "ends_with"), 'it is a function: ends_with(x, "...")')
    | dict.fromkeys(("regexp", "regex", "glob"), 'write x matches r"..."')
    | dict.fromkeys(("like", "LIKE", "ilike", "ILIKE", "rlike"), 'write contains(x, "...") or x matches r"..."')
    | dict.fromkeys(("try", "except", "with", "async", "await", "assert", "raise", "pass", "del", "global"), _NONE)
)

MODULES = frozenset("re math json datetime statistics string np pd numpy pandas random".split())
"""What is imported elsewhere, and written before a dot."""
OF_PATTERNS: dict[str, str] = {
    "sub": 'write regex_replace(x, r"pattern", new)',
    "search": 'write x matches r"pattern", or regex_extract(x, r"pattern")',
    "match": 'write x matches r"^pattern"',
    "fullmatch": 'write x matches r"^(?:pattern)$"',
    "findall": 'write count_matches(x, r"pattern"), or t | extract(r"(?P<name>pattern)", on=x, all=true)',
    "finditer": 'write t | extract(r"(?P<name>pattern)", on=x, all=true)',
    "split": 'write t | partition(by=r"pattern", on=x)',
    "compile": 'write x matches r"pattern"; a pattern stands where it is used',
}
"""What a method of Python's `re` is called here."""


def capital(written: str, span: Span) -> tuple[str, Diagnostic]:
    """The type of the word that `True`, `NULL`, ... stand for, and the problem."""
    plain = CAPITALS[written]
    hint = f"write `{plain}`; a column of this name is written in backticks"
    return plain.upper(), Diagnostic("S07", f"`{written}` is not part of the language", span, (hint,))


def mend(kind: str, written: str, span: Span) -> Mend | None:
    """What the foreign or broken word was meant to be; None for a word of the grammar."""
    match kind:
        case "SYMBOL":
            return _SYMBOLS[written]
        case "PREFIX":
            return _prefix(written)
        case "OPEN_LONG" | "OPEN_TEXT" | "OPEN_NAME":
            return _unclosed(kind, written, span)
        case "BARE_DATE" | "BAD_MOMENT":
            return _date(written, span)
        case "POINT_FIRST" | "BAD_NUMBER":
            return _number(written, span)
        case "FENCE":
            return Mend("S07", "a program stands without Markdown fences", ("leave the line with ``` out",))
        case "REMARK":
            return Mend("S07", f"`{written[:2]}` does not start a comment here", (_remark_hint(written),))
        case "CURLY":
            return _curly(written, span)
        case "ODD_NAME":
            return Mend("S08", f"`{written}` is not a plain name", (_backticks(written),), "NAME")
        case "ODD_BLANK" | "STRAY":
            return _stray(kind, written)
        case _:
            return None


def _curly(written: str, span: Span) -> Mend:
    literal = Text(written[1:-1], False, span)
    hint = f'write "{written[1:-1]}"'
    return Mend("S06", "typographic quotes do not enclose a text", (hint,), "TEXT", literal=literal)


def _prefix(written: str) -> Mend:
    hint = 'leave the prefix out; only r"..." has one'
    if "f" in written.lower():
        hint = 'leave the f out: an instruction fills {name} in by itself; else use format("{}: {}", a, b)'
    if "r" in written.lower():
        hint = 'write r"..."'
    return Mend("S07", f"a text has no prefix `{written}`", (hint,))


def _unclosed(kind: str, written: str, span: Span) -> Mend:
    """A text or name that never ends; it is taken to the end of its line, or of the program."""
    if kind == "OPEN_NAME":
        hint = "close it with ` on the same line"
        return Mend("S02", "the name in backticks does not end", (hint,), "NAME", sure=False)
    quote = written.removeprefix("r")[0]
    hint = f"close it with {quote} on the same line; several lines stand between {quote * 3} and {quote * 3}"
    hint = f"close it with {quote * 3}" if kind == "OPEN_LONG" else hint
    return Mend("S02", "the text does not end", (hint,), "TEXT", sure=False, literal=Text("", False, span))


def _date(written: str, span: Span) -> Mend:
    """A date without `@`, or one that is not written in full."""
    whole = written.removeprefix("@").replace(" ", "T")
    message = "a date starts with `@`" if written[0] != "@" else "the date is not written in full"
    hint = f"write @{whole}" if written[0] != "@" and written == whole else SAMPLE_DATES
    return Mend("S05", message, (hint,), "MOMENT", literal=Moment(whole, span))


def _number(written: str, span: Span) -> Mend:
    hint = f"write 0{written}" if written[0] == "." else "digits may be parted by single `_`: 1_000, 0.5, 1e6"
    return Mend("S04", f"`{written[:40]}` is not a number", (hint,), "NUMBER", literal=Number(0, span))


def _remark_hint(written: str) -> str:
    also = {"//": "; `//` divides within a line", "--": "; twice negative is -(-x)"}
    return "a comment starts with `#`" + also.get(written[:2], "")


def _backticks(name: str) -> str:
    return f"plain names have the letters a-z, digits and `_`; write {name} in backticks"


def _stray(kind: str, written: str) -> Mend:
    """A character that starts no word; NULs and surrogates are reported for the whole text at once."""
    if written == "\0" or "\ud800" <= written <= "\udfff":
        return Mend("S06", "")
    plain = unicodedata.normalize("NFKC", written)
    if kind == "ODD_BLANK" or not plain.strip():
        return Mend("S06", f"{_called(written[0])} is no blank here", ("use the plain blank",))
    known = plain.isascii() and plain.isprintable() and plain != written
    hint = f"write {plain}" if known else 'it may stand in a text ("..."), a comment or a name in backticks'
    return Mend("S06", f"{_called(written)} starts no word of the language", (hint,), sure=False)


def _called(character: str) -> str:
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")
