"""The card as a root model reads it at every turn: as short as what it has at hand allows.

In: the contexts' types. Out: text. Law: every operator, aggregate and function stands on it, written from the registry;
how much is told of each, the operator says. The small one alone has only what simple questions need.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.registry import aggregates, function_names, table_operators
from rlm_dsl.language.reference.card import COMMON, Size, card, gloss
from rlm_dsl.language.types import Table, is_text, quoted_name

FORM = """\
Statements: `name = expression` (bound once), `show expression`, `answer expression`. `x | f(y)` is `f(x, y)`.
Values: 1 2.5 "text" r"RE2" true null [a, b] {name: value} @2024-03-01. Operators as in Python, and \
`between a and b` `is null` `matches r".."` a.b f(x).
A bare name is the row's column, else an earlier value; `odd names` in backticks. Types: text int decimal(2) float \
bool date timestamp, in returns= also list[int] enum["a", "b"] quote; int? may be missing. on= is \
for several texts, none of them `text`."""
ASKING = 'Ask a model about rows (equal rows once, known answers free); on_error="null" lets rows fail:'
NULLS = "what matches or converts nothing is null"
MORE = "More (call bare for usage):"
EXAMPLE = """\
Example:
rows = {table} | extract(r"^(?P<day>\\w+ \\d+, \\d+) (?P<user>\\w+): (?P<body>.*)"{on}) | derive(day=to_date(day, \
"%b %d, %Y"))
kinds = rows | where(month(day) == 5) | classify(on=body, labels=["billing", "other"], into=kind)
top = kinds | group(by=kind, n=count()) | sort(-n)
answer format("Label: {{}}", top | first(kind))"""


SMALL = """\
A table flows through steps: table | step | step. Write `name = ...` to keep a result, `answer ...` to end. No SQL, no \
Python, no words around it.
Steps that keep rows: where(condition) take(n) sort(column) sort(-column) distinct(column)
Steps that make a table: group(by=column, n=count()) group(by=column, x=avg(column)) derive(new=expression) \
select(column, ...) join(other, on=column)
Steps that make one value: count() sum(column) avg(column) min(column) max(column) median(column) \
count_distinct(column) first(column)
Conditions: == != < <= > >= and or not, column in ["a", "b"], column between a and b, contains(column, "part"), \
column is null. Texts in "quotes", dates @2024-03-31, year(column) month(column).
A model reads texts: classify(on=column, labels=["a", "b"], into=label)"""
"""What simple questions need, for models that lose their way in more."""


def root_card(tables: Mapping[str, Table], main_text: str = "", size: Size = "medium") -> str:
    """The card beside these contexts. `main_text` is the first one's column that holds the most text, where that is
    known. `small` has what simple questions need, and is shown beside worked exchanges; `full` has each manual."""
    if size == "small":
        return SMALL
    general = general_card() if size == "medium" else card("full").partition("\n\nExamples:")[0]
    return f"{general}\n\n{example(tables, main_text)}"


@cache
def general_card() -> str:
    every = [operator for operator in table_operators().values() if not is_aggregate(operator)]
    told = [operator for operator in every if operator.told != "name"]
    seldom = [operator.name for operator in every if operator.told == "name"]
    totals = " ".join(shown(aggregate.signature) for aggregate in aggregates().values())
    return "\n\n".join(
        [
            FORM,
            "On a table:\n" + "\n".join(line(operator) for operator in told if not operator.asks),
            f"{ASKING}\n" + "\n".join(line(operator) for operator in told if operator.asks),
            f"{MORE} {' '.join(seldom)}",
            f"In group(..) or of a table: {totals}",
            f"Of values ({NULLS}): " + " ".join(function_names()),
        ]
    )


def is_aggregate(operator: Operator) -> bool:
    return operator.summary.startswith("to a value: ")


def shown(signature: str) -> str:
    """An aggregate's name, and what it takes beside a value."""
    name, inner = signature.split("(", 1)
    return signature if "," in inner else name


def line(operator: Operator) -> str:
    own = [parameter.signature for parameter in operator.parameters if parameter.name not in COMMON]
    call = f"{operator.name}({', '.join(own)})"
    return call if operator.told == "signature" else f"{call}: {gloss(operator.summary)}"


def example(tables: Mapping[str, Table], main_text: str = "") -> str:
    """A worked example over the first context: from looking to an answer in the form that was asked for."""
    name, table = next(iter(tables.items()), ("t", Table(())))
    texts = [column.name for column in table.columns if is_text(column.type)]
    on = f", on={quoted_name(main_text or texts[0])}" if len(texts) > 1 else ""
    return EXAMPLE.format(table=quoted_name(name), on=on)
