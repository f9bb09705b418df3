"""The operator card: what a model, a reader and the README are told of the language, written from the registry.

In: the registry. Out: text. Law: an operator that is added stands on the card without anyone writing it there.
"""

from __future__ import annotations

from functools import cache

from rlm_dsl.operators.registry import aggregates, function_names, functions, table_operators

FORM = """\
A program is statements: `name = expression`, `show expression`, `answer expression`; `#` begins a comment.
Tables flow through pipes: `x | f(y)` is `f(x, y)`. Every call is `operator(arguments, keyword=value)`.
Values: 1, 2.5, "text", r"RE2 pattern", true, false, null, [a, b], {name: value}, @2024-03-01, @2024-03-01T10:00:00.
Expressions: + - * / // % == != < <= > >= and or not in `between a and b` `is null` `matches r".."` a.b f(x).
In an argument evaluated per row a bare name is a column of the piped table, else an earlier value.
A name is bound once. Rows keep the order of their source until `sort`. Patterns are RE2: no look-around.
Odd column names stand in backticks. `answer` takes any value: a number, text, list, table or {a: x, b: y}."""

EXAMPLES = """\
show tickets | take(3)
mine = tickets | where(user in ["u17", "u42"] and sent >= @2024-01-01)
topics = mine | classify(on=body, labels=["billing", "technical", "other"], into=topic, guide="What is it about?")
answer topics | where(topic == "billing") | count()

rows = log | extract(r"user=(?P<user>\\w+) ms=(?P<ms>\\d+)", types={ms: int})
slow = rows | where(ms > 500) | group(by=user, n=count(), worst=max(ms)) | sort(-n) | take(5)
answer slow"""


@cache
def card() -> str:
    """The whole card: form, operators, aggregates, functions, examples."""
    return "\n\n".join(
        [
            FORM,
            "Operators on a table t (piped in):\n" + "\n".join(operator_lines(asking=False)),
            "Operators that ask a model, one call per different text (narrow first; each call costs):\n"
            + "\n".join(operator_lines(asking=True)),
            aggregate_lines(),
            function_lines(),
            "Examples:\n" + EXAMPLES,
        ]
    )


def operator_lines(*, asking: bool) -> list[str]:
    """One line an operator; those that only repeat an aggregate are left to the aggregates' line."""
    return [
        f"{operator.signature.replace('(t, ', '(').replace('(t)', '()')}: {operator.summary}"
        for operator in table_operators().values()
        if operator.asks == asking and not operator.summary.startswith("to a value: ")
    ]


def aggregate_lines() -> str:
    told = ", ".join(aggregate.signature for aggregate in aggregates().values())
    return f"Aggregates in group(..), and of a whole table to a value (t | sum(x)):\n{told}"


def function_lines() -> str:
    told = ", ".join(shortened(functions()[name].signature) for name in function_names())
    return f"Functions of values:\n{told}"


def shortened(signature: str) -> str:
    """A signature without types: `substring(value, start, count)`."""
    name, inner = signature.split("(", 1)
    arguments = inner.rsplit(")", 1)[0].split(", ")
    return f"{name}({', '.join(argument.split(':')[0] for argument in arguments)})"
