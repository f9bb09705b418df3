"""`search`: the rows that fit some words best, by BM25."""

from __future__ import annotations

from rlm_dsl.language.operators.core.bm25 import FOLDED, LOWER_CASE, scores
from rlm_dsl.language.operators.core.kinds import Constant, Each, Keys
from rlm_dsl.language.operators.core.lowering import Lowering, partition_by
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import ORD, qualified
from rlm_dsl.language.operators.core.terms import wanted_terms
from rlm_dsl.language.operators.take import not_negative
from rlm_dsl.language.program import Literal, known_value
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import FLOAT, INT, TEXT, Field, Type


def result(arguments: Arguments) -> Type:
    not_negative(arguments, "top")
    words = known_value(arguments["words"])
    if isinstance(words, str) and not wanted_terms(words):
        raise Refused("words", "there is no word to search for", 'write search("late delivery")')
    return arguments.table.with_columns([Field("score", FLOAT)])


def lower(lowering: Lowering) -> Sql:
    """The one asker is the query itself; rows come back in the order of their scores."""
    t = lowering.t
    known = known_value(lowering["words"])
    words = known if isinstance(known, str) else None
    rule = FOLDED if lowering.step.version >= 3 else LOWER_CASE
    on = lowering.value("on")
    likely = rule.holding(on, words) if words is not None else sql("true")
    wanted = sql("SELECT DISTINCT 0 AS asker, unnest({terms}) AS term", terms=rule.of_query(lowering.value("words")))
    return sql(
        'SELECT {kept}, "#scores".score AS score, row_number() OVER (ORDER BY "#scores".score DESC, t.{ord}) AS {ord}, '
        '{origin} FROM {t} AS t JOIN ({scores}) AS "#scores" ON t.{ord} = "#scores".text '
        'QUALIFY row_number() OVER ({by}ORDER BY "#scores".score DESC, t.{ord}) <= {top}',
        kept=qualified(t.type.names, "t"),
        ord=name(ORD),
        origin=qualified(t.origin, "t"),
        t=t.sql,
        scores=scores(t.sql, on, rule.of_row(on, words), likely, wanted),
        by=partition_by(lowering),
        top=lowering.value("top"),
    )


def most_rows(arguments: Arguments, rows: list[int]) -> int | None:
    top = known_value(arguments["top"])
    return rows[0] if arguments["by"] or top is None else min(rows[0], int(top))


search = Operator(
    name="search",
    summary="the `top` rows that fit the words best (BM25), best first, with `score: float`; with `by`, of each group",
    words="keeps the {top|20} rows[by: of each {by}] that fit {words} best",
    told="signature",
    parameters=(
        Parameter("words", Constant(TEXT), shown='"words"'),
        Parameter("top", Constant(INT), Literal(20, INT), shown="top=20"),
        Parameter("on", Each("text"), ONLY_TEXT),
        Parameter("by", Keys(), ()),
    ),
    result=result,
    lower=lower,
    version=3,
    order="best score first, then the table's",
    most_rows=most_rows,
    manual=(
        "Terms are runs of letters and digits, whatever their case, width or composition; Chinese, Japanese, Korean, "
        "Thai, Lao, Khmer and Burmese are found by any part of a text. A row without any of them is left out. How rare "
        "a term is and how long texts are (in bytes) is counted over the whole table piped in. Scores are rounded to 6 "
        "digits."
    ),
    examples=(
        Example(
            't | search("late parcel", top=2) | select(x)',
            {"x": ["my parcel", "the parcel is late", "hello", None, "late, late"]},
            [["the parcel is late"], ["late, late"]],
        ),
        Example(
            't | search("A", top=1, by=k) | select(k, x)', {"k": [1, 2], "x": ["a b", "b a"]}, [[1, "a b"], [2, "b a"]]
        ),
    ),
)
