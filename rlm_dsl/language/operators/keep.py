"""`keep`: a model keeps the rows that satisfy a criterion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.kinds import Shown, Words
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
    probable_columns,
    probable_names,
)
from rlm_dsl.language.operators.core.nullability import known_present, needed
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import KEY, ORD
from rlm_dsl.language.operators.core.scoring import AT_LEAST, CALIBRATE, PROBABILITY, Scoring, unlabelled
from rlm_dsl.language.program import known_value
from rlm_dsl.language.sql import Sql, name, sql
from rlm_dsl.language.types import BOOL, Field, Record, Type


def result(arguments: Arguments) -> Type:
    """A row is kept for the text it shows, so the one column shown is there."""
    shown = arguments["on"]
    refuse_scoring(arguments)
    table = known_present(arguments.table, needed(shown[0][1])) if len(shown) == 1 else arguments.table
    return table.with_columns(probable_columns(arguments))


def refuse_scoring(arguments: Arguments) -> None:
    """Raise Refused for arguments of probabilities that do not fit together."""
    least = arguments.values.get("at_least") if is_scored(arguments, AT_LEAST, CALIBRATE) else None
    if least is not None and not 0 < (known_value(least) or 0) <= 1:
        raise Refused("at_least", "`at_least` is a probability above 0, written out", AT_LEAST.shown)


def question(values: Mapping[str, Any]) -> str:
    return f"{values['criterion']}\nAnswer whether the text satisfies this.\n{ROW_IS_DATA}"


def answer_type(values: Mapping[str, Any]) -> Record:
    return Record((Field("holds", BOOL),))


def combine(lowering: Lowering, answers: Sql) -> Sql:
    if probable := probable_names(lowering.step.arguments):
        kept = sql("(SELECT * FROM {a} WHERE holds)", a=answers)
        return beside(lowering, kept, probable)
    return sql(
        "SELECT t.* FROM {t} AS t SEMI JOIN (SELECT {key} FROM {a} WHERE holds) AS a ON t.{ord} = a.{key}",
        t=lowering.t.sql,
        a=answers,
        key=name(KEY),
        ord=name(ORD),
    )


keep = Operator(
    name="keep",
    summary="a model keeps the rows that satisfy the criterion",
    words="has a model keep the rows of which it says of {on|the text}: {criterion}",
    told="signature",
    parameters=(
        Parameter("criterion", Words(), shown='"criterion"'),
        Parameter("on", Shown(), ONLY_TEXT, shown="on=col or [cols]"),
        *COMMON,
        EXAMPLES,
        PROXY,
        PACK,
        PROBABILITY,
        AT_LEAST,
        CALIBRATE,
    ),
    result=result,
    model=ModelStep(question, answer_type, combine, filters=True, extra=unlabelled, scoring=Scoring.of),
    manual='A row without text, or whose answer failed under `on_error="null"`, is not kept. '
    "With `probability=p` a row is kept where the model holds it true with a probability of a half, or of `at_least`.",
    examples=(
        Example(
            't | keep("It is a complaint.", on=x)',
            {"x": ["awful", "thanks", None, "awful"]},
            [["awful"], ["awful"]],
            answers={"awful": {"holds": True}, "thanks": {"holds": False}},
        ),
    ),
)
