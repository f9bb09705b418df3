"""A fuzzer over program text: whatever comes, it is a program or a diagnostic, never an exception.

In: statements of the corpus (right and wrong ones), cut, mixed and spoilt by a seeded generator. Law: parse, check and
plan either succeed or say what is wrong within the text; a failure here prints the seed and the text.
"""

from __future__ import annotations

import random
import re

import pytest

from rlm_dsl.common.diagnostics import ProgramError, render_all
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.operators.core.registry import function_names, table_operators
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.sql import name
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import BOOL, DATE, FLOAT, INT, TEXT, TIMESTAMP, Field, ListOf, Nullable, Record, Table
from rlm_dsl.plan.build import build
from rlm_dsl.plan.explain import plan_sql
from tests.support.cases import corpus_cases
from tests.support.paths import CORPUS
from tests.support.strategies import FRAGMENTS

TICKETS = Table(
    (
        Field("id", INT),
        Field("user", TEXT),
        Field("sent", DATE),
        Field("at", TIMESTAMP),
        Field("body", TEXT),
        Field("x", TEXT),
        Field("k", TEXT),
        Field("n", INT),
        Field("note", Nullable(TEXT)),
        Field("score", Nullable(FLOAT)),
        Field("done", BOOL),
        Field("tags", ListOf(TEXT)),
        Field("who", Record((Field("id", INT), Field("name", Nullable(TEXT))))),
    )
)
TOKEN = re.compile(r"r?\"\"\".*?\"\"\"|r?\"[^\"\n]*\"|r?'[^'\n]*'|[A-Za-z_]\w*|\d[\d_.]*|\s+|[^\w\s]", re.DOTALL)
STATEMENTS = [
    *(path.read_text(encoding="utf-8") for path in sorted((CORPUS / "programs").glob("*.rlm"))),
    *(program for case in ("errors.txt", "plans.txt") for program, _ in corpus_cases(CORPUS / case).values()),
]
EXAMPLES = [f"answer {example.program}" for o in table_operators().values() for example in o.examples]
NAMES = [*table_operators(), *function_names(), *TICKETS.names, "tickets", "t", "a", "b", "left", "right", "text", "x"]
WORDS = [
    *NAMES,
    *FRAGMENTS,
    "by=",
    "on=",
    "into=",
    "n=count()",
    "types={id: int}",
    "returns={a: quote?}",
    "labels=['a','b']",
]


def program(chance: random.Random) -> str:
    """One spoilt program."""
    text = chance.choice(STATEMENTS if chance.random() < 0.6 else EXAMPLES)
    tokens = TOKEN.findall(text)
    if len(tokens) > 120:
        start = chance.randrange(len(tokens) - 100)
        tokens = tokens[start : start + chance.randrange(20, 100)]
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        at = chance.randrange(len(tokens) + 1)
        match chance.randrange(7):
            case 0:
                del tokens[at : at + chance.choice((1, 1, 2, 5))]
            case 1:
                tokens.insert(at, chance.choice(WORDS))
            case 2:
                tokens[at : at + 1] = [chance.choice(NAMES)]
            case 3:
                other = TOKEN.findall(chance.choice(STATEMENTS + EXAMPLES))
                cut = chance.randrange(len(other))
                tokens[at:at] = other[cut : cut + chance.randrange(1, 12)]
            case 4 if tokens:
                tokens.insert(at, tokens[chance.randrange(len(tokens))])
            case 5:
                tokens.insert(
                    at, chr(chance.choice((0, 7, 10, 13, 34, 39, 92, 96, 123, 0xA0, 0x202E, 0xD800, 0x1F600)))
                )
            case _:
                del tokens[at:]
    return "".join(tokens)


def survives(text: str) -> str:
    """What came of a text: refused by the parser or the checker, or a plan."""
    source = Source("fuzz.rlm", text)
    try:
        tree = parse(source)
    except ProgramError as failure:
        assert failure.diagnostics and render_all(failure.diagnostics, source)
        return "no form"
    assert parse(Source("again", show(tree))) == tree
    environment = Environment({"tickets": TICKETS, "t": TICKETS, "other": TICKETS})
    checked = check(tree, environment)
    for problem in [*checked.problems, *checked.warnings]:
        assert 0 <= problem.span.start <= problem.span.end <= len(text)
    render_all([*checked.problems, *checked.warnings], source)
    if checked.problems or not checked.statements:
        return "no program"
    relations = {n: Relation(name(n), schema, False) for n, schema in checked.environment.contexts.items()}
    plan_sql(build(checked.statements, relations, {}))
    return "plan"


def fuzz(seed: int, count: int) -> dict[str, int]:
    found = {"no form": 0, "no program": 0, "plan": 0}
    for number in range(count):
        text = program(random.Random(f"{seed} {number}"))
        try:
            found[survives(text)] += 1
        except Exception as failure:
            raise AssertionError(f"seed {seed} {number}: {text!r}") from failure
    return found


def test_any_text_is_a_program_or_a_diagnostic() -> None:
    assert min(fuzz(1, 1_200).values()) > 50


@pytest.mark.proof
@pytest.mark.parametrize("seed", [2, 3])
def test_a_hundred_thousand_texts_are_programs_or_diagnostics(seed: int) -> None:
    assert min(fuzz(seed, 50_000).values()) > 2_000
