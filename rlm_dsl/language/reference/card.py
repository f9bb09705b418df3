"""The operator card: what a model, a reader and the README are told of the language, written from the registry.

In: the registry. Out: text. Law: an operator that is added stands on the card without anyone writing it there.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.registry import aggregates, function_names, functions, table_operators

FORM = """\
A program is statements: `name = expression`, `show expression`, `answer expression`; `#` begins a comment.
Tables flow through pipes: `x | f(y)` is `f(x, y)`. Every call is `operator(arguments, keyword=value)`.
Values: 1, 2.5, "text", r"RE2 pattern", true, false, null, [a, b], {name: value}, @2024-03-01, @2024-03-01T10:00:00.
Expressions: + - * / // % == != < <= > >= and or not in `between a and b` `is null` `matches r".."` a.b f(x).
In an argument evaluated per row a bare name is a column of the piped table, else an earlier value.
A name is bound once. Rows keep the order of their source until `sort`. Patterns are RE2: no look-around.
Odd column names stand in backticks. `answer` takes any value: a number, text, list, table or {a: x, b: y}."""

SHORT_FORM = """\
Statements: `name = expression` (a name is bound once), `show expression`, `answer expression`; `#` begins a comment.
Pipes: `x | f(y)` is `f(x, y)`. Values: 1 2.5 "text" r"RE2 pattern" true null [a, b] {name: value} @2024-03-01.
Expressions: + - * / // % == != < <= > >= and or not in `between a and b` `is null` `matches r".."` a.b f(x).
Per row a bare name is a column of the piped table, else an earlier value. RE2 has no look-around."""

EXAMPLES = """\
show tickets | take(3)
mine = tickets | where(user in ["u17", "u42"] and sent >= @2024-01-01)
topics = mine | classify(on=body, labels=["billing", "technical", "other"], into=topic, guide="What is it about?")
answer topics | where(topic == "billing") | count()

rows = log | extract(r"user=(?P<user>\\w+) ms=(?P<ms>\\d+)", types={ms: int})
slow = rows | where(ms > 500) | group(by=user, n=count(), worst=max(ms)) | sort(-n) | take(5)
answer slow

kinds = people | classify(on=about, labels=["place", "person"], into=kind)  # label each row once
answer kinds | where(kind == "place") | select(id) | pairs()                # then make the pairs exactly

calls = code | grep(r"\\bparse_\\w+\\(", after=2)  # code needs no model: patterns, `around`, `extract`
answer calls | take(20)"""


Size = Literal["small", "medium", "full"]
COMMON = (
    "using",
    "on_error",
    "examples",
    "proxy",
    "pack",
    "probability",
    "orders",
    "calibrate",
    "weights",
    "at_least",
    "expected",
)
"""Arguments that operators which ask a model have in common: told once, or not at all where optimizers write them."""


OF_A_VALUE = re.compile(r"\((?:value|condition)?\)")
"""What an aggregate takes that takes nothing beside a value."""


@cache
def card(size: Size = "medium") -> str:
    """The card: form, operators, aggregates, functions, examples.

    `small` has a gloss where a signature does not say it all, `medium` the whole summary, `full` the manual too.
    """
    asking = "Operators that ask a model, one call per different text (narrow first; each call costs)"
    return "\n\n".join(
        [
            FORM if size != "small" else SHORT_FORM,
            "Operators on a table t (piped in):\n" + "\n".join(operator_lines(size, asking=False)),
            f'{asking};\nall take using="model alias", on_error="fail" or "null":\n'
            + "\n".join(operator_lines(size, asking=True)),
            aggregate_lines(size),
            function_lines(size),
            "Examples:\n" + (EXAMPLES if size != "small" else EXAMPLES.split("\n\n")[0]),
        ]
    )


def operator_lines(size: Size, *, asking: bool) -> list[str]:
    """What is told of each operator; those that only repeat an aggregate are left to the aggregates' line."""
    return [
        operator_line(operator, size)
        for operator in table_operators().values()
        if operator.asks == asking and not operator.summary.startswith("to a value: ")
    ]


def operator_line(operator: Operator, size: Size) -> str:
    own = [parameter.signature for parameter in operator.parameters if parameter.name not in COMMON]
    call = f"{operator.name}({', '.join(own)})"
    if size == "small":
        return call if operator.told == "signature" else f"{call}: {gloss(operator.summary)}"
    if size == "medium":
        return f"{call}: {operator.summary}"
    manual = f" {operator.manual}" if operator.manual else ""
    return f"{call}: {operator.summary}.{manual} Order: {operator.order}. Example: {operator.examples[0].program}"


def gloss(summary: str) -> str:
    """A summary's first thought."""
    return re.split(r"; |: | \(|,? with `|, in this", summary, maxsplit=1)[0]


def aggregate_lines(size: Size) -> str:
    head = "Aggregates in group(..), and of a whole table to a value (t | sum(x)):\n"
    if size == "full":
        return head + "\n".join(f"{a.signature}: {a.summary}" for a in aggregates().values())
    if size == "small":
        return head + " ".join(OF_A_VALUE.sub("", aggregate.signature) for aggregate in aggregates().values())
    return head + ", ".join(aggregate.signature for aggregate in aggregates().values())


def function_lines(size: Size) -> str:
    entries = [functions()[name] for name in function_names()]
    if size == "full":
        return "Functions of values:\n" + "\n".join(f"{entry.signature}: {entry.summary}" for entry in entries)
    if size == "small":
        return "Functions of values:\n" + " ".join(entry.name for entry in entries)
    return "Functions of values:\n" + ", ".join(shortened(entry.signature) for entry in entries)


def shortened(signature: str) -> str:
    """A signature without types: `substring(value, start, count)`."""
    name, inner = signature.split("(", 1)
    arguments = inner.rsplit(")", 1)[0].split(", ")
    return f"{name}({', '.join(argument.split(':')[0] for argument in arguments)})"
