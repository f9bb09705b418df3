"""Patterns made cheaper find the same rows: law over generated patterns, and what is done to those of every day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rlm_dsl.context.format_registry import own_column
from rlm_dsl.context.loading import load
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.patterns.conditions import Matches
from rlm_dsl.language.patterns.literals import literals_of
from rlm_dsl.language.patterns.prefilters import lookup, matching, without_idle_ends
from rlm_dsl.language.patterns.tree import Unclear, tree_of
from rlm_dsl.language.patterns.validate import compiled, named_groups, problem
from rlm_dsl.language.sql import Sql, bound, name, render, sql
from tests.support.small import answer, calls_of, planned

TEXTS = [
    *[
        "",
        "a",
        "abc",
        "abcabc",
        "xabcx",
        "ab c",
        "a.c",
        "abd",
        "ABC",
        "abc\nabd",
        "abcd",
        "xabcdx",
        "food bars",
        "foodabcd",
        "bars\nabcd",
        "\nabc",
        "foo bar",
        "foobar",
        "fooabc",
    ],
    *[
        "foo\nbar",
        "aab",
        "abab",
        "a*b",
        "(abc)",
        "é",
        "éabc",
        "foo é bar",
        "xyz abc foo",
        "abc.",
        "[abc]",
        "a\\b",
        "ſ",
        "\u212a",
        "barſ food",
        "FOO bar",
        "Bars",
        "foobaz",
        "barbaz abcd",
        "abc foo\0bar",
        "ab1 foo2",
        "xfoo",
        "foox",
        "bars.json",
    ],
]
PIECES = st.sampled_from(
    r"""
    abcd food bars abc foo a b é . .* .+ .*? x? a* b+ (abc) (?:foo) (?P<n>bar) [ab] [^a] []a] [a\]] [[:alpha:]]
    \d \w+ \. \* \( \b ^ $ (?m) (?s) (?i) (abc)? (abc|foo) (abc)* a{2} (abc){0,2} (?:ab){2} | \x61
    (?:foo|bar)baz (foo|bars?) [fb]oo [Ff]oo [a-c]b (?i:bars) (?-i:foo) (?i)k (?i)s ^foo ^(foo|bar) bars$ (foo|bars)$
    ^abc$ ^ab+c o+ (?:foo)+ (?:fo){1,2} (?i)[k-m] \.json \x{66}oo {2 [^\]] |bar| (?:a|b|) (^|x)foo foo(x|$) \A \z
    \pL \p{L} \n c{1,} (a(bc)d?) ((?i)abc) (?i:abc) (foo[(]bar) (foo\)bar) fo+o fooo? fo{0}o
    """.split()
)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    with Warehouse(threads=1) as made:
        made.connection.execute("CREATE TABLE t (n INT, s VARCHAR)")
        made.connection.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(TEXTS)))
        yield made


def holds(warehouse: Warehouse, pattern: str) -> None:
    assume(problem(pattern) is None)
    plainly = sql("regexp_matches({s}, {p})", s=name("s"), p=bound(pattern))
    found = [
        warehouse.rows(sql("SELECT n FROM t WHERE {c} ORDER BY n", c=condition))
        for condition in (plainly, matching(name("s"), pattern))
    ]
    assert found[0] == found[1], lookup(pattern)


@settings(suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, min_size=1, max_size=7).map("".join))
def test_the_same_rows_are_found(warehouse: Warehouse, pattern: str) -> None:
    holds(warehouse, pattern)


@pytest.mark.proof
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, min_size=1, max_size=9).map("".join))
def test_the_same_rows_are_found_by_thousands_of_patterns(warehouse: Warehouse, pattern: str) -> None:
    holds(warehouse, pattern)


def told(pattern: str) -> str:
    return "; ".join(lookup(pattern).rewrites)


@pytest.mark.parametrize(
    ("pattern", "query"),
    [
        ("payment failed", "(contains:yment failed AND contains:payment failed)"),
        ("FATAL", "contains:FATAL"),
        ("the user", "contains:the user"),
        ("deadlock|quota", "(contains:quota OR contains:deadlock)"),
        ("(WARN|ERROR) x", "(contains:WARN x OR contains:ERROR x)"),
        ("[Ee]rror_", "(contains:rror_ AND matches)"),
        ("^GET /", "starts_with:GET /"),
        ("^(GET|PUT) ", "(starts_with:GET  OR starts_with:PUT )"),
        (r"\.JSON$", "ends_with:.JSON"),
        ("^abc$", "=:abc"),
        ("^2024-03-1\\d", "(starts_with:2024-03-1 AND matches)"),
        (r"\d+/data\.JSON$", "(ends_with:/data.JSON AND matches)"),
        (r".*ERROR.*timeout.*", "(contains:ERROR AND matches)"),
        (r"\d{4}-\d{2}T09:", "(contains:T09: AND matches)"),
        (r"\btask\b", "(contains:task AND matches)"),
        (r"[a-z]+@\w+", "(contains:@ AND matches)"),
        (r"\b(quota|volume)s?\b", "(contains:quota OR contains:volume) AND matches"),
        ("(?i)certificate x|handshake y", "(matches OR matches)"),
        ("ERROR.*x|FATAL.*y", "((contains:FATAL AND matches) OR (contains:ERROR AND matches))"),
        ("(?i)refund", "matches"),
        (r"^\d+$", "matches"),
        (r"\d+\.\d+", "matches"),
        ("(failed|reset) n=\\d+$", "matches"),
        (
            "corrupt|bounced|expired|renewed|toggled|cipher|handshake|denied|granted|volume|mount|replica|leader|x",
            "matches",
        ),
        (r"ms=\d{3,}", "matches"),
        ("(?i)error: 404", "(contains:404 AND matches)"),
        ("a*", "matches"),
        (r"\Qabc\E", "matches"),
        ("", "matches"),
    ],
)
def test_what_is_done(pattern: str, query: str) -> None:
    shown = in_short(matching(name("s"), pattern))
    assert shown == query or shown == f"({query})"


def in_short(fragment: Sql) -> str:
    """`contains("s", 'x') AND regexp_matches(...)` as `contains:x AND matches`."""
    text, values = render(fragment)
    for parameter in sorted(values, key=len, reverse=True):
        text = text.replace(f"${parameter}", values[parameter] if parameter.startswith("pattern_text") else "")
    text = re.sub(r'(\w+)\("s", ([^)]*)\)', lambda f: "matches" if f[1] == "regexp_matches" else f"{f[1]}:{f[2]}", text)
    return re.sub(r'\("s" = (\w+)\)', r"=:\1", text)


def test_what_is_done_is_told() -> None:
    assert told(".*ERROR.*timeout.*") == (
        "the idle .* of .*ERROR.*timeout.* is taken off; rows without 'ERROR' are passed over first"
    )
    assert told("deadlock|quota") == "'deadlock' or 'quota' is looked for as plain text: no pattern is run"
    assert told("^GET /") == "'GET /' is looked for at the begin: no pattern is run"
    assert told(r"^GET /\d+") == "rows that do not begin with 'GET /' are passed over first"
    assert told("ERROR.*x|FATAL.*y").startswith("its 2 choices are looked for one by one; rows without 'ERROR'")
    assert told("FATAL") == told("(?i)refund") == told(r"\Qabc\E") == ""


ALL_LETTERS = "".join(map(chr, [*range(0x80, 0xD800), *range(0xE000, 0x110000)]))


def folding(warehouse: Warehouse, pattern: str, letters: str) -> str:
    """The letters that the engine's RE2 takes for one of the pattern, whatever their case."""
    matches = sql("regexp_extract_all({t}, {p})", t=bound(letters), p=bound(f"(?i){pattern}"))
    return "".join(warehouse.rows(sql("SELECT {p}", p=matches))[0][0])


@pytest.mark.parametrize("each_by_itself", [False, pytest.param(True, marks=pytest.mark.proof)])
def test_every_letter_that_folds_is_known(warehouse: Warehouse, each_by_itself: bool) -> None:
    """The engine's RE2 folds no other letter to one of ASCII than the tree knows."""
    letters = ALL_LETTERS if each_by_itself else folding(warehouse, r"[a-z0-9_@\-]", ALL_LETTERS)
    assert {"\u017f", "\u212a"} <= set(letters)
    for c in map(chr, range(0x80)):
        if c.isalnum() or c in "_-@":
            assert set(folding(warehouse, c, letters)) <= (getattr(tree_of(f"(?i){c}"), "chars", None) or set())


@pytest.mark.parametrize("pattern", [r"\Qa\E", r"\0", "(" * 60 + "a" + ")" * 60, "[a", "(?<n>a)", "*a"])
def test_what_is_not_read_is_unclear(pattern: str) -> None:
    with pytest.raises(Unclear):
        tree_of(pattern)
    assert lookup(pattern).condition == Matches(pattern)


def test_ends_and_texts_are_read_with_care() -> None:
    assert without_idle_ends(".*?.*x.*") == "x" and without_idle_ends("^.*x") == "^.*x"
    sets = {
        pattern: literals_of(tree_of(pattern)).sets
        for pattern in ("(ab)?food", "fo+d", "(?i)k", "(a|b)c", "a|.", "x{2,}y")
    }
    assert sets["(ab)?food"] == (frozenset({"food", "abfood"}),)
    assert sets["fo+d"] == (frozenset({"fo"}), frozenset({"od"})) and sets["a|."] == ()
    assert sets["(?i)k"] == (frozenset({"k", "K", "\u212a"}),) and sets["(a|b)c"] == (frozenset({"ac", "bc"}),)
    assert sets["x{2,}y"] == (frozenset({"xx"}), frozenset({"xy"}))


def test_a_program_gives_the_same_rows() -> None:
    table = {"t": {"s": [*TEXTS, None]}}
    found = answer('answer t | grep(r".*food.*bars.*", on=s)', table)
    assert found == answer('answer t | where(s matches r"food.*bars")', table) == [["food bars"]]
    assert len(answer('answer t | grep(r".*food.*bars.*", on=s, invert=true)', table)) == len(TEXTS) + 1 - 1


GROUPED = (
    st.tuples(*[st.lists(PIECES, max_size=3).map("".join)] * 3)
    .map(lambda parts: f"{parts[0]}(?P<g>{parts[1]}){parts[2]}")
    .filter(lambda pattern: problem(pattern) is None and len(named_groups(pattern)) == 1 and '"' not in pattern)
)


def narrowed_as_re2_says(folder: Path, pattern: str) -> None:
    """`extract` keeps the bytes of the first match, and its group."""
    lines = [text for text in TEXTS if "\n" not in text]
    (folder / "log.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    context = load("log", str(folder / "log.txt"))
    with Warehouse(threads=1) as held:
        held.load("log", context.schema, context.rows, own_column(context))
        plan = planned(f'answer log | extract(r"{pattern}")', {"log": context.schema}, held)
        Runner(held, calls_of(), NoProgress(), digests=False).run(plan)
        (relation,) = plan.made.values()
        rows = held.rows(sql('SELECT line, g, "#lo", "#hi" FROM {t} ORDER BY line', t=relation.sql))
    expected, start = [], 0
    for number, line in enumerate(lines, 1):
        if found := compiled(pattern).search(line):
            lo, hi = (start + len(line[:at].encode()) for at in found.span())
            expected.append((number, found.group("g") or "", lo, hi))
        start += len(line.encode()) + 1
    assert rows == expected, pattern


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(GROUPED)
def test_extract_narrows_to_the_first_match(tmp_path: Path, pattern: str) -> None:
    narrowed_as_re2_says(tmp_path, pattern)


@pytest.mark.proof
@settings(max_examples=3_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(GROUPED)
def test_extract_narrows_to_the_first_match_of_thousands(tmp_path: Path, pattern: str) -> None:
    narrowed_as_re2_says(tmp_path, pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?P<g>a)\Q.c\E",
        r"\\(?P<g>b)",
        r"\Qabc\E(?P<g>a*)",
        r"(?P<g>)",
        r"x?(?P<g>b?)",
        r"^a?(?P<g>b?)",
        r"(^a|b)(?P<g>c?)",
        r"(?:^f)(?P<g>o*)",
        r"(?m)^(?P<g>b)",
    ],
)
def test_extract_of_quoted_and_of_nothing(tmp_path: Path, pattern: str) -> None:
    narrowed_as_re2_says(tmp_path, pattern)
