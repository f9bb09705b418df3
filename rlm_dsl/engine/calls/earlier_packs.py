"""How rows were put together before packs had codes: a JSON list, answered by objects. For traces of that time.

In: a round, texts. Out: one request for them, and their answers. Law: what was recorded is rendered as it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from rlm_dsl.engine.calls.round import Round
from rlm_dsl.language.answer_schema import NotOfType, json_schema, read_answer
from rlm_dsl.language.types import INT, Field, ListOf, Record
from rlm_dsl.models.packs import as_text
from rlm_dsl.models.request import Message, Request

SAID = "The message holds several rows. Answer for each, by its number and in order; no row bears on another."


def rows_type(round_: Round) -> Record:
    return Record((Field("rows", ListOf(Record((Field("row", INT), *round_.result.fields)))),))


def list_request(round_: Round, texts: Sequence[str]) -> Request:
    """One request for several texts."""
    rows = [{"row": number, "text": round_.redact(text)} for number, text in enumerate(texts, 1)]
    head = Message("system", f"{round_.head.content}\n{SAID}")
    shown = Message("user", json.dumps(rows, ensure_ascii=False))
    return replace(round_.request(""), messages=(head, shown), schema=json_schema(rows_type(round_)))


def list_answers(round_: Round, texts: Sequence[str], text: str) -> list[str] | None:
    """Each text's answer; None where the whole does not hold."""
    try:
        read = read_answer(text, rows_type(round_))["rows"]
    except NotOfType:
        return None
    if [row["row"] for row in read] != list(range(1, len(texts) + 1)):
        return None
    names = [field.name for field in round_.result.fields]
    return [as_text({name: row[name] for name in names}) for row in read]
