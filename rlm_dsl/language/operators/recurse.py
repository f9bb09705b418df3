"""`recurse`: each row's long text is explored as a context of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.kinds import Choice, Constant, NewName, Plain, ResultType, Shown, Words
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.model_step import ON_ERROR, ModelStep, beside, new_columns
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.program import Literal, known_value
from rlm_dsl.language.sql import Sql
from rlm_dsl.language.types import INT, TEXT, Field, Record, Type

DEEPEST = 3
"""How deep sub-runs may stand in sub-runs."""
TURNS = 12
"""Turns of a sub-run at most."""
CALLS = 60
"""Model calls of a sub-run at most, its turns among them."""


def result(arguments: Arguments) -> Type:
    depth = known_value(arguments["depth"])
    if depth is None or not 1 <= depth <= DEEPEST:
        raise Refused("depth", f"`depth` is a whole number from 1 to {DEEPEST}, written out", "leave it out for 1")
    return arguments.table.with_columns(
        new_columns(arguments, Record((Field(arguments["into"], arguments["returns"]),)))
    )


def most_calls(arguments: Mapping[str, Any]) -> int:
    """A sub-run's own calls, each of which may be a sub-run where the depth allows it."""
    depth: int = known_value(arguments["depth"])
    most: int = CALLS**depth
    return most


def question(values: Mapping[str, Any]) -> str:
    return f"{values['question']}\nGive it with `answer`, as one value of type {values['returns']}."


def answer_type(values: Mapping[str, Any]) -> Record:
    return Record((Field("result", values["returns"]),))


def combine(lowering: Lowering, answers: Sql) -> Sql:
    return beside(lowering, answers, (("result", lowering["into"]),))


recurse = Operator(
    name="recurse",
    summary="each row's long text is explored, in this language, until the question is answered",
    words="has a model explore {on|the text} of each row until it answers {question}",
    told="name",
    parameters=(
        Parameter("question", Words(), shown='"question"'),
        Parameter("on", Shown(), ONLY_TEXT),
        Parameter("returns", ResultType(), TEXT, shown="returns=text"),
        Parameter("into", NewName(), "result"),
        Parameter("depth", Constant(INT), Literal(1, INT), shown="depth=1"),
        Parameter("share", Choice(("nothing", "program")), "nothing", shown='share="nothing" or "program"'),
        Parameter("using", Plain(), "root", shown='using="root"'),
        ON_ERROR,
    ),
    result=result,
    model=ModelStep(question, answer_type, combine, explores=True, calls=most_calls),
    manual=(
        "The text is the context `text: table(line: int, text: text)` of a sub-run: another exploration, whose program "
        "is recorded and run again when the trace is verified. It costs several calls a row, "
        f"at most {CALLS} and {TURNS} turns: narrow first. Sub-runs may use `recurse` themselves where `depth` is more "
        "than 1.\n\n"
        'With `share="program"` the first three different texts are explored, and a program that gives each of them '
        "what its own exploration gave is run on all others; a text on which it fails is explored too. It is for texts "
        "of one form: much cheaper, and the same for each."
    ),
    examples=(
        Example(
            't | recurse("How many lines are there?", on=x, returns=int, into=lines)',
            {"x": ["a\nb", "c"]},
            [["a\nb", 2], ["c", 1]],
            answers={"a\nb": {"result": 2}, "c": {"result": 1}},
        ),
    ),
)
