"""`categories`: a model names the kinds of things that rows are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.kinds import Constant, Shown, Words
from rlm_dsl.language.operators.core.model_step import COMMON
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.program import Instruction, Literal, Node, Step, known_value
from rlm_dsl.language.types import INT, TEXT, ListOf, Type, nullable

DRAWN = 100
"""Rows of each of the two samples."""
NAMES = ListOf(TEXT)


def result(arguments: Arguments) -> Type:
    most = known_value(arguments["max"])
    if most is None or most < 2:
        raise Refused("max", "`max` is a whole number of at least 2, written out", "leave it out for 10")
    return nullable(NAMES)


def expand(arguments: Arguments, step: Step) -> Node:
    """Names proposed for a sample of the rows, then held against another sample and settled."""
    most = known_value(arguments["max"])
    asked = arguments["what"]
    short = f"Give at most {most} short names, none of which means the same as another, that together cover the texts."
    first = reduced(step, 0, Instruction(("Name the kinds there are: ", *asked.parts, f"\n{short}")))
    parts = ("Name the kinds there are: ", *asked.parts, "\nNames found for other texts: ", first)
    settled = f"\nKeep those that fit, mend or add where these texts need it. {short}"
    return reduced(step, 1, Instruction((*parts, settled)))


def reduced(step: Step, seed: int, instruction: Instruction) -> Step:
    sample, reduce = table_operators()["sample"], table_operators()["reduce"]
    drawn = Step(
        "sample",
        sample.version,
        step.inputs,
        {"n": Literal(DRAWN, INT), "seed": Literal(seed, INT), "by": ()},
        step.inputs[0].type,
        step.span,
    )
    arguments: Mapping[str, Any] = {
        "instruction": instruction,
        "on": step.arguments["on"],
        "by": (),
        "returns": NAMES,
        "into": "result",
        "using": step.arguments["using"],
        "on_error": step.arguments["on_error"],
        "most": step.arguments["max"],
    }
    return Step("reduce", reduce.version, (drawn,), arguments, nullable(NAMES), step.span)


categories = Operator(
    name="categories",
    summary="a `list[text]` of names that cover the rows, made for `labels=`",
    words="asks a model for names that cover {on|the text} of the rows: {what}",
    told="name",
    parameters=(
        Parameter("what", Words(), shown='"what kinds"'),
        Parameter("on", Shown(), ONLY_TEXT),
        Parameter("max", Constant(INT), Literal(10, INT), shown="max=10"),
        *COMMON,
    ),
    result=result,
    expand=expand,
    order="a value",
    origin="the rows of the table",
    manual=(
        f"Names are proposed for a sample of {DRAWN} rows and held against another one; both are drawn by a fixed "
        "seed. It stands for two `reduce` steps over `sample`, and that is how it is recorded."
    ),
    examples=(
        Example(
            't | categories("animals", on=x)',
            {"x": ["my cat", "a dog"]},
            ["cats", "dogs"],
            answers={'["my cat", "a dog"]': {"result": ["cats", "dogs"]}},
        ),
    ),
)
