r"""RE2 patterns: checking them before anything runs, and saying what RE2 lacks.

In: a pattern's text. Out: its named groups, or a problem with the way to say it in this language.
Law: a pattern that passes here is accepted by the engine, which runs RE2 too; what RE2 lacks, or takes and reads
otherwise than people expect, is named here and never reaches the engine. docs/patterns.md holds the whole list.

The checker's RE2 and the engine's are two builds of one library. Where the checker's takes more (`(?<name>..)`, larger
programs), the pattern is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

MEMORY = 4 << 20
"""Bytes that a compiled pattern may take here: half of what the engine gives, which wraps patterns in a little more."""


@dataclass(frozen=True, slots=True)
class BadPattern:
    """What is wrong with a pattern, and what to write instead."""

    message: str
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a pattern: an escape, a class in brackets, a quoted part, a group's head, a repetition."""

    kind: str
    start: int
    text: str


PIECES = re.compile(
    r"""
    (?P<quoted> \\Q .*? (?: \\E | \Z ) )
    | (?P<escape> \\ (?: [pPx]\{[^}\\]*\} | . )? )
    | (?P<class> \[ \^? \]? (?: \[:\^?\w*:\] | \\. | [^\]\\] )* (?: \] | \\?\Z ) )
    | (?P<group> \( (?: \?P?<[^=!>][^>(]*> | [?*] )? )
    | (?P<repeat> [*+?] | \{\d+(?:,\d*)?\} | \{,\d*\} )
    """,
    re.VERBOSE | re.DOTALL,
)
IN_CLASS = re.compile(r"\[:\^?\w*:\]|\\(?:[pPx]\{[^}]*\}|.)", re.DOTALL)

TWICE = "filter twice: grep(..) | grep(.., invert=true), or `extract` a wider group"
COMPARE = "extract both parts and compare them with `where(a == b)`"
NO_BACKTRACKING = "RE2 never backtracks"
WRITE_AGAIN = "write the part again in its place; for nested texts use parse_json, json or partition"
LINE_END = r"write \r?\n"
ASCII_ONLY = r"leave it out: \w \d \s \b are ASCII only; for letters of every language write \pL"
FLAGS = "[a-zA-Z-]{0,16}"
EMPTY_GROUP = r"\(\?[imsU-]*:(?:\(\?[imsU-]*\)|\\Q\\E)*\)"
"""A group that can hold nothing: DuckDB's optimizer makes `regexp_matches(s, '(?:)a')` an equality with 'a'."""
NO_CODE = "compute with `derive` or `where` on what `extract` gives"


@dataclass(frozen=True, slots=True)
class Lack:
    """A construct: the kind of piece it begins with, how it goes on, its name, and what to write instead."""

    kind: str
    seen: str
    what: str
    instead: str


LACKING: tuple[Lack, ...] = (
    Lack("group", r"\(\?<?[=!]", "look-around", TWICE),
    Lack("escape", r"\\[1-9](?![0-7])", "back-references", COMPARE),
    Lack("escape", r"\\k[<{']", "back-references", COMPARE),
    Lack("group", r"\(\?P=", "back-references", COMPARE),
    Lack("group", r"\(\?(?:R\)|[+-]?\d|&|P>)", "subroutine calls and recursion", WRITE_AGAIN),
    Lack("escape", r"\\g", "subroutine calls and recursion", WRITE_AGAIN),
    Lack("group", r"\(\?>", "atomic groups", f"use a plain group (?:...): {NO_BACKTRACKING}"),
    Lack("repeat", r"(?:[*+?]|\{\d+(?:,\d*)?\})\+", "possessive quantifiers", f"use the plain one: {NO_BACKTRACKING}"),
    Lack("group", r"\(\?\(", "conditionals", "use two patterns, or where(a matches r'..' and b matches r'..')"),
    Lack("group", r"\(\?\|", "branch reset groups", "name each branch's group, then coalesce(a, b) in `derive`"),
    Lack("group", r"\(\?~", "absent groups", TWICE),
    Lack("group", r"\(\?\??\{", "code in patterns", NO_CODE),
    Lack("group", r"\(\?C", "callouts", NO_CODE),
    Lack("group", r"\(\*", "verbs such as (*SKIP)", f"leave it out: {NO_BACKTRACKING}"),
    Lack(
        "group", r"\(\?#", "comments and (?x)", "write the pattern without them; a comment of the program begins with #"
    ),
    Lack("group", rf"\(\?{FLAGS}x{FLAGS}[:)]", "comments and (?x)", "write the pattern without blanks and comments"),
    Lack("group", rf"\(\?{FLAGS}[aLu]{FLAGS}[:)]", "flags a, L and u", ASCII_ONLY),
    Lack("group", r"\(\?\^", "(?^)", "name the flags to switch off: (?-ims)"),
    Lack("group", rf"\(\?{FLAGS}[A-TV-Za-hj-ln-rt-z]{FLAGS}[:)]", "flags but i, m, s and U", "leave it out"),
    Lack("group", r"\(\?'", "(?'name'...)", "name a group with (?P<name>...)"),
    Lack("group", r"\(\?<", "(?<name>...)", "name a group with (?P<name>...)"),
    Lack("escape", r"\\[bB]\{", r"\b{start} and \b{end}", r"use \b"),
    Lack("escape", r"\\Z", r"\Z", r"use \z, or \n?\z to allow a last line end"),
    Lack("escape", r"\\G", r"\G", r"use ^ or \A; for every match, extract(.., all=true)"),
    Lack("escape", r"\\K", r"\K", "extract what comes after as a named group"),
    Lack("escape", r"\\R", r"\R", LINE_END),
    Lack("escape", r"\\X", r"\X", r"write .\pM* for a character with its marks"),
    Lack("escape", r"\\h", r"\h", r"write [ \t], or [\t\p{Zs}] for every blank of Unicode"),
    Lack("escape", r"\\H", r"\H", r"write [^ \t], or [^\t\p{Zs}]"),
    Lack("escape", r"\\V", r"\V", r"write [^\n\r]"),
    Lack("escape", r"\\N", r"\N", r"write the character itself or \x{20ac}; for no line end write [^\n]"),
    Lack("escape", r"\\[uU]", r"\u escapes", r"write the character itself or \x{20ac}"),
    Lack("escape", r"\\e", r"\e", r"write \x1b"),
    Lack("escape", r"\\c", r"\c", r"write the control character as \x01"),
    Lack("escape", r"\\o", r"\o", r"write the character as \x{61}"),
    Lack("escape", r"\\[ymM]", "word edges but \\b and \\B", r"use \b"),
    Lack("escape", r"\\E", r"\E without \Q", r"escape each sign by itself: \. \("),
)
"""Constructs that RE2 (or the engine's build of it) lacks."""

MISREAD: tuple[Lack, ...] = (
    Lack("escape", r"\\C", r"\C would match a single byte, half of a character", "write . or (?s:.)"),
    Lack(
        "escape",
        r"\\[1-7][0-7]",
        r"RE2 reads \1 with more digits as the number of a character, not as a back-reference",
        rf"write the character as \x{{0a}}; for a back-reference, {COMPARE}",
    ),
    Lack("group", EMPTY_GROUP, "the engine reads an empty group (?:) wrongly", "leave it out, or write ()"),
    Lack("repeat", r"\{,\d*\}", "RE2 reads {,n} as these very signs, not as a repetition", "write {0,n}"),
    Lack("class", r"\[:\^?\w+:\]\Z", "[:name:] outside brackets is a set of its letters", "write [[:alpha:]]"),
    Lack("class", r".*\[=[^]]*=\]", "RE2 reads [[=a=]] as a set of these signs", r"write the letters: [aàáâ]"),
    Lack("class", r".*\[\.[^]]*\.\]", "RE2 reads [[.a.]] as a set of these signs", "write the letters themselves"),
    Lack("class", r".*&&", "RE2 has no && in brackets: it reads both as signs", f"write the set out, or {TWICE}"),
    Lack("class", r".*(?:--|~~)\[", "RE2 has no sets less sets: it reads the signs", f"write the set out, or {TWICE}"),
)
r"""Constructs that RE2 takes, but reads otherwise than people expect (`\b{start}` too, which stands above)."""

SETS: Mapping[str, str] = {
    "alphabetic": r"\pL",
    "alpha": r"\pL",
    "letter": r"\pL",
    "l&": r"[\p{Lu}\p{Ll}\p{Lt}]",
    "lc": r"[\p{Lu}\p{Ll}\p{Lt}]",
    "cased": r"[\p{Lu}\p{Ll}\p{Lt}]",
    "casedletter": r"[\p{Lu}\p{Ll}\p{Lt}]",
    "uppercase": r"\p{Lu}",
    "upper": r"\p{Lu}",
    "uppercaseletter": r"\p{Lu}",
    "lowercase": r"\p{Ll}",
    "lower": r"\p{Ll}",
    "lowercaseletter": r"\p{Ll}",
    **{
        name: rf"\p{{{code}}}"
        for name, code in zip(
            "titlecaseletter modifierletter otherletter nonspacingmark spacingmark enclosingmark decimalnumber "
            "letternumber othernumber connectorpunctuation dashpunctuation openpunctuation closepunctuation "
            "initialpunctuation finalpunctuation otherpunctuation mathsymbol math modifiersymbol othersymbol "
            "spaceseparator lineseparator paragraphseparator format surrogate privateuse".split(),
            "Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sm Sk So Zs Zl Zp Cf Cs Co".split(),
            strict=True,
        )
    },
    "mark": r"\pM",
    "number": r"\pN",
    "digit": r"\p{Nd}",
    "alnum": r"[\pL\p{Nd}]",
    "xan": r"[\pL\pN]",
    "word": r"[\pL\pM\p{Nd}_]",
    "xwd": r"[\pL\pN_]",
    "punctuation": r"\pP",
    "punct": r"\pP",
    "symbol": r"\pS",
    "currencysymbol": r"\p{Sc}",
    "separator": r"\pZ",
    "whitespace": r"[\s\v\x{85}\pZ]",
    "space": r"[\s\v\x{85}\pZ]",
    "xsp": r"[\s\v\x{85}\pZ]",
    "control": r"\p{Cc}",
    "cntrl": r"\p{Cc}",
    "other": r"\pC",
    "unassigned": r"[^\pL\pM\pN\pP\pS\pZ\pC]",
    "cn": r"[^\pL\pM\pN\pP\pS\pZ\pC]",
    "ascii": r"[\x00-\x7f]",
    "emoji": r"[\x{2600}-\x{27bf}\x{1f300}-\x{1faff}]",
    "emojipresentation": r"[\x{2600}-\x{27bf}\x{1f300}-\x{1faff}]",
    "extendedpictographic": r"[\x{2600}-\x{27bf}\x{1f300}-\x{1faff}]",
    "ideographic": r"\p{Han}",
    "han": r"\p{Han}",
}
"""Unicode classes that people know from elsewhere, by their name in small letters, and what to write in RE2."""

POSIX = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit"


def pieces(pattern: str) -> Iterator[Piece]:
    """The pieces of a pattern that are more than a character standing for itself, in order."""
    for found in PIECES.finditer(pattern):
        yield Piece(str(found.lastgroup), found.start(), found[0])


def lacking(pattern: str) -> BadPattern | None:
    """The first construct of the pattern that RE2 lacks or reads otherwise than people expect."""
    for piece in pieces(pattern):
        if bad := lack_of(piece, pattern):
            return bad
    return None


def lack_of(piece: Piece, pattern: str) -> BadPattern | None:
    subject, at = (piece.text, 0) if piece.kind == "class" else (pattern, piece.start)
    if piece.kind == "group" and piece.text.startswith("(?P<"):
        return None
    for lack in MISREAD:
        if lack.kind == piece.kind and re.compile(lack.seen, re.DOTALL).match(subject, at):
            return BadPattern(lack.what, (lack.instead,))
    for lack in LACKING:
        if lack.kind == piece.kind and re.compile(lack.seen, re.DOTALL).match(subject, at):
            return BadPattern(f"RE2 has no {lack.what}", (lack.instead,))
    if piece.kind == "quoted" and not piece.text.endswith(r"\E"):
        return BadPattern(r"\Q has no \E", (r"close it with \E, or escape each sign by itself: \. \(",))
    return lack_in_class(piece.text) if piece.kind == "class" else None


def lack_in_class(text: str) -> BadPattern | None:
    r"""What RE2 lacks inside brackets: \b as backspace, \R, \X and such."""
    for inner in IN_CLASS.finditer(text):
        if re.fullmatch(r"\\[bBAzZGKRXhHVNQECuUeco]", inner[0]):
            said = {r"\b": r"a backspace is \x08", r"\h": r"write \t and a blank", r"\R": r"write \r\n"}
            hint = said.get(inner[0], r"write the character itself or \x{20ac}")
            return BadPattern(f"RE2 has no {inner[0]} inside brackets", (hint,))
    return None


@cache
def problem(pattern: str) -> BadPattern | None:
    """What is wrong with a pattern, or None."""
    import re2

    if bad := lacking(pattern):
        return bad
    try:
        found = compiled(pattern)
    except re2.error as failure:
        message = failure.args[0]
        return in_our_words(message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message))
    except UnicodeEncodeError:
        return BadPattern("no valid RE2 pattern: it holds half of a surrogate pair")
    names = [piece.text[4:-1] for piece in pieces(pattern) if piece.text.startswith("(?P<")]
    if len(found.groupindex) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        return BadPattern(f"two groups are called `{twice}`", ("give each its name, then coalesce(a, b) in `derive`",))
    return None


def in_our_words(message: str) -> BadPattern:
    """What RE2 says of a pattern, with what to write instead."""
    error, _, argument = message.partition(": ")
    if error == "invalid character class range" and re.match(r"\\[pP]", argument):
        return BadPattern(f"RE2 has no Unicode class {argument}", (set_hint(argument),))
    if error == "invalid character class range" and argument.startswith("[:"):
        return BadPattern(f"RE2 has no class {argument}", (f"its names in [[:name:]]: {POSIX}",))
    if error == "invalid repetition size" and (sizes := re.fullmatch(r"\{(\d+),(\d+)\}", argument)):
        lowest, highest = (int(size) for size in sizes.groups())
        if lowest > highest:
            return BadPattern(f"{argument} goes downwards", (f"write {{{highest},{lowest}}}",))
    if error == "invalid repetition size":
        hint = "write {n,} or *, and bound the length with `where(length(x) <= 2000)`"
        return BadPattern(f"RE2 repeats at most 1,000 times, repetitions in repetitions together: {argument}", (hint,))
    if error.startswith("pattern too large"):
        return BadPattern("the pattern is too large for RE2", ("use smaller repetitions, or a list: x in [..]",))
    if error == "invalid escape sequence" and re.match(r"\\x", argument):
        hint = r"write \x41 or \x{20ac}, at most \x{10ffff}"
        return BadPattern(f"no character is written {argument}", (hint,))
    if error == "invalid escape sequence" and argument[1:] in tuple("dDsSwW"):
        return BadPattern(f"a range cannot end in {argument}", (r"put the - last: [\w.-]",))
    if error == "invalid escape sequence":
        hint = (
            "write the character without the backslash"
            if not argument[1:].isascii()
            else "escape only signs; a letter stands for itself"
        )
        return BadPattern(f"RE2 has no {argument}", (hint,))
    if error == "invalid perl operator":
        return BadPattern(f"RE2 has no group {argument}", ("its groups: (..), (?:..), (?P<name>..), (?i), (?i:..)",))
    if error == "invalid named capture group":
        hint = "a name has letters, digits and _: (?P<name>...)"
        return BadPattern(f"no valid RE2 pattern: {message}", (hint,))
    return BadPattern(f"no valid RE2 pattern: {message}", hint_for(message))


def set_hint(argument: str) -> str:
    """What to write for a Unicode class that RE2 does not know under this name."""
    name = re.sub(r"^\\[pP]\{?\^?|\}$", "", argument)
    script = re.sub(r"^(?:script(?:_?extensions)?|scx?|general_category|gc|is|in)[=:_]?", "", name, flags=re.IGNORECASE)
    for candidate in (name, script):
        key = re.sub(r"[ _-]", "", candidate).lower()
        if key in SETS:
            return f"write {SETS[key]}"
        known = candidate.title() if len(candidate) > 2 else candidate
        if known.replace("_", "").isalnum() and is_known(known):
            return rf"write \p{{{known}}}"
    return r"its classes: general categories (\pL \p{Lu} \p{Nd} \pP) and scripts (\p{Greek} \p{Han})"


def is_known(name: str) -> bool:
    import re2

    try:
        return compiled(rf"\p{{{name}}}") is not None
    except re2.error:
        return False


def hint_for(message: str) -> tuple[str, ...]:
    if "missing" in message and (")" in message or "]" in message):
        return (r"close it, or escape it to mean the character: \( \[",)
    if "unexpected )" in message:
        return (r"open it, or escape it to mean the character: \)",)
    if "repetition" in message or "repeat" in message:
        return (r"escape the character to mean itself: \* \+ \?",)
    if "range" in message:
        return (r"a range goes upwards; put a - that means itself last: [a-z-]",)
    if "trailing" in message:
        return (r"a backslash that means itself is written \\",)
    return ()


@cache
def named_groups(pattern: str) -> Mapping[str, int]:
    """The named groups of a valid pattern with their numbers, in order."""
    return dict(sorted(compiled(pattern).groupindex.items(), key=lambda item: int(item[1])))


def group_count(pattern: str) -> int:
    return int(compiled(pattern).groups)


EMPTY_LOOK = ("", "a", "ab1 _b", " ", "\n", "a\nb\n\nc", "-.é日")
"""Texts that hold every kind of place at which a pattern could match nothing."""


def matches_empty(pattern: str) -> bool:
    """Whether a valid pattern can match nothing at all, at a line end or between letters too: it separates nothing."""
    return any(found.end() == found.start() for text in EMPTY_LOOK for found in compiled(pattern).finditer(text))


@cache
def compiled(pattern: str) -> Any:
    """The pattern as RE2 has it. Raises re2.error, and UnicodeEncodeError for half of a surrogate pair."""
    import re2

    pattern.encode("utf-8")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    return re2.compile(pattern, options)
