"""`search`: the rows that fit some words best, by BM25."""

from __future__ import annotations

import re

from rlm_dsl.operators.operator import (
    ONLY_TEXT,
    ORD,
    Arguments,
    Constant,
    Each,
    Example,
    Keys,
    Lowering,
    Operator,
    Parameter,
    Refused,
    partition_by,
    qualified,
)
from rlm_dsl.operators.take import not_negative
from rlm_dsl.program import Literal, known_value
from rlm_dsl.sql import Sql, name, sql
from rlm_dsl.types import FLOAT, INT, TEXT, Field, Type

TERM = r"[\pL\pM\pN]+"
"""A term is a run of letters, marks and digits, in lower case."""
K1, B = 1.2, 0.75
"""How fast a term's repetitions saturate, and how much a long text is held back (Robertson and Zaragoza 2009)."""


def result(arguments: Arguments) -> Type:
    not_negative(arguments, "top")
    words = known_value(arguments["words"])
    if isinstance(words, str) and not re.search(r"\w", words):
        raise Refused("words", "there is no word to search for", 'write search("late delivery")')
    return arguments.table.with_columns([Field("score", FLOAT)])


def lower(lowering: Lowering) -> Sql:
    """A row's score is the sum over the words, in their alphabetical order, of idf and saturated frequency."""
    t = lowering.t
    return sql(
        "WITH \"#texts\" AS (SELECT {ord}, regexp_extract_all(lower(coalesce({on}, '')), {term}) AS terms FROM {t}), "
        '"#corpus" AS (SELECT count(*)::DOUBLE AS n, avg(len(terms)) AS mean FROM "#texts"), '
        '"#wanted" AS (SELECT DISTINCT unnest(regexp_extract_all(lower({words}), {term})) AS term), '
        '"#found" AS (SELECT {ord}, len, term, count(*)::DOUBLE AS tf FROM (SELECT {ord}, len(terms) AS len, '
        'unnest(terms) AS term FROM "#texts") SEMI JOIN "#wanted" USING (term) GROUP BY ALL), '
        '"#idf" AS (SELECT term, ln(1 + (n - count(*) + 0.5) / (count(*) + 0.5)) AS idf FROM "#found", "#corpus" '
        "GROUP BY term, n), "
        '"#scored" AS (SELECT {ord} AS "#of", round(sum(idf * tf * ({k1} + 1) / (tf + {k1} * (1 - {b} + {b} * len / '
        'mean)) ORDER BY term), 6) AS "#score" FROM "#found" JOIN "#idf" USING (term), "#corpus" GROUP BY {ord}) '
        'SELECT {kept}, "#score" AS score, row_number() OVER (ORDER BY "#score" DESC, t.{ord}) AS {ord}, {origin} '
        'FROM {t} AS t JOIN "#scored" ON t.{ord} = "#of" '
        'QUALIFY row_number() OVER ({by}ORDER BY "#score" DESC, t.{ord}) <= {top}',
        ord=name(ORD),
        on=lowering.value("on"),
        term=sql(f"'{TERM}'"),
        t=t.sql,
        words=lowering.value("words"),
        k1=sql(f"{K1}::DOUBLE"),
        b=sql(f"{B}::DOUBLE"),
        kept=qualified(t.type.names, "t"),
        origin=qualified(t.origin, "t"),
        by=partition_by(lowering),
        top=lowering.value("top"),
    )


def most_rows(arguments: Arguments, rows: list[int]) -> int | None:
    top = known_value(arguments["top"])
    return rows[0] if arguments["by"] or top is None else min(rows[0], int(top))


search = Operator(
    name="search",
    summary="the `top` rows that fit the words best (BM25), best first, with `score: float`; with `by`, of each group",
    parameters=(
        Parameter("words", Constant(TEXT), shown='"words"'),
        Parameter("top", Constant(INT), Literal(20, INT), shown="top=20"),
        Parameter("on", Each("text"), ONLY_TEXT),
        Parameter("by", Keys(), ()),
    ),
    result=result,
    lower=lower,
    order="best score first, then the table's",
    most_rows=most_rows,
    manual=(
        "Terms are runs of letters and digits, whatever their case; a row without any of them is left out. How rare a "
        "term is and how long texts are is counted over the whole table piped in. Scores are rounded to 6 digits."
    ),
    examples=(
        Example(
            't | search("late parcel", top=2) | select(x)',
            {"x": ["my parcel", "the parcel is late", "hello", None, "late again, always late"]},
            [["the parcel is late"], ["late again, always late"]],
        ),
        Example(
            't | search("A", top=1, by=k) | select(k, x)', {"k": [1, 2], "x": ["a b", "b a"]}, [[1, "a b"], [2, "b a"]]
        ),
    ),
)
