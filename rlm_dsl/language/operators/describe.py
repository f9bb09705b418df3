"""`describe`: what stands in each column, one row a column."""

from __future__ import annotations

from rlm_dsl.language.operators.avg import avg
from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.kinds import Columns
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter
from rlm_dsl.language.operators.core.provenance import origin_of_each
from rlm_dsl.language.operators.core.relation import FROM, ORD
from rlm_dsl.language.operators.max import largest
from rlm_dsl.language.operators.median import median
from rlm_dsl.language.operators.min import smallest
from rlm_dsl.language.operators.stddev import stddev
from rlm_dsl.language.sql import Sql, bound, joined, name, sql
from rlm_dsl.language.types import (
    FLOAT,
    INT,
    TEXT,
    Field,
    ListOf,
    Record,
    Table,
    Type,
    bare,
    is_numeric,
    nullable,
)

COLUMNS = (
    Field("column", TEXT),
    Field("type", TEXT),
    Field("values", INT),
    Field("nulls", INT),
    Field("different", INT),
    Field("min", nullable(TEXT)),
    Field("max", nullable(TEXT)),
    Field("avg", nullable(FLOAT)),
    Field("median", nullable(FLOAT)),
    Field("stddev", nullable(FLOAT)),
)


def result(arguments: Arguments) -> Type:
    return Table(COLUMNS)


def lower(lowering: Lowering) -> Sql:
    t = lowering.t
    wanted = [column for column, _ in lowering["columns"]] or list(t.type.names)
    facts = joined(", ", (of_column(column, t.type.column(column) or TEXT) for column in wanted))
    kept = joined(", ", (sql('("#m"[1]).{c} AS {c}', c=name(field.name)) for field in COLUMNS))
    return sql(
        'SELECT {kept}, "#m"[2] AS {ord}, {from} FROM (SELECT unnest(list_zip("#facts", range(len("#facts")))) AS "#m",'
        ' {from} FROM (SELECT [{facts}] AS "#facts", CASE WHEN count(*) = 0 THEN [] ELSE {origin} END AS {from} '
        "FROM {t}))",
        kept=kept,
        facts=facts,
        ord=name(ORD),
        origin=origin_of_each(t, len(wanted)),
        t=t.sql,
        **{"from": name(FROM)},
    )


def of_column(column: str, type_: Type) -> Sql:
    """The facts of one column as a record."""
    value = name(column)

    def over(aggregate: AggregateFunction) -> Sql:
        return aggregate.lower((value,), (type_,), sql(""))

    ordered = not isinstance(bare(type_), ListOf | Record)
    numeric = is_numeric(type_)
    return sql(
        'struct_pack("column" := {name}, "type" := {type}, "values" := count({v}), nulls := count(*) - count({v}), '
        '"different" := count(DISTINCT {v}), "min" := {min}, "max" := {max}, "avg" := {avg}, "median" := {median}, '
        '"stddev" := {stddev})',
        v=value,
        name=bound(column, "column", "VARCHAR"),
        type=bound(str(bare(type_)), "type", "VARCHAR"),
        **{
            each.name: sql("CAST({v} AS VARCHAR)", v=unsigned(over(each), type_)) if ordered else sql("NULL::VARCHAR")
            for each in (smallest, largest)
        },
        **{
            each.name: sql("CAST({v} AS DOUBLE)", v=over(each)) if numeric else sql("NULL::DOUBLE")
            for each in (avg, median, stddev)
        },
    )


def unsigned(value: Sql, type_: Type) -> Sql:
    """Which zero of a column is its least would hang on the order of its rows: none has a sign."""
    return sql("CASE WHEN {v} = 0 THEN 0.0::DOUBLE ELSE {v} END", v=value) if bare(type_) == FLOAT else value


describe = Operator(
    name="describe",
    summary="a row for each column: type, values, nulls, different values, least and largest, mean, median, spread",
    words="one row for each column[columns: of {columns}], with what stands in it",
    told="name",
    parameters=(Parameter("columns", Columns(), default=(), shown="col, ..."),),
    result=result,
    lower=lower,
    order="the columns'",
    origin="united",
    unites=True,
    most_rows=lambda arguments, rows: len(arguments["columns"] or arguments.table.columns),
    as_many_always=True,
    manual="`min` and `max` are texts; `avg`, `median` and `stddev` are of numbers. Lists and records have no order.",
    examples=(
        Example(
            "t | describe()",
            {"n": [4, 1, None], "w": ["b", "a", "b"]},
            [
                ["n", "int", 2, 1, 2, "1", "4", 2.5, 2.5, 2.1213203435596424],
                ["w", "text", 3, 0, 2, "a", "b", None, None, None],
            ],
        ),
        Example("t | describe(n) | select(column, nulls)", {"n": [1, None], "w": ["a", "b"]}, [["n", 1]]),
    ),
)
