"""A program of 1,000 statements parsed, checked and planned, beside Python's own compiler on as many assignments."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from measure import Effort, Measure, Work, compared

from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.sql import name
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import DATE, INT, TEXT, table
from rlm_dsl.plan.build import build

TICKETS = table(id=INT, user=TEXT, sent=DATE, body=TEXT)
KINDS = (
    's{n} = s{p} | where(id > {n} and contains(body, "word {n}"))',
    "s{n} = s{p} | derive(c{n}=id * {n} + length(body)) | drop(c{n})",
    's{n} = s{p} | grep(r"(?i)invoice {n}|refund", on=body) | sort(-sent, user)',
    "s{n} = s{p} | take(1000, skip={n})",
)
PROGRAM = "\n".join(
    ["s0 = tickets | where(id > 0)"]
    + [KINDS[n % len(KINDS)].format(n=n, p=n - 1) for n in range(1, 999)]
    + ["answer s998 | group(by=user, n=count())"]
)
PYTHON = "\n".join(f"s{n} = [f(x, {n}) for x in s{n - 1} if x > {n} and g(x, 'word {n}')]" for n in range(1, 1001))
PEER = "Python's compile of 1,000 assignments"


def measures(effort: Effort) -> Iterator[Measure]:
    source = Source("program.rlm", PROGRAM)
    tree = parse(source)
    environment = Environment({"tickets": TICKETS})
    program = check_program(tree, source, environment)
    relations = {"tickets": Relation(name("tickets"), TICKETS, False)}
    works: dict[str, Work] = {
        "parse": lambda: parse(source),
        "check": lambda: check_program(tree, source, environment),
        "parse and check": lambda: check_program(parse(source), source, environment),
        "plan": lambda: build(program.statements, relations, {}),
    }
    for what, work in works.items():
        if what in ("parse", "check") and not effort.full:
            continue
        yield from compared(f"{what} 1,000 statements", work, {PEER: lambda: compile(ast.parse(PYTHON), "p", "exec")})
