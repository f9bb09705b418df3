"""`union`: the rows of two tables."""

from __future__ import annotations

from rlm_dsl.language.operators.core.engine_types import widened
from rlm_dsl.language.operators.core.kinds import Rows
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.provenance import origin_list
from rlm_dsl.language.operators.core.relation import FROM, ORD, Relation
from rlm_dsl.language.program import Step
from rlm_dsl.language.sql import Sql, joined, name, names, sql
from rlm_dsl.language.types import Field, Table, Type, unify


def result(arguments: Arguments) -> Type:
    a, b = arguments.table, arguments.tables["other"]
    if set(a.names) != set(b.names):
        only = sorted(set(a.names) ^ set(b.names))
        raise Refused(
            "other",
            f"the tables do not have the same columns: {', '.join(only)}",
            "make them equal with `select` or `derive`",
        )
    return Table(tuple(Field(c.name, shared(c, b)) for c in a.columns))


def shared(column: Field, other: Table) -> Type:
    theirs = other.column(column.name)
    assert theirs is not None
    both = unify(column.type, theirs)
    if both is None:
        raise Refused(
            "other",
            f"column `{column.name}` is {column.type} in one table and {theirs} in the other",
            "convert one of them with `derive`",
        )
    return both


def lower(lowering: Lowering) -> Sql:
    columns = lowering.step.type.names  # type: ignore[union-attr]
    shared_type = lowering.step.type
    assert isinstance(shared_type, Table)
    halves = [half(relation, shared_type, number, lowering.united) for number, relation in enumerate(lowering.inputs)]
    hidden = (FROM,) if lowering.united else lowering.t.origin
    return sql(
        'SELECT {columns}, row_number() OVER (ORDER BY "#half", {ord}) AS {ord}, {hidden} FROM ({halves})',
        columns=names(columns),
        ord=name(ORD),
        hidden=names(hidden),
        halves=joined(" UNION ALL ", halves),
    )


def half(relation: Relation, shared_type: Table, number: int, united: bool) -> Sql:
    origin = (
        sql("{o} AS {f}", o=origin_list(relation, grouped=False), f=name(FROM)) if united else names(relation.origin)
    )
    return sql(
        f'SELECT {{columns}}, {{ord}}, {number} AS "#half", {{origin}} FROM {{t}}',
        columns=joined(", ", (in_type(relation, column) for column in shared_type.columns)),
        ord=name(ORD),
        origin=origin,
        t=relation.sql,
    )


def in_type(relation: Relation, wanted: Field) -> Sql:
    """A relation's column as that of both tables."""
    given = relation.type.column(wanted.name)
    assert given is not None
    plain = name(wanted.name)
    held = widened(plain, given, wanted.type)
    return plain if held == plain else sql("{v} AS {n}", v=held, n=plain)


def own(step: Step, inputs: tuple[Relation, ...]) -> str:
    """The column that holds the bytes of both tables' rows."""
    return inputs[0].own if inputs[0].own == inputs[1].own else ""


union = Operator(
    name="union",
    summary="the rows of both tables, this one's first; same columns",
    words="adds the rows of {other}",
    told="signature",
    parameters=(Parameter("other", Rows()),),
    result=result,
    lower=lower,
    own=own,
    most_rows=lambda arguments, rows: sum(rows),
    as_many_always=True,
    order="this table's rows, then the other's",
    examples=(Example("t | union(other)", {"a": [1, 2]}, [[1], [2], [2]], other={"a": [2]}),),
)
