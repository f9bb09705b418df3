"""Patterns made cheaper find the same rows: law over generated patterns, and what is done to those of every day."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rlm_dsl.patterns import problem
from rlm_dsl.prefilters import lookup, matching, required, without_idle_ends
from rlm_dsl.runtime.warehouse import Warehouse
from rlm_dsl.sql import bound, name, sql
from tests.small import answer

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
        "K",
    ],
]
PIECES = st.sampled_from(
    r"""
    abcd food bars abc foo a b é . .* .+ .*? x? a* b+ (abc) (?:foo) (?P<n>bar) [ab] [^a] []a] [a\]] [[:alpha:]]
    \d \w+ \. \* \( \b ^ $ (?m) (?s) (?i) (abc)? (abc|foo) (abc)* a{2} (abc){0,2} (?:ab){2} | \x61
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


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, min_size=1, max_size=7).map("".join))
def test_the_same_rows_are_found(warehouse: Warehouse, pattern: str) -> None:
    holds(warehouse, pattern)


@pytest.mark.proof
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(PIECES, min_size=1, max_size=9).map("".join))
def test_the_same_rows_are_found_by_thousands_of_patterns(warehouse: Warehouse, pattern: str) -> None:
    holds(warehouse, pattern)


@pytest.mark.parametrize(
    ("pattern", "short", "first"),
    [
        (r".*ERROR.*timeout.*", "ERROR.*timeout", ("timeout", "ERROR")),
        (r"(?s).*fooo.*", "(?s)fooo", ("fooo",)),
        (r"user=4242\b", r"user=4242\b", ("user=4242",)),
        (r"payment failed", "payment failed", ()),
        (r"(?i)refund", "(?i)refund", ()),
        (r"^2024-03", "^2024-03", ()),
        (r"failed|reset", "failed|reset", ()),
        (r".*a|b.*", ".*a|b.*", ()),
        (r"\[(auth|cart)\].*retry", r"\[(auth|cart)\].*retry", ("retry",)),
        (r"user=(\d+) ip=10\.1\.", r"user=(\d+) ip=10\.1\.", (" ip=10.1.", "user=")),
        (r"colou?r is", r"colou?r is", ("colo", "r is")),
        (r"a\.*", r"a\.*", ()),
        (r"[.*]*", "[.*]*", ()),
    ],
)
def test_what_is_done(pattern: str, short: str, first: tuple[str, ...]) -> None:
    found = lookup(pattern)
    assert (found.pattern, found.first) == (short, first)
    assert bool(found.told) == (bool(first) or short != pattern)


def test_ends_and_texts_are_read_with_care() -> None:
    assert without_idle_ends(".*?.*x.*") == "x" and without_idle_ends("^.*x") == "^.*x"
    assert required(r"(abcd)?food") == ("food",) and required(r"(abcd|d)food") == ("food",)
    assert required(r"\Qabcd\E") == () and required("(?i)abcd") == () and required("abcd|d") == ()
    assert required("abc") == (), "too short to be worth it"


def test_a_program_gives_the_same_rows() -> None:
    table = {"t": {"s": [*TEXTS, None]}}
    found = answer('answer t | grep(r".*food.*bars.*", on=s)', table)
    assert found == answer('answer t | where(s matches r"food.*bars")', table) == [["food bars"]]
    assert len(answer('answer t | grep(r".*food.*bars.*", on=s, invert=true)', table)) == len(TEXTS) + 1 - 1
