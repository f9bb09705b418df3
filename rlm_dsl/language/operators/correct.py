"""`correct`: a value set by hand in the rows that a person has read."""

from __future__ import annotations

from rlm_dsl.language.operators.core.engine_types import engine_type
from rlm_dsl.language.operators.core.kinds import Each, Plain
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.program import Column, Step, known_value
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import Enum, Type, bare, fits, is_text


def result(arguments: Arguments) -> Type:
    """The columns stay what they are: a value that is set has the column's type, a label is one of the labels."""
    column, to = arguments["column"], arguments["to"]
    if not isinstance(column, Column):
        raise Refused("column", "what is corrected is a column", 'write correct(topic, to="billing", where=id == 7)')
    of, value = bare(column.type), known_value(to)
    if isinstance(of, Enum) and is_text(to.type) and (value is None or value in of.values):
        return arguments.table
    if isinstance(of, Enum):
        raise Refused("to", f"`{value}` is none of the labels of `{column.name}`", f"labels: {', '.join(of.values)}")
    if not fits(to.type, column.type):
        raise Refused("to", f"`{column.name}` is {column.type}, and this is {to.type}", f"write a value of type {of}")
    return arguments.table


def lower(lowering: Lowering) -> Sql:
    column, type_ = lowering["column"].name, engine_type(lowering["column"].type)
    return sql(
        f"SELECT * REPLACE (CASE WHEN {{condition}} THEN CAST({{to}} AS {type_}) ELSE {{c}} END AS {{c}}) FROM {{t}}",
        condition=lowering.value("where"),
        to=lowering.value("to"),
        c=name(column),
        t=lowering.t.sql,
    )


def own(step: Step, inputs: tuple[Relation, ...]) -> str:
    """A text that was set by hand is no longer its source's."""
    return "" if inputs[0].own == step.arguments["column"].name else inputs[0].own


correct = Operator(
    name="correct",
    summary="a value set by hand where it holds",
    words="sets {column} to {to} by hand where {where}[why: ({why})]",
    told="name",
    parameters=(
        Parameter("column", Each(), shown="col"),
        Parameter("to", Each(), shown='to="label"'),
        Parameter("where", Each("bool"), shown="where=condition"),
        Parameter("why", Plain(), "", shown='why="who read it"'),
    ),
    result=result,
    as_many_always=True,
    lower=lower,
    own=own,
    manual="The correction stands in the program, so that whoever runs or verifies it gets the same; `show`, `cite` "
    "and `diff` tell of it. A condition that is null counts as false.",
    over_parts=lambda arguments: "kept",
    examples=(
        Example(
            't | correct(w, to="good", where=n == 2, why="read by Ann")',
            {"n": [1, 2, None], "w": ["bad", "bad", "bad"]},
            [[1, "bad"], [2, "good"], [None, "bad"]],
        ),
        Example(
            't | classify(on=w, labels=["good", "bad"], into=mood) | correct(mood, to="good", where=w == "so so")',
            {"w": ["awful", "so so"]},
            [["awful", "bad"], ["so so", "good"]],
            answers={"awful": {"label": "bad"}, "so so": {"label": "bad"}},
        ),
    ),
)
