"""`classify`: a model gives each row one of a closed set of labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.kinds import Labels, NewName, Shown, Words
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.model_step import (
    COMMON,
    EXAMPLES,
    PACK,
    PROXY,
    ROW_IS_DATA,
    ModelStep,
    beside,
    new_columns,
)
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter
from rlm_dsl.language.program import Instruction, ListValue, Literal, Param, known_value, resolved
from rlm_dsl.language.sql import Sql
from rlm_dsl.language.types import TEXT, Enum, Field, Record, Type

NO_GUIDE = Instruction(("Which label fits the text best?",))


def label_type(arguments: Arguments) -> Type:
    """An enum where the labels are known before the run, else text (the answers are held to the list all the same)."""
    match resolved(arguments["labels"]):
        case Literal(values) | Param(_, values):
            return Enum(tuple(values))
        case ListValue(items) if all(isinstance(resolved(item), Literal | Param) for item in items):
            return Enum(tuple(known_value(item) for item in items))
        case _:
            return TEXT


def result(arguments: Arguments) -> Type:
    added = new_columns(arguments, Record((Field(arguments["into"], label_type(arguments)),)))
    return arguments.table.with_columns(added)


def question(values: Mapping[str, Any]) -> str:
    labels = json.dumps(values["labels"], ensure_ascii=False)
    return f"{values['guide']}\nAnswer with one label of: {labels}\n{ROW_IS_DATA}"


def answer_type(values: Mapping[str, Any]) -> Record:
    return Record((Field("label", Enum(tuple(values["labels"]))),))


def combine(lowering: Lowering, answers: Sql) -> Sql:
    return beside(lowering, answers, (("label", lowering["into"]),))


classify = Operator(
    name="classify",
    summary="a model gives each row one of the labels, in a new column",
    words="has a model give {on|the text} of each row one of the labels {labels}, as {into|label}[guide: ({guide})]",
    told="signature",
    parameters=(
        Parameter("on", Shown(), ONLY_TEXT),
        Parameter("labels", Labels(), shown='labels=["a", "b"]'),
        Parameter("into", NewName(), "label"),
        Parameter("guide", Words(), NO_GUIDE, shown='guide="what decides"'),
        *COMMON,
        EXAMPLES,
        PROXY,
        PACK,
    ),
    result=result,
    as_many_always=True,
    model=ModelStep(question, answer_type, combine),
    manual="Rows with the same text are asked once. An answer outside the labels is asked again, then an error.",
    examples=(
        Example(
            't | classify(on=x, labels=["good", "bad"], into=mood)',
            {"x": ["great", "awful", "great"]},
            [["great", "good"], ["awful", "bad"], ["great", "good"]],
            answers={"great": {"label": "good"}, "awful": {"label": "bad"}},
        ),
    ),
)
