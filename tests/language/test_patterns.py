r"""Patterns: what is refused and why, what the engine takes, and RE2 against Python's `re` on public suites.

In: patterns of every kind, the suites of RLM_DSL_REAL_DATA. Out: nothing but a verdict, and with `--accept` the tables
of docs/patterns.md. Law: a pattern is refused in words or taken by the engine; on what both RE2 and `re` have, they
differ for the causes named in CAUSES alone.
"""

from __future__ import annotations

import ast
import re
import signal
import tomllib
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rlm_dsl.api import run
from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.engine.warehouse.errors import EngineError
from rlm_dsl.language.patterns.validate import (
    IN_CLASS,
    LACKING,
    MISREAD,
    PIECES,
    SETS,
    BadPattern,
    compiled,
    lacking,
    matches_empty,
    named_groups,
    problem,
)
from rlm_dsl.language.sql import bound, joined, sql
from tests.support.paths import DOCS
from tests.support.real import REAL, needs_real_data

PAGE = DOCS / "patterns.md"

# What is refused

REFUSED: Mapping[str, str] = {
    r"(?=a)": "look-around",
    r"(?!a)": "look-around",
    r"(?<=a)": "look-around",
    r"(?<!a)": "look-around",
    r"(a)\1": "back-references",
    r"(?P<x>a)(?P=x)": "back-references",
    r"(?P<x>a)\k<x>": "back-references",
    r"(?P<x>a)\k{x}": "back-references",
    r"(?P<x>a)\k'x'": "back-references",
    r"(?R)": "subroutine calls",
    r"(a)(?1)": "subroutine calls",
    r"(a)(?-1)": "subroutine calls",
    r"(?P<x>a)(?&x)": "subroutine calls",
    r"(?P<x>a)(?P>x)": "subroutine calls",
    r"(a)\g<1>": "subroutine calls",
    r"(a)\g{1}": "subroutine calls",
    r"(?>a)": "atomic groups",
    r"a*+": "possessive quantifiers",
    r"a++": "possessive quantifiers",
    r"a?+": "possessive quantifiers",
    r"a{2,}+": "possessive quantifiers",
    r"(a)?(?(1)b|c)": "conditionals",
    r"(?|(a)|(b))": "branch reset groups",
    r"(?~ab)": "absent groups",
    r"(?{code})": "code in patterns",
    r"(??{code})": "code in patterns",
    r"(?C1)": "callouts",
    r"(*SKIP)a": "verbs",
    r"a(?#note)": "comments",
    r"(?x)a b": "(?x)",
    r"(?ix:a b)": "(?x)",
    r"(?a)\w": "flags a, L and u",
    r"(?L)\w": "flags a, L and u",
    r"(?u)\w": "flags a, L and u",
    r"(?u:\w)": "flags a, L and u",
    r"(?n)a": "flags but i, m, s and U",
    r"(?^)a": "(?^)",
    r"(?'x'a)": "(?'name'...)",
    r"(?<x>a)": "(?<name>...)",
    r"\b{start}a": r"\b{start}",
    r"a\b{end}": r"\b{start}",
    r"\B{start}a": r"\b{start}",
    r"a\Z": r"\Z",
    r"\Ga": r"\G",
    r"a\Kb": r"\K",
    r"a\Rb": r"\R",
    r"\X": r"\X",
    r"\h": r"\h",
    r"\H": r"\H",
    r"\V": r"\V",
    r"\N": r"\N",
    r"\N{EURO SIGN}": r"\N",
    r"\u20ac": r"\u",
    r"\U0001f600": r"\u",
    r"\e": r"\e",
    r"\cA": r"\c",
    r"\o{141}": r"\o",
    r"\ya\y": "word edges",
    r"a.b\E": r"\E without \Q",
    r"\Qa.b": r"\Q has no \E",
    r"\C": "single byte",
    r"(?:)a": "empty group",
    r"a(?i-s:)": "empty group",
    r"a(?:(?i)\Q\E)": "empty group",
    r"\123": "number of a character",
    r"a{,3}": "very signs",
    r"[:alpha:]": "set of its letters",
    r"[[=a=]]": "set of these signs",
    r"[[.a.]]": "set of these signs",
    r"[a-z&&[aeiou]]": "no && in brackets",
    r"[a-z--[aeiou]]": "no sets less sets",
    r"[[:foo:]]": "no class [:foo:]",
    r"[[:<:]]a": "no class [:<:]",
    r"\p{Alphabetic}": r"\p{Alphabetic}",
    r"\p{Emoji}": r"\p{Emoji}",
    r"\p{Script=Greek}": r"\p{Script=Greek}",
    r"\p{Lettuce}": r"\p{Lettuce}",
    r"[\b]": r"\b inside brackets",
    r"[\R]": r"\R inside brackets",
    r"[a-\d]": r"range cannot end in \d",
    r"[z-a]": "range",
    r"a{1001}": "at most 1,000",
    r"(?:a{100}){11}": "at most 1,000",
    r"a{3,2}": "goes downwards",
    r"a**": "**",
    r"*a": "repetition operator",
    r"\xg": "no character is written",
    r"\x{110000}": "no character is written",
    r"\é": r"\é",
    r"\i": r"\i",
    r"(?P<a>x)|(?P<a>y)": "two groups are called `a`",
    r"(?P<a b>x)": "named capture group",
    r"(?-)a": "no group (?-)",
    r"(a": "missing )",
    r"a)": "unexpected )",
    r"[a": "missing ]",
    "a\\": "trailing",
    "\ud800": "surrogate",
    r"\pL{500}": "too large",
}
"""A pattern for every construct that is refused, and what its message names."""

TAKEN = [
    *["", "|", "a|", "()", "(?:a|)", r"\.", r"\\1", r"\\Z", r"\\b{start}", r"[(?=a)]", r"[*+]", r"\++", r"\}+", r"a}+"],
    *[r"[\]]+", r"[]a]+", r"[^]a]++"[:-1], r"[[(]", r"[\\]\\", r"\Q(?=a)\1\E", r"\Q*+\E+", r"a{", r"a{x}", r"{", "}"],
    *[r"(?i)a", r"a(?i)b", r"(?i:a)b", r"(?-s:.)", r"(?s).", r"(?U)a+", r"(?m)^a$", r"(?P<name>a)", r"(?P<größe>a)"],
    *[r"\x{20ac}+", r"\x41", r"\pL\PL\p{Lu}\p{^Lu}\p{Greek}[\p{Han}\d]", r"[[:alpha:]_]", r"[[:^digit:]]", r"\0", "\0"],
    *[r"\012", r"[\12]", r"\a\f\n\r\t\v", r"\A\z\b\B", r"\_\-\ \"\'\/\%\@\<\>", r"[\d-z]", r"[.&-]", "é|日本|🙂"],
]
"""Patterns near to what is refused."""


@pytest.mark.parametrize(("pattern", "says"), REFUSED.items(), ids=[ascii(pattern) for pattern in REFUSED])
def test_a_construct_that_re2_lacks_is_named_with_what_to_write(pattern: str, says: str) -> None:
    bad = problem(pattern)
    assert bad is not None and says in bad.message
    assert bad.hints or says == "surrogate"
    assert all(len(text) <= 160 for text in (bad.message, *bad.hints))


@pytest.mark.parametrize("pattern", TAKEN, ids=map(ascii, TAKEN))
def test_what_only_looks_like_it_is_taken(warehouse: Warehouse, pattern: str) -> None:
    assert problem(pattern) is None
    assert engine_failure(warehouse, pattern) is None


def test_every_row_of_the_tables_is_tried() -> None:
    """No row of LACKING or MISREAD stands without a pattern in REFUSED that it refuses."""
    said = {bad.message for pattern in REFUSED if (bad := lacking(pattern))}
    assert {f"RE2 has no {lack.what}" for lack in LACKING} | {lack.what for lack in MISREAD} <= said


def test_every_set_that_is_recommended_exists() -> None:
    for written in SETS.values():
        assert problem(written) is None, written


@pytest.mark.parametrize(
    "program",
    [
        "t | grep(P, on=s)",
        "t | where(s matches P)",
        "t | derive(x=regex_extract(s, P))",
        't | derive(x=regex_replace(s, P, "b"))',
        "t | derive(x=count_matches(s, P))",
        "t | extract(P, on=s)",
        "t | partition(by=P, on=s)",
    ],
)
def test_nothing_refused_reaches_the_engine(program: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("s\na\n")
    for pattern in [r"(?P<a>a)(?=b)", r"(?<a>b)", r"(?P<a>.)\C", r"(?P<a>b)\b{start}", r"(?P<a>b)\Qa"]:
        bad = problem(pattern)
        assert bad
        with pytest.raises(ProgramError) as refused:
            run(
                f"answer {program.replace('P', f'r{pattern!r}'.replace(chr(92) * 2, chr(92)))}",
                {"t": tmp_path / "t.csv"},
            )
        assert bad.message in str(refused.value) and bad.hints[0] in str(refused.value)


# What the engine takes

PARTS = [
    *r"a b é ß \. \d \w \s \b \B \A \z ^ $ . | ( (?: (?P<n> (?P<m> (?i) (?s: (?m) (?U) ) [ ] [^ - \] \\ \Q \E".split(),
    *r"* + ? *? +? {2} {,3} {1,} {0,1000} {1001} ++ *+ {2}+ \pL \p{Lu} \p{^Greek} \PN [[:alpha:]] [[:^word:]]".split(),
    *r"[a-z] [^\d] [\pL-] \x41 \x{20ac} \x{d800} \0 \07 \123 \1 \C \X \Z \G \k<n> \u0041 \N{X} \h \R \K \cA \e".split(),
    *r"(?= (?! (?<= (?<! (?> (?# (?x) (?<n> (?P=n) (?P>n) (?( (?| (?R) (?1) (?^) (?a) (?u) (?-) (?) (* ( ?".split(),
    *[" ", "\n", "\t", "\0", "\ud800", "🙂", "{", "}", "<", ">", "=", ":", ",", "&&", "--", "[:alpha:]", "[=a=]"],
    *[
        "(?:a{100}){9}",
        "(?:",
        "{100}",
        r"\p{Alphabetic}",
        r"\p",
        r"\x{",
        r"[\b]",
        "[a-",
        "(?P<a-b>",
        "(?P<1>",
        "(?i",
        "(?P<",
    ],
]


def pattern_texts() -> st.SearchStrategy[str]:
    parts = st.one_of(st.sampled_from(PARTS), st.sampled_from(PARTS), st.text(max_size=3))
    return st.lists(parts, max_size=9).map("".join)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    with Warehouse(threads=1) as made:
        made.run(sql("CREATE TABLE t AS SELECT unnest(['', 'a', 'b', 'ab é' || chr(10) || 'a1', 'ß. ', NULL]) AS s"))
        yield made


def engine_failure(warehouse: Warehouse, pattern: str) -> str | None:
    """What the engine says against a pattern, in any of the ways it is used; None if it takes it."""
    given = bound(pattern, "pattern")
    groups = int(compiled(pattern).groups)
    names = joined(", ", [bound(f"g{n}", "group") for n in range(1, groups + 1)])
    parts = sql("regexp_extract(s, {p}, [{n}])", p=given, n=names) if groups else sql("NULL")
    try:
        warehouse.rows(
            sql(
                "SELECT regexp_matches(s, {p}), regexp_extract(s, {p}), {parts}, "
                "regexp_extract_all(s, {p}), string_split_regex(s, {p}), regexp_extract(s, {before}, 1), "
                "regexp_replace(s, {p}, chr(92) || '0', 'g') "
                "FROM (SELECT unnest(['', 'ab é' || chr(10) || 'a1', NULL]) AS s)",
                p=given,
                parts=parts,
                before=bound(f"^((?s:.*?))(?:{pattern})", "before_match"),
            )
        )
    except EngineError as failure:
        return str(failure)
    return None


def check_a_pattern(warehouse: Warehouse, pattern: str) -> None:
    bad = problem(pattern)
    assert bad is None or (isinstance(bad, BadPattern) and bad.message)
    if bad is None:
        assert engine_failure(warehouse, pattern) is None
        found = warehouse.rows(sql("SELECT s, regexp_matches(s, {p}) FROM t WHERE s IS NOT NULL", p=bound(pattern)))
        assert dict(found) == {text: compiled(pattern).search(text) is not None for text, _ in found}
        assert set(named_groups(pattern).values()) <= set(range(1, compiled(pattern).groups + 1))
        empty = warehouse.rows(sql("SELECT regexp_matches('', {p})", p=bound(pattern)))[0][0]
        assert matches_empty(pattern) or not empty
        return
    told = lacking(pattern)
    if told and told.message in ALARMS:
        with pytest.raises((EngineError, UnicodeEncodeError)):
            warehouse.rows(sql("SELECT regexp_matches(s, {p}) FROM t", p=bound(pattern)))


ALARMS = {f"RE2 has no {lack.what}" for lack in LACKING} - {r"RE2 has no \b{start} and \b{end}"}
"""What is said to be lacking, and is refused by the engine itself: no false alarm."""


@given(pattern_texts())
@example("(?i)" + "\\pL" * 300)
@example("[" * 20_000)
@example("(?<a" * 20_000)
@example("\\p{" * 20_000)
@example("(?:" * 2_000 + "a" + ")" * 2_000)
@example("(a)" * 30)
def test_a_pattern_is_refused_in_words_or_taken_by_the_engine(warehouse: Warehouse, pattern: str) -> None:
    check_a_pattern(warehouse, pattern)


@pytest.mark.proof
@settings(deadline=None, max_examples=20_000)
@given(pattern_texts())
def test_many_patterns_are_refused_in_words_or_taken_by_the_engine(warehouse: Warehouse, pattern: str) -> None:
    check_a_pattern(warehouse, pattern)


def test_a_pattern_that_just_passes_fits_what_the_engine_makes_of_it(warehouse: Warehouse) -> None:
    """`extract` puts more in front of a pattern; the checker's limit leaves room for it."""
    low, high = 190, 250
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if problem(r"\pL" * middle) is None else (low, middle - 1)
    assert 190 < low < 250 and engine_failure(warehouse, r"\pL" * low) is None


# RE2 against `re`

Span = tuple[int, int]
Found = tuple[Span, ...] | None
"""The first match's span and its groups', in characters, (-1, -1) for a group that took no part; None for no match."""


@dataclass(frozen=True, slots=True)
class Case:
    """A pattern and a text of a suite; `gold` is what the suite says of it, where it says that of RE2."""

    suite: str
    pattern: str
    text: str
    gold: tuple[Found] | None = None


class OnlyRe2(Exception):
    """A construct that `re` has not."""


SETS_OF_LETTERS = {
    r"\d": "0-9",
    r"\D": r"\x00-/:-\U0010ffff",
    r"\w": "0-9A-Z_a-z",
    r"\W": r"\x00-/:-@\[-\^`{-\U0010ffff",
    r"\s": r"\t\n\x0b\f\r ",
    r"\S": r"\x00-\x08\x0e-\x1f!-\U0010ffff",
}
NO_TAB = {r"\s": r"\t\n\f\r ", r"\S": r"\x00-\x08\x0b\x0e-\x1f!-\U0010ffff"}
EDGE = r"(?:(?<![0-9A-Za-z_])(?=[0-9A-Za-z_])|(?<=[0-9A-Za-z_])(?![0-9A-Za-z_]))"
NO_EDGE = r"(?:(?<![0-9A-Za-z_])(?![0-9A-Za-z_])|(?<=[0-9A-Za-z_])(?=[0-9A-Za-z_]))"
POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\x0b\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Z_a-z",
    "xdigit": "0-9A-Fa-f",
}
ASCII, TAB, DOLLAR = "ASCII-only classes", r"\s without the vertical tab", "$ at the end only"
DOTLESS, EMPTY = "Turkish i", "empty repetition"
CAUSES: Mapping[str, str] = {
    ASCII: r"`\w \d \s \b` are ASCII in RE2 and Unicode in `re`",
    TAB: r"RE2's `\s` is `[\t\n\f\r ]`; `re` has the vertical tab in it too",
    DOLLAR: r"`$` without `(?m)` is the very end in RE2, and in `re` also before a last line end",
    DOTLESS: "under `(?i)`, `re` takes i, I, İ and ı for one letter; RE2 folds i and I, and neither İ nor ı",
    EMPTY: "a repetition whose inside matched nothing: the two stop it differently, and keep other groups of it",
}
"""Why RE2 and `re` differ. All but the last are proved case by case: `re` agrees once it is told the same."""
REWRITTEN = (ASCII, TAB, DOLLAR, DOTLESS)
APART = str.maketrans({"İ": "\ue000", "ı": "\ue001"})


def for_re(pattern: str, causes: Iterable[str] = ()) -> str:
    """The pattern as `re` spells it, and with RE2's meaning where a cause says so. Raises OnlyRe2."""
    made, at = [], 0
    for found in PIECES.finditer(pattern):
        made += [plain(pattern[at : found.start()], causes), piece_for_re(str(found.lastgroup), found[0], causes)]
        if found[0] == "(?" and (flags := re.match(r"[a-zA-Z-]*", pattern[found.end() :])) and "U" in flags[0]:
            raise OnlyRe2("(?U)")
        at = found.end()
    return "".join([*made, plain(pattern[at:], causes)])


def plain(text: str, causes: Iterable[str]) -> str:
    return text.replace("$", r"(?!\n)$") if DOLLAR in causes else text


def piece_for_re(kind: str, text: str, causes: Iterable[str]) -> str:
    if kind == "quoted":
        return re.escape(text[2:].removesuffix(r"\E"))
    if kind == "escape":
        return escape_for_re(text, causes, inside=False)
    if kind != "class":
        return text
    head = re.match(r"\[\^?\]?", text)
    assert head
    made, at = [head[0]], head.end()
    for found in IN_CLASS.finditer(text, at):
        made += [text[at : found.start()].replace("[", r"\["), escape_for_re(found[0], causes, inside=True)]
        at = found.end()
    return "".join([*made, text[at:].replace("[", r"\[")])


def escape_for_re(text: str, causes: Iterable[str], inside: bool) -> str:
    if text.startswith("[:"):
        name = text.strip("[:]")
        if name.startswith("^"):
            raise OnlyRe2("[[:^name:]]")
        return POSIX[name]
    if text[:2] in (r"\p", r"\P"):
        raise OnlyRe2("Unicode classes")
    if text.startswith(r"\x{"):
        return f"\\U{int(text[3:-1], 16):08x}"
    if ASCII in causes and text in (r"\b", r"\B"):
        return EDGE if text == r"\b" else NO_EDGE
    sets = {**(SETS_OF_LETTERS if ASCII in causes else {}), **(NO_TAB if TAB in causes else {})}
    if text in sets:
        return sets[text] if inside else f"[{sets[text]}]"
    return r"\Z" if text == r"\z" else text


def spans(match: Any) -> Found:
    return None if match is None else tuple(match.span(group) for group in range(match.re.groups + 1))


def empty_repetition(pattern: str) -> bool:
    """Whether something that can match nothing is repeated."""
    from re import _parser  # type: ignore[attr-defined]

    def looks(items: Any) -> bool:
        for operator, value in items:
            if str(operator) in ("MAX_REPEAT", "MIN_REPEAT") and value[1] > 1 and value[2].getwidth()[0] == 0:
                return True
            inner = value if isinstance(value, tuple | list) else (value,)
            nested = chain.from_iterable(part if isinstance(part, list) else [part] for part in inner)
            if any(looks(part) for part in nested if isinstance(part, _parser.SubPattern)):
                return True
        return False

    return looks(_parser.parse(pattern))


def by_re(pattern: str, text: str) -> Found:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return spans(re.search(pattern, text))


def verdict(case: Case, found: Found) -> str:
    """How RE2 and `re` compare on a case: `equal`, a cause, or why one of them has no say."""
    try:
        expected = by_re(for_re(case.pattern), case.text)
    except OnlyRe2 as reason:
        return f"only RE2 has {reason}"
    except re.error as failure:
        return f"re refuses: {failure.msg}"
    if expected == found:
        return "equal"
    for size in range(1, len(REWRITTEN) + 1):
        for causes in combinations(REWRITTEN, size):
            pattern, text = for_re(case.pattern, causes), case.text
            if DOTLESS in causes:
                pattern, text = pattern.translate(APART), text.translate(APART)
            if by_re(pattern, text) == found:
                return " + ".join(causes)
    if empty_repetition(for_re(case.pattern)):
        return EMPTY
    return f"UNEXPLAINED: {case.pattern!r} on {case.text!r}: RE2 {found}, re {expected}"


def engine_texts(warehouse: Warehouse, pattern: str, texts: list[str]) -> list[tuple[str, ...] | None]:
    """What the engine finds first in each text: the match and its groups as texts ('' for none), or None."""
    number = int(compiled(pattern).groups)
    given = bound(pattern, "pattern")
    names = joined(", ", [bound(f"g{group}", "group") for group in range(1, number + 1)])
    groups = sql("regexp_extract(s, {p}, [{names}])", p=given, names=names) if number else sql("NULL")
    rows = warehouse.rows(
        sql(
            "SELECT regexp_matches(s, {p}), regexp_extract(s, {p}), {groups} "
            "FROM (SELECT unnest({t}) AS s, generate_subscripts({t}, 1) AS i) ORDER BY i",
            p=given,
            groups=groups,
            t=bound(texts, "texts", "VARCHAR[]"),
        )
    )
    return [(first, *(parts or {}).values()) if matches else None for matches, first, parts in rows]


def compared(warehouse: Warehouse, cases: Iterable[Case]) -> Counter[tuple[str, str]]:
    """Counts by suite and verdict. The engine and the checker's RE2 agree on every case, and with the suite's gold."""
    by_pattern: dict[str, list[Case]] = {}
    for case in cases:
        by_pattern.setdefault(case.pattern, []).append(case)
    counts: Counter[tuple[str, str]] = Counter()
    for pattern, held in by_pattern.items():
        if bad := problem(pattern):
            for case in held:
                counts[case.suite, f"refused: {kind_of(bad)}"] += 1
            continue
        engine = engine_texts(warehouse, pattern, [case.text for case in held])
        for case, texts in zip(held, engine, strict=True):
            found = spans(compiled(pattern).search(case.text))
            cut = None if found is None else tuple(case.text[a:b] if a >= 0 else "" for a, b in found)
            assert texts == cut, (case, texts, cut)
            assert case.gold is None or case.gold[0] == found, (case, found)
            counts[case.suite, verdict(case, found)] += 1
    return counts


def kind_of(bad: BadPattern) -> str:
    """A refusal without what is the pattern's own."""
    return re.sub(r"(: | `| \\p).*", "", bad.message)


# The suites


def rust_cases() -> Iterator[Case | str]:
    """The Rust regex suite; a reason instead of a case for those about options that a pattern cannot say."""
    for path in sorted((REAL / "regex-suites").glob("*.toml")):
        for test in tomllib.loads(path.read_text())["test"]:
            odd = {"bounds", "search-kind", "match-kind", "line-terminator"} & test.keys()
            if odd:
                yield f"option {min(odd)}"
                continue
            pattern, text = test["regex"], test["haystack"]
            if test.get("unescape"):
                held = ast.literal_eval("b'" + text.replace("'", r"\'") + "'")
                try:
                    text = held.decode()
                except UnicodeDecodeError:
                    yield "invalid UTF-8"
                    continue
            pattern = rf"\A(?:{pattern})" if test.get("anchored") else pattern
            yield Case("regex-suites", f"(?i){pattern}" if test.get("case-insensitive") else pattern, text)


def re2_cases() -> Iterator[Case]:
    """re2-search.txt: strings, then patterns, each with a line of results for each string."""
    texts: list[str] = []
    reading = ""
    lines = iter((REAL / "re2" / "re2-search.txt").read_text().splitlines())
    for line in lines:
        if line in ("strings", "regexps"):
            reading = line
            texts = [] if line == "strings" else texts
        elif line.startswith('"') and reading == "strings":
            texts.append(unquoted(line))
        elif line.startswith('"'):
            pattern = unquoted(line)
            for text in texts:
                first = next(lines).split(";")[1]
                yield Case("re2", pattern, text, (gold_spans(first, pattern, text),))


def unquoted(line: str) -> str:
    """A text as Go writes it in quotes."""
    held = ast.literal_eval("b" + line) if line.isascii() else line.strip('"').encode()
    return str(held.decode())


def gold_spans(written: str, pattern: str, text: str) -> Found:
    """`0-2 1-2 -`: the spans, in bytes, of the match and its groups; last groups that took no part are left out."""
    if written == "-":
        return None
    raw, groups = text.encode(), compiled(pattern).groups if problem(pattern) is None else 0

    def span(part: str) -> Span:
        a, b = (-1, -1) if part == "-" else (len(raw[: int(n)].decode()) for n in part.split("-"))
        return a, b

    read = [span(part) for part in written.split(" ")]
    return (*read, *[(-1, -1)] * (groups + 1 - len(read)))


NAMED = {"<num>": "[0-9]", "<cap>": "[A-Z]", "<low>": "[a-z]", "<let>": "[A-Za-z]", "<any>": "(?s:.)"}
NAMED["<spec>"] = r"[-,;.+:!@#_$%&*=^]"


class NoSequence(Exception):
    """An intersection or a complement inside a sequence, which patterns cannot say."""


def structured(text: str) -> Any:
    """`concat(<num>,star(<low>))` as nested lists; a constant `<abc>` is a text."""
    tokens = re.findall(r"<.[^>]*>|[a-z]+|[(),]|\d+", text)

    def read() -> Any:
        token = tokens.pop(0)
        if not tokens or tokens[0] != "(" or token.startswith("<"):
            return token
        parts = [token]
        while tokens.pop(0) != ")":
            parts.append(read())
        return parts

    return read()


def as_pattern(tree: Any) -> str:
    if isinstance(tree, str):
        return NAMED.get(tree, re.escape(tree[1:-1]))
    match tree:
        case ["concat", *parts]:
            return "".join(f"(?:{as_pattern(part)})" for part in parts)
        case ["or", *parts]:
            return "|".join(f"(?:{as_pattern(part)})" for part in parts)
        case ["const", part]:
            return as_pattern(part)
        case ["notcc", part]:
            inner = as_pattern(part)
            return f"[^{inner[1:]}" if inner.startswith("[") else f"[^{inner}]"
        case ["optional", part]:
            return f"(?:{as_pattern(part)})?"
        case ["star", part]:
            return f"(?:{as_pattern(part)})*"
        case ["repeat", part, n]:
            return f"(?:{as_pattern(part)}){{{n}}}"
        case ["repeatatleast", part, n]:
            return f"(?:{as_pattern(part)}){{{n},}}"
        case ["repeatrange", part, n, m]:
            return f"(?:{as_pattern(part)}){{{n},{m}}}"
        case ["startwith", part]:
            return f"(?:{as_pattern(part)})(?s:.*)"
        case ["endwith", part]:
            return f"(?s:.*)(?:{as_pattern(part)})"
        case ["contain", part]:
            return f"(?s:.*)(?:{as_pattern(part)})(?s:.*)"
    raise NoSequence(tree[0])


def structured_cases() -> Iterator[tuple[list[tuple[bool, str]], list[tuple[str, bool]]]]:
    """Each description as patterns that must match (or must not) a whole text, and texts with whether it fits them.

    An intersection is two patterns, a complement one that must not match: as `grep` twice, `invert=true`, says it.
    """
    lines = (REAL / "structured-regex" / "dev.tsv").read_text().splitlines()
    for line in lines[1:]:
        _, _, written, good, bad = line.split("\t")
        examples = [*((text, True) for text in good.split(" ")), *((text, False) for text in bad.split(" "))]
        try:
            yield conditions(structured(written), True), examples
        except NoSequence:
            yield [], examples


def conditions(tree: Any, holds: bool) -> list[tuple[bool, str]]:
    match tree:
        case ["and", *parts] if holds:
            return [each for part in parts for each in conditions(part, holds)]
        case ["or", *parts] if not holds:
            return [each for part in parts for each in conditions(part, holds)]
        case ["not", part]:
            return conditions(part, not holds)
    return [(holds, rf"\A(?:{as_pattern(tree)})\z")]


OWN_PATTERNS = [
    *[r"\s", r"\S", r"a\sb", r"\w+", r"\d", r"\bé", r"[\W]", r"[[:space:]]", r"a$", r"^a$", r"(?m)a$", r"a\z"],
    *[r".", r"(?s).", r"(?s:.+)", r"a|ab", r"(a|ab)(c|bcd)(d*)", r"(a)|b", r"(?:(a)|b)*", r"(a){0}b", r"a*?", r"^*"],
    *[r"(a*)*", r"(a*)+", r"(a|b*)*", r"(|a)*", r"(|a)+", r"(a?)*?b", r"(^)*a", r"\Qa\E$", r"\x{e9}", r"\0"],
    *[r"(?i)s", r"(?i)ſ", r"(?i)k", r"(?i)ß", r"(?i)σ", r"(?i)i", r"(?i)İ", r"(?i)ı", r"(?i)µ", r"(?i)é", r"(?i)ǆ"],
    *[r"(?i)[a-z]+", r"(?i)[^s]", r"(?i)ﬀ", r"(?i)[à-ý]+", r"(?i)ᾳ", r"(?i)θ", r"(?i)Ꭰ", r"(?i)ა", r"(?i)\x{212a}"],
]
OWN_TEXTS = [
    *["", "a", "b", "ab", "a\vb", "a\x1cb", "a\x85b", "a\u00a0b", "a\n", "a\nb", "a\n\n", "\r\n", "aab", "abcd", "\0"],
    *["é", "É", "aé b", "٣", "s", "S", "ſ", "k", "K", "\u212a", "ß", "ẞ", "ss", "σ", "ς", "Σ", "i", "I", "İ", "ı", "µ"],
    *["μ", "Μ", "ǅ", "ﬀ", "FF", "Ý", "ᾼ", "ᾳ", "ϑ", "Θ", "ϴ", "Ⓐ", "ꭰ", "Ა", "\u2028", "🙂"],
]


def own_cases() -> list[Case]:
    return [Case("own", pattern, text) for pattern in OWN_PATTERNS for text in OWN_TEXTS]


def explained(counts: Counter[tuple[str, str]]) -> bool:
    wrong = [verdict for _, verdict in counts if verdict.startswith("UNEXPLAINED")]
    assert not wrong, wrong[:5]
    return True


NAMES = {
    "own": "patterns and texts of tests/language/test_patterns.py",
    "regex-suites": "the Rust regex suite",
    "re2": "re2-search.txt, whose own results RE2 and the engine give on every case",
    "structured-regex": "StructuredRegex: what descriptions mean, on their examples",
    "rebar": "rebar: every match in a novel",
}


def table(suite: str, counts: Counter[tuple[str, str]]) -> str:
    """The counts of a suite as they stand in the docs."""
    rows = sorted(((v, n) for (name, v), n in counts.items() if name == suite), key=lambda row: (-row[1], row[0]))
    listed = "".join(f"| {escaped(verdict)} | {n:,} |\n" for verdict, n in rows)
    return f"{NAMES[suite]}: {sum(n for _, n in rows):,} cases\n\n| | cases |\n|---|---|\n{listed}"


def stands_in_docs(name: str, text: str, accept: bool) -> None:
    """The part of docs/patterns.md between `<!-- name -->` and the next `<!-- end -->` is this text."""
    docs = PAGE.read_text()
    head, _, rest = docs.partition(f"<!-- {name} -->\n")
    held, mark, tail = rest.partition("<!-- end -->")
    if accept and mark:
        PAGE.write_text(f"{head}<!-- {name} -->\n{text}{mark}{tail}")
        held = text
    assert held == text


@pytest.fixture
def accepting(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--accept"))


def test_own_cases_differ_for_named_causes_alone(warehouse: Warehouse, accepting: bool) -> None:
    counts = compared(warehouse, own_cases())
    assert explained(counts) and all(any(cause in verdict for _, verdict in counts) for cause in CAUSES)
    stands_in_docs("own", table("own", counts), accepting)


def escaped(text: str) -> str:
    """A text in a cell of a Markdown table."""
    return re.sub(r"([|*_<\[`\\])", r"\\\1", text)


def cell(text: str) -> str:
    return "`{}`".format(text.replace("|", r"\|"))


def test_every_cause_and_every_refusal_is_told_in_the_docs(accepting: bool) -> None:
    told = [(pattern, problem(pattern)) for pattern in REFUSED if pattern.isprintable()]
    rows = [f"| {cell(p)} | {escaped(bad.message)} | {escaped('; '.join(bad.hints))} |\n" for p, bad in told if bad]
    assert len(rows) == len(told) == len(REFUSED) - 1
    stands_in_docs("refused", "| pattern | refused with | instead |\n|---|---|---|\n" + "".join(rows), accepting)
    causes = "".join(f"| {escaped(cause)} | {why} |\n" for cause, why in CAUSES.items())
    stands_in_docs("causes", "| cause | what differs |\n|---|---|\n" + causes, accepting)


@needs_real_data
def test_the_rust_suite_differs_for_named_causes_alone(warehouse: Warehouse, accepting: bool) -> None:
    found = list(rust_cases())
    counts = compared(warehouse, [case for case in found if isinstance(case, Case)])
    counts.update(("regex-suites", reason) for reason in found if isinstance(reason, str))
    assert explained(counts) and len(found) == 392
    stands_in_docs("regex-suites", table("regex-suites", counts), accepting)


@needs_real_data
def test_re2s_own_results_are_the_engines(warehouse: Warehouse, accepting: bool) -> None:
    cases = list(re2_cases())
    counts = compared(warehouse, cases)
    assert explained(counts) and len(cases) == 1_888
    stands_in_docs("re2", table("re2", counts), accepting)


@needs_real_data
def test_descriptions_in_words_match_their_examples(warehouse: Warehouse, accepting: bool) -> None:
    cases = []
    counts: Counter[tuple[str, str]] = Counter()
    for held, examples in structured_cases():
        if not held:
            counts["structured-regex", "an intersection inside a sequence, which no pattern says"] += len(examples)
        cases += [Case("structured-regex", pattern, text) for _, pattern in held for text, _ in examples]
        for text, fits in examples if held else []:
            assert fits == all((compiled(p).search(text) is not None) == holds for holds, p in held), (held, text)
    counts.update(compared(warehouse, dict.fromkeys(cases)))
    assert explained(counts)
    stands_in_docs("structured-regex", table("structured-regex", counts), accepting)


def novel_patterns() -> dict[str, None]:
    found = {}
    for path in sorted((REAL / "rebar" / "definitions").rglob("*.toml")):
        for bench in tomllib.loads(path.read_text()).get("bench", []):
            haystack, pattern = bench.get("haystack"), bench["regex"]
            if isinstance(haystack, dict) and haystack.get("path") == "sherlock.txt" and isinstance(pattern, str):
                found["(?i)" * bool(bench.get("case-insensitive")) + pattern] = None
    return found


def within(seconds: float, work: Callable[[], list[str]]) -> list[str] | None:
    """What the work gives, or None after so many seconds; `re` looks for signals as it goes."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    except TimeoutError:
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.proof
@needs_real_data
def test_every_match_in_a_novel(warehouse: Warehouse, accepting: bool) -> None:
    text = (REAL / "rebar" / "sherlock.txt").read_text()
    counts: Counter[tuple[str, str]] = Counter()
    for pattern in novel_patterns():
        assert problem(pattern) is None
        ours = warehouse.rows(sql("SELECT regexp_extract_all({t}, {p})", t=bound(text), p=bound(pattern)))[0][0]
        counts["rebar", novel_verdict(pattern, text, ours)] += 1
    assert explained(counts) and sum(counts.values()) == 40
    stands_in_docs("rebar", table("rebar", counts), accepting)


def novel_verdict(pattern: str, text: str, ours: list[str]) -> str:
    for causes in ((), (ASCII,)):
        try:
            spelled = re.compile(for_re(pattern, causes))
        except OnlyRe2 as reason:
            return f"only RE2 has {reason}"
        theirs = within(5, lambda again=spelled: [match[0] for match in again.finditer(text)])  # type: ignore[misc]
        if theirs is None:
            return "past the 5 seconds that `re` was given"
        if theirs == ours:
            return " + ".join(causes) or "equal"
    return f"UNEXPLAINED: {pattern!r}"
