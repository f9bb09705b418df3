"""The reference tells the truth: its generated parts are the registry's, its programs check, its claims hold."""

from __future__ import annotations

import re

import pytest

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check, check_program
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.operators.core.registry import aggregates, function_names, table_operators
from rlm_dsl.language.reference.card import EXAMPLES, card
from rlm_dsl.language.reference.pages import with_parts
from rlm_dsl.language.syntax.parse import LIMIT, parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.models.request import estimated_tokens
from tests.support.paths import DOCS
from tests.support.small import answer, ran

PAGE = DOCS / "language.md"
FENCED = re.compile(r"^```rlm\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_the_generated_parts_are_the_registrys(request: pytest.FixtureRequest) -> None:
    page = PAGE.read_text(encoding="utf-8")
    if request.config.getoption("--accept"):
        PAGE.write_text(with_parts(page), encoding="utf-8")
    else:
        assert page == with_parts(page), "write it anew: pytest tests/language/test_reference.py --accept"


def test_everything_stands_in_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"^### `(\w+)`", page, re.MULTILINE))
    assert named >= set(table_operators()) - set(aggregates())
    for entry in [*aggregates(), *function_names()]:
        assert f"`{entry}(" in page, entry


def test_it_tells_how_deep_programs_may_nest() -> None:
    assert f"A program may nest {LIMIT} levels deep." in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("type_", ["int", "float", "bool", "date", "timestamp", "list[text]", "{name: text}"])
def test_what_is_advised_where_a_text_is_wanted_checks(type_: str) -> None:
    environment = Environment({"t": parse_table_type(f"table(x: {type_})")})
    for program in ("answer t | derive(y=upper(x))", 'answer t | classify(on=x, labels=["a", "b"])'):
        (problem,) = check(parse(Source("p", program)), environment).problems
        advised = [
            advice.split(": ", 1)[1] for hint in problem.hints for advice in hint.split(", or ") if ": " in advice
        ]
        assert advised
        for each in advised:
            mended = each if each.startswith("t |") else program.replace("upper(x)", each).replace("on=x", each)
            text = mended.replace("[a, b]", "[x]")
            text = f"answer {text}" if text.startswith("t |") else text
            assert not check(parse(Source("p", text)), environment).problems, text


def test_its_first_program_is_canonical_and_checks() -> None:
    source = Source("language.md", FENCED.findall(PAGE.read_text(encoding="utf-8"))[0])
    assert show(parse(source)) == source.text
    assert check_program(parse(source), source, Environment()).answer is not None


def test_its_example_of_an_error_is_what_the_checker_says() -> None:
    shown = re.search(r"^```text\n(error.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert shown is not None
    source = Source("program.rlm", 'answer tickets | where(id == "17") | count()')
    head = parse(Source("head", "context tickets: table(id: int)"))
    with pytest.raises(ProgramError) as caught:
        check_program(parse(source), source, check(head, Environment()).environment)
    assert str(caught.value) == shown[1]


def test_the_card_has_three_sizes_and_the_smallest_is_small() -> None:
    small, medium, full = card("small"), card("medium"), card("full")
    assert estimated_tokens(small) <= 1_700 < estimated_tokens(medium) < estimated_tokens(full)
    for size in (small, medium, full):
        for name, operator in table_operators().items():
            assert name in aggregates() or f"\n{name}(" in size, f"{name} is not on the card"
            assert operator.summary
        assert all(name in size for name in function_names())


@pytest.mark.parametrize(
    ("formula", "gives"),
    [
        ('substring("abc", -3, 2)', "ab"),
        ('left("abc", -1)', ""),
        ('replace("ab", "", "x")', "ab"),
        ('split("ab", "")', ["a", "b"]),
        ('upper("ß")', "ẞ"),
        ("1e308 * 10", float("inf")),
        ("if(true, 1, 9223372036854775807 + 1)", 1),
        ("9007199254740993 == 9007199254740992.0", True),
        ("round(1.005, 2)", 1.0),
        ('to_int(" 42\\n")', 42),
        ("1 in [2, null]", False),
        ('concat("a", null)', "a"),
        ("1 / 0", None),
        ("-7 // 2", -4),
        ("@2024-03-01 < @2024-03-01T00:00:01", True),
    ],
)
def test_what_it_says_of_odd_values_holds(formula: str, gives: object) -> None:
    assert answer(f"answer {formula}", {"t": {"n": [1]}}) == gives


def test_what_it_says_of_empty_tables_holds() -> None:
    none = "none = t | where(n > 9)\n"
    told = (
        "{s: none | sum(n), c: count(none), t: none | text(w), l: none | values(n), m: none | max(n), f: first(none)}"
    )
    found = ran(f"{none}answer {told}", {"t": {"n": [1], "w": ["a"]}})[0]
    assert found[()] == {"s": 0, "c": 0, "t": "", "l": [], "m": None, "f": None}


@pytest.mark.parametrize(
    "formula", ["9223372036854775807 + 1", "add_days(@9999-12-31, 1)", "add_seconds(@0001-01-01, -1)"]
)
def test_what_stops_a_run_does(formula: str) -> None:
    with pytest.raises(UserError, match=r"64 bits|1 to 9999"):
        answer(f"answer {formula}", {"t": {"n": [1]}})


def test_the_examples_of_the_card_check() -> None:
    tables = {
        "tickets": "table(id: int, user: text, sent: date, body: text)",
        "log": "table(line: int, text: text)",
        "people": "table(id: int, about: text)",
        "code": "table(path: text, line: int, text: text)",
    }
    types = {name: table for name, text in tables.items() if (table := parse_table_type(text)) is not None}
    for example in EXAMPLES.split("\n\n"):
        assert check(parse(Source("card", example)), Environment(types)).problems == (), example
