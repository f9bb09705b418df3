"""`grep`: rows whose text matches a pattern, with their neighbours if wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rlm_dsl.language.operators.core.kinds import Constant, Each, Flag, Pattern
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.nullability import known_present, needed
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter
from rlm_dsl.language.operators.core.relation import ORD, source_of
from rlm_dsl.language.operators.take import not_negative
from rlm_dsl.language.patterns.prefilters import lookup, matching, required_texts
from rlm_dsl.language.program import Column, Literal, known_value, resolved
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import INT, Type


def result(arguments: Arguments) -> Type:
    """A row that matches has its text; its neighbours may not."""
    not_negative(arguments, "before", "after")
    alone = not arguments["invert"] and arguments["before"] == arguments["after"] == NONE
    return known_present(arguments.table, needed(arguments["on"])) if alone else arguments.table


def lower(lowering: Lowering) -> Sql:
    matches = matching(lowering.value("on"), known_value(lowering["pattern"]), f"{lowering.expression.prefix}pattern")
    if lowering["invert"]:
        matches = sql("NOT coalesce({m}, false)", m=matches)
    if lowering["before"] == lowering["after"] == NONE:
        return sql("SELECT * FROM {t} WHERE {m}", t=lowering.t.sql, m=matches)
    return with_neighbours(lowering, matches)


def with_neighbours(lowering: Lowering, matches: Sql) -> Sql:
    """A row is taken if one of the rows from `after` before it to `before` after it, in its source, matches."""
    return sql(
        'SELECT * EXCLUDE ("#near") FROM (SELECT *, bool_or(coalesce({m}, false)) OVER (PARTITION BY {source} ORDER BY '
        '{ord} ROWS BETWEEN {after} PRECEDING AND {before} FOLLOWING) AS "#near" FROM {t}) WHERE "#near"',
        m=matches,
        source=source_of(lowering.t),
        ord=name(ORD),
        t=lowering.t.sql,
        after=lowering.value("after"),
        before=lowering.value("before"),
    )


def required(arguments: Mapping[str, Any]) -> tuple[str, tuple[Collection[str], ...]]:
    """None where rows without them are wanted too: inverted, or as neighbours."""
    on = resolved(arguments["on"])
    alone = not arguments["invert"] and arguments["before"] == arguments["after"] == NONE
    if not alone or not isinstance(on, Column):
        return "", ()
    return on.name, required_texts(known_value(arguments["pattern"]))


NONE = Literal(0, INT)

grep = Operator(
    name="grep",
    summary="rows whose text matches the RE2 pattern; before/after add neighbours from the same source, each row once",
    words="keeps the rows where {on|the text} [invert:fails][!invert:matches] {pattern}",
    told="signature",
    parameters=(
        Parameter("pattern", Pattern(), shown='r".."'),
        Parameter("on", Each("text"), ONLY_TEXT),
        Parameter("invert", Flag(), False),
        Parameter("before", Constant(INT), NONE, shown="before=0"),
        Parameter("after", Constant(INT), NONE, shown="after=0"),
    ),
    result=result,
    keeps_columns=True,
    lower=lower,
    rewrites=lambda arguments: lookup(known_value(arguments["pattern"])).rewrites,
    chooses=lambda arguments: "by row" if arguments["before"] == arguments["after"] == NONE else "by place",
    required_texts=required,
    manual="With `invert=true`, rows that do not match, those whose text is null among them.",
    over_parts=lambda arguments: "kept" if arguments["before"] == arguments["after"] == NONE else "",
    examples=(
        Example('t | grep(r"(?i)b+", on=x)', {"x": ["abc", "ABB", None, "c"]}, [["abc"], ["ABB"]]),
        Example('t | grep(r"b", on=x, invert=true)', {"x": ["abc", None, "c"]}, [[None], ["c"]]),
        Example('t | grep(r"^b$", before=1)', {"x": ["a", "b", "c", "d"]}, [["a"], ["b"]]),
        Example('t | grep(r"^b$", after=2)', {"x": ["a", "b", "b", "d", "e"]}, [["b"], ["b"], ["d"], ["e"]]),
    ),
)
