"""How long a program of 1,000 statements takes to be parsed, checked and planned, beside Python's own compiler.

The peer is `ast.parse` and `compile` of 1,000 assignments of the same length, in the same run.
"""

from __future__ import annotations

import ast
import statistics
import time
from collections.abc import Callable

from rlm_dsl.check import Environment, check_program
from rlm_dsl.operators.operator import Relation
from rlm_dsl.plan.build import build
from rlm_dsl.source import Source
from rlm_dsl.sql import name
from rlm_dsl.syntax.parse import parse
from rlm_dsl.types import DATE, INT, TEXT, table

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


def seconds(work: Callable[[], object], rounds: int = 7) -> float:
    """The median of several runs."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    source = Source("program.rlm", PROGRAM)
    tree = parse(source)
    environment = Environment({"tickets": TICKETS})
    program = check_program(tree, source, environment)
    relations = {"tickets": Relation(name("tickets"), TICKETS, False)}
    peer = seconds(lambda: compile(ast.parse(PYTHON), "p", "exec"))
    print("1,000 statements, median of 7 runs")
    for what, work in (
        ("parse", lambda: parse(source)),
        ("check", lambda: check_program(tree, source, environment)),
        ("parse and check", lambda: check_program(parse(source), source, environment)),
        ("plan", lambda: build(program.statements, relations, {})),
    ):
        taken = seconds(work)
        print(f"  {what:16} {taken:6.3f} s  {taken / peer:6.1f} times Python's compile of as many ({peer:.3f} s)")


if __name__ == "__main__":
    main()
