"""The checker and the compiler: messages and SQL as people read them, and that no program gets past them by a crash."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_dsl.common.diagnostics import ProgramError, render_all
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check, check_program
from rlm_dsl.language.check.habits import FUNCTIONS
from rlm_dsl.language.operators.core.registry import function_names, table_operators
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import Step, resolved
from rlm_dsl.language.sql import name
from rlm_dsl.language.syntax.foreign import OF_PATTERNS
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import DATE, INT, TEXT, Nullable, table
from rlm_dsl.plan.build import build
from rlm_dsl.plan.explain import plan_sql
from tests.support.cases import accept, corpus_cases
from tests.support.paths import CORPUS
from tests.support.small import ran
from tests.support.strategies import trees

TICKETS = table(id=INT, user=TEXT, sent=DATE, body=TEXT, note=Nullable(TEXT))
ERRORS, PLANS = CORPUS / "errors.txt", CORPUS / "plans.txt"
TO_IMPROVE = CORPUS / "errors_to_improve" / "errors.txt"


@pytest.mark.parametrize(
    ("corpus", "title"), [(corpus, title) for corpus in (ERRORS, TO_IMPROVE) for title in corpus_cases(corpus)]
)
def test_error(corpus: Path, title: str, request: pytest.FixtureRequest) -> None:
    program, expected = corpus_cases(corpus)[title]
    source = Source("program.rlm", program)
    with pytest.raises(ProgramError) as caught:
        check_program(parse(source), source, Environment({"tickets": TICKETS}))
    got = render_all(caught.value.diagnostics, caught.value.source)
    if request.config.getoption("--accept"):
        accept(corpus, title, "error", got)
    else:
        assert got == expected


@pytest.mark.parametrize("title", corpus_cases(PLANS))
def test_plan(title: str, request: pytest.FixtureRequest) -> None:
    program, expected = corpus_cases(PLANS)[title]
    got = sql_of(program)
    if request.config.getoption("--accept"):
        accept(PLANS, title, "sql", got)
    else:
        assert got == expected


def test_a_value_piped_into_a_function_is_its_first_argument() -> None:
    """The very same SQL, so that a run's plan is the same when it is verified."""
    assert sql_of('answer {n: "a" | upper()}') == sql_of('answer {n: upper("a")}')


def sql_of(program: str) -> str:
    source = Source("program.rlm", program)
    checked = check_program(parse(source), source, Environment({"tickets": TICKETS}))
    return plan_sql(build(checked.statements, {"tickets": Relation(name("tickets"), TICKETS, False)}, {})).strip()


def identity_of(program: str, bound: str) -> str:
    checked = check(parse(Source("p", program)), Environment({"tickets": TICKETS}))
    assert not checked.problems
    return checked.environment.bindings[bound].identity


def test_names_layout_and_unrelated_statements_do_not_change_a_steps_identity() -> None:
    first = identity_of('a = tickets | where(user == "u1")\nb = a | count()', "b")
    other = identity_of("z = tickets | take(9)\nx=tickets|where(user=='u1') # note\ny = count(x)", "y")
    assert first == other
    assert first != identity_of('a = tickets | where(user == "u2")\nb = a | count()', "b")
    given = identity_of('param u: text = "u1"\na = tickets | where(user == u)\nb = a | count()', "b")
    assert given == first


def test_of_several_texts_the_one_called_text_is_meant() -> None:
    """Lines and documents call theirs so, and what was cut from it does not stand beside it."""
    lines = Environment({"log": table(path=TEXT, text=TEXT)})
    program = 'a = log | extract(r"(?P<w>\\w+)")\nb = a | grep(r"x") | keep("is odd")\nc = a | match(a, "alike")'
    assert not check(parse(Source("p", program)), lines).problems
    (problem,) = check(parse(Source("p", "answer tickets | grep(r'x')")), Environment({"tickets": TICKETS})).problems
    assert problem.code == "C16"


def test_a_pipe_is_a_first_argument() -> None:
    assert identity_of("a = tickets | take(3) | count()", "a") == identity_of("a = count(take(tickets, 3))", "a")


@settings(suppress_health_check=list(HealthCheck))
@given(trees())
def test_any_tree_is_checked_or_refused(tree: object) -> None:
    check(tree, Environment({"a": TICKETS, "body": TICKETS}))  # type: ignore[arg-type]


WORDS = [*table_operators(), *function_names(), "id", "user", "body", "sent", "t", "left.id", "right.user", "-id"]
ARGUMENTS = st.sampled_from(
    [
        *WORDS,
        '"a"',
        'r"(?P<g>a)b"',
        "1",
        "0.5",
        "null",
        "[id, user]",
        '["a", "b"]',
        "{x: int}",
        "on=body",
        "by=user",
        "n=count()",
        "x=id + 1",
        "into=z",
        "returns={y: bool}",
        "all=true",
        'how="left"',
        "t",
        "t | take(1)",
        'user == "a"',
        'id > 1 and user in ["a"]',
    ]
)
CALLS = st.builds(
    lambda operator, arguments: f"{operator}({', '.join(arguments)})",
    st.sampled_from([*table_operators(), *function_names()]),
    st.lists(ARGUMENTS, max_size=4),
)


@settings(suppress_health_check=list(HealthCheck))
@given(st.lists(CALLS, min_size=1, max_size=3))
def test_any_pipeline_is_a_plan_or_a_diagnostic(calls: list[str]) -> None:
    likely_program(" | ".join(["t", *calls]))


@pytest.mark.proof
@settings(max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(CALLS, min_size=1, max_size=4))
def test_any_of_many_pipelines_is_a_plan_or_a_diagnostic(calls: list[str]) -> None:
    likely_program(" | ".join(["t", *calls]))


def likely_program(pipeline: str) -> None:
    """A pipeline is refused with a diagnostic, or it compiles."""
    try:
        tree = parse(Source("p", f"answer {pipeline}"))
    except ProgramError:
        return
    checked = check(tree, Environment({"t": TICKETS}))
    if not checked.problems:
        build(checked.statements, {"t": Relation(name("t"), TICKETS, False)}, {})


def test_a_thousand_statements_check_and_plan_in_a_moment() -> None:
    lines = ["s0 = tickets | where(id > 0)"] + [
        f"s{n} = s{n - 1} | derive(c{n}=id + {n}) | drop(c{n})" for n in range(1, 1000)
    ]
    source = Source("p", "\n".join([*lines, "answer s999 | count()"]))
    started = time.process_time()
    program = check_program(parse(source), source, Environment({"tickets": TICKETS}))
    assert time.process_time() - started < 2, "benchmarks/check_program.py has the figure: it is under one second"
    plan = build(program.statements, {"tickets": Relation(name("tickets"), TICKETS, False)}, {})
    assert isinstance(resolved(program.statements[-1].node), Step) and len(plan.steps) == 2000


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_order_and_values_do_not_depend_on_threads(threads: int) -> None:
    count = 20_000
    columns = {
        "k": [n * 7919 % 101 for n in range(count)],
        "x": [(n * 31 % 1000) / 7 for n in range(count)],
        "w": [f"w{n * 13 % 17}" for n in range(count)],
    }
    program = """
        g = t | group(by=k, s=sum(x), a=avg(x), first=first(w), all=text(w, sep=","), d=count_distinct(w))
        answer {g: g, top: t | sort(-x) | take(50), some: t | sample(20, seed=3), one: t | distinct(w),
                j: g | join(t | take(300), on=k) | select(k, w, s), q: t | quantile(x, 0.9)}
    """
    parts, records = ran(program, {"t": columns}, threads=threads)
    lines = [record.as_json() for record in records]
    expected_parts, expected_records = ran(program, {"t": columns}, threads=1)
    assert parts == expected_parts and lines == [record.as_json() for record in expected_records]


HABIT_COLUMNS = "x a b c low high".split()
HABIT_NAMES = """
    part = "p"
    old = "o"
    new = "w"
    separator = ","
    format = "%Y"
"""


@pytest.mark.parametrize("advice", sorted({*FUNCTIONS.values(), *(of[6:] for of in OF_PATTERNS.values())}))
def test_what_is_written_for_a_habit_checks_for_values_of_some_type(advice: str) -> None:
    for code in re.split(r" or (?=[\w(@\"])", advice.split("; ")[0]):
        assert any(checks(code, type_) for type_ in ("text", "int", "date", "bool", "list[text]")), code


def checks(code: str, type_: str) -> bool:
    """Whether code checks where its names are columns of a type, `condition` and `list` of theirs."""
    columns = "".join(f"{name}: {type_}, " for name in HABIT_COLUMNS)
    columns += f"col: list[text], key: int, n: int, start: int, count: int, condition: bool, list: list[{type_}]"
    head = f"context t: table({columns})\n{HABIT_NAMES}"
    piped = f"t | {code}" if code.split("(")[0] in table_operators() and "(t, " not in code else code
    whole = piped if piped.startswith("t |") else f"t | derive(z={code})"
    source = Source("p", f"{head}answer {whole}")
    try:
        check_program(parse(source), source, Environment())
    except ProgramError:
        return False
    return True
