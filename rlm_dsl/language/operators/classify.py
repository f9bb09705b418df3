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
    is_scored,
    new_columns,
    probable_columns,
    probable_names,
)
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.scoring import (
    CALIBRATE,
    MOST_ORDERS,
    ORDERS,
    PROBABILITY,
    WEIGHTS,
    Scoring,
    unlabelled,
)
from rlm_dsl.language.program import Instruction, ListValue, Literal, Param, known_value, resolved
from rlm_dsl.language.sql import Sql
from rlm_dsl.language.types import TEXT, Enum, Field, Record, Type, bare

NO_GUIDE = Instruction(("Which label fits the text best?",))


def label_type(arguments: Arguments) -> Type:
    """An enum where the labels are known before the run, else text (the answers are held to the list all the same)."""
    if isinstance(of := bare(arguments["labels"].type), Record):
        return Enum(tuple(field.name for field in of.fields))
    match resolved(arguments["labels"]):
        case Literal(values) | Param(_, values):
            return Enum(tuple(values))
        case ListValue(items) if all(isinstance(resolved(item), Literal | Param) for item in items):
            return Enum(tuple(known_value(item) for item in items))
        case _:
            return TEXT


def result(arguments: Arguments) -> Type:
    added = new_columns(arguments, Record((Field(arguments["into"], label_type(arguments)),)))
    refuse_scoring(arguments)
    return arguments.table.with_columns((*added, *probable_columns(arguments)))


def refuse_scoring(arguments: Arguments) -> None:
    """Raise Refused for arguments of probabilities that do not fit together."""
    values, of = arguments.values, label_type(arguments)
    if not is_scored(arguments, ORDERS, CALIBRATE, WEIGHTS):
        return
    if values["probability"] == values["into"]:
        raise Refused("probability", "the label's column has that name already", PROBABILITY.shown)
    orders = values.get("orders")
    if orders is not None and not 1 <= (known_value(orders) or 0) <= MOST_ORDERS:
        raise Refused("orders", f"`orders` is from 1 to {MOST_ORDERS}, written out", ORDERS.shown)
    if unknown := [name for name in values.get("weights") or () if isinstance(of, Enum) and name not in of.values]:
        raise Refused("weights", f"`{unknown[0]}` is none of the labels", "name labels alone")


def orders_of(arguments: Mapping[str, Any]) -> int:
    """In how many orders of the labels each text is asked about."""
    return known_value(arguments["orders"]) if "orders" in arguments else 1


def question(values: Mapping[str, Any]) -> str:
    labels = json.dumps(list(values["labels"]), ensure_ascii=False)
    told = json.dumps(values["labels"], ensure_ascii=False) if isinstance(values["labels"], dict) else ""
    meanings = f"What each means: {told}\n" if told else ""
    return f"{values['guide']}\nAnswer with one label of: {labels}\n{meanings}{ROW_IS_DATA}"


def answer_type(values: Mapping[str, Any]) -> Record:
    return Record((Field("label", Enum(tuple(values["labels"]))),))


def combine(lowering: Lowering, answers: Sql) -> Sql:
    return beside(lowering, answers, (("label", lowering["into"]), *probable_names(lowering.step.arguments)))


classify = Operator(
    name="classify",
    summary="a model gives each row one of the labels",
    words="has a model give {on|the text} of each row one of the labels {labels}, as {into|label}[guide: ({guide})]",
    told="signature",
    parameters=(
        Parameter("on", Shown(), ONLY_TEXT),
        Parameter("labels", Labels(), shown='labels=["a", "b"] or {a: "meaning"}'),
        Parameter("into", NewName(), "label"),
        Parameter("guide", Words(), NO_GUIDE, shown='guide="what decides"'),
        *COMMON,
        EXAMPLES,
        PROXY,
        PACK,
        PROBABILITY,
        ORDERS,
        CALIBRATE,
        WEIGHTS,
    ),
    result=result,
    as_many_always=True,
    model=ModelStep(
        question,
        answer_type,
        combine,
        calls=orders_of,
        extra=lambda arguments: orders_of(arguments) * unlabelled(arguments),
        scoring=Scoring.of,
        labels="labels",
    ),
    manual="Rows with the same text are asked once. An answer outside the labels is asked again, then an error. "
    'With `labels={billing: "money, invoices", "sign in": "passwords"}` the model is told what each label means. '
    "With `probability=p` the label is the one that the model holds most probable, and `p` its probability, or null "
    'where none is told. `orders=2` asks in two orders of the labels and averages; `calibrate="content-free"` divides '
    "by what the model says of empty texts; `weights={a: 1.5}` counts a label for more, as labelled texts say.",
    examples=(
        Example(
            't | classify(on=x, labels=["good", "bad"], into=mood)',
            {"x": ["great", "awful", "great"]},
            [["great", "good"], ["awful", "bad"], ["great", "good"]],
            answers={"great": {"label": "good"}, "awful": {"label": "bad"}},
        ),
        Example(
            't | classify(on=x, labels={good: "it is liked", "no good": "it is not"})',
            {"x": ["great", "awful"]},
            [["great", "good"], ["awful", "no good"]],
            answers={"great": {"label": "good"}, "awful": {"label": "no good"}},
        ),
    ),
)
