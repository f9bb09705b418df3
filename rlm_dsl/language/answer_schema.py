"""Typed results of model calls: the JSON Schema a type asks for, and reading an answer back.

In: a type of the language, an answer's text. Out: a JSON Schema; a typed value or what is wrong with it.
Law: every value that meets the schema reads back as a value of the type, and nothing else does.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlm_dsl.language.types import Enum, ListOf, Nullable, Record, Scalar, Table, Type, bare

FENCE = re.compile(r"```[a-zA-Z]*\s*\n(?P<inside>.*?)\n?\s*```", re.DOTALL)

THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
"""What a model thought aloud before its answer."""
LONGEST = 100_000
"""Characters of an answer that are worth mending."""


class NotOfType(Exception):
    """An answer that does not fit its type; the message is what the model is told."""


def json_schema(type_: Type) -> dict[str, Any]:
    """The strict JSON Schema of a type: every property required, nothing else allowed."""
    match type_:
        case Nullable(of):
            return {"anyOf": [json_schema(of), {"type": "null"}]}
        case Enum(values):
            return {"type": "string", "enum": list(values)}
        case ListOf(of):
            return {"type": "array", "items": json_schema(of)}
        case Record(fields):
            return {
                "type": "object",
                "properties": {field.name: json_schema(field.type) for field in fields},
                "required": [field.name for field in fields],
                "additionalProperties": False,
            }
        case Scalar(name):
            return dict(SCALAR_SCHEMAS[name])
        case Table():
            raise TypeError("a model does not answer with a table; ask for a list of records")


SCALAR_SCHEMAS: Mapping[str, Mapping[str, str]] = {
    "text": {"type": "string"},
    "quote": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "null": {"type": "null"},
}


def read_answer(text: str, type_: Record) -> dict[str, Any]:
    """The typed value of an answer's text. Raises NotOfType with what is wrong and where."""
    text = THOUGHT.sub("", text)
    fenced = None if text.lstrip().startswith("{") else FENCE.search(text)
    inside = fenced["inside"] if fenced else text
    try:
        value = STRICT.decode(inside.strip())
    except RecursionError:
        raise NotOfType("the answer is nested too deeply") from None
    except ValueError as failure:
        value = repaired(inside)
        if value is None:
            raise NotOfType(f"the answer is no JSON: {failure}") from None
    read = typed(value, type_, "answer")
    assert isinstance(read, dict)
    return read


def repaired(text: str) -> Any:
    """What nearly is a JSON object, read as one: single quotes, trailing commas, comments, names without quotes. None
    for prose, and for an object that does not end: what is missing is not made up."""
    begin, end = text.find("{"), text.rstrip().endswith("}")
    if begin < 0 or not end or text.count("{") != text.count("}") or len(text) > LONGEST:
        return None
    import json_repair

    try:
        found = json_repair.loads(text[begin:], skip_json_loads=True)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found else None


def quotes(value: Any, type_: Type, at: str = "answer") -> Iterator[tuple[str, str]]:
    """Every quote in a typed value, with where it stands."""
    match bare(type_):
        case Scalar("quote") if value is not None:
            yield at, value
        case ListOf(of) if value is not None:
            for index, item in enumerate(value):
                yield from quotes(item, of, f"{at}[{index}]")
        case Record(fields) if value is not None:
            for field in fields:
                yield from quotes(value[field.name], field.type, f"{at}.{field.name}")


def holds_quotes(type_: Type) -> bool:
    """Whether values of a type hold quotes, which are looked for in what was shown."""
    match bare(type_):
        case Scalar("quote"):
            return True
        case ListOf(of):
            return holds_quotes(of)
        case Record(fields):
            return any(holds_quotes(field.type) for field in fields)
        case _:
            return False


def check_quotes(value: Any, type_: Type, shown: Sequence[str]) -> None:
    """Raises NotOfType where a quote does not stand, word for word, in one of the texts shown."""
    for at, quote in quotes(value, type_):
        if not quote or not any(quote in text for text in shown):
            told = json.dumps(quote, ensure_ascii=False)[:80]
            raise NotOfType(f"{at} must be copied word for word from the text, and this is not: {told}")


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


STRICT = json.JSONDecoder(parse_constant=_no_constant)


def typed(value: Any, type_: Type, at: str) -> Any:
    """A JSON value as a value of the type; `at` says where, for the message."""
    match type_:
        case Nullable(of):
            return None if value is None else typed(value, of, at)
        case Enum(values):
            return _choice(value, values, at)
        case ListOf(of):
            _expect(isinstance(value, list), value, "a list", at)
            return [typed(item, of, f"{at}[{index}]") for index, item in enumerate(value)]
        case Record(fields):
            _expect(isinstance(value, dict), value, "an object", at)
            names = [field.name for field in fields]
            if set(value) != set(names):
                raise NotOfType(f"{at} must have exactly the properties {', '.join(names)}")
            return {field.name: typed(value[field.name], field.type, f"{at}.{field.name}") for field in fields}
        case _:
            return _scalar(value, bare(type_), at)


def _choice(value: Any, values: tuple[str, ...], at: str) -> str:
    """Exact after trimming and ignoring case where that is unambiguous, never by containing."""
    _expect(isinstance(value, str), value, "a text", at)
    if value in values:
        return str(value)
    same = [v for v in values if v == value.strip()] or [
        v for v in values if v.strip().casefold() == value.strip().casefold()
    ]
    if len(same) != 1:
        raise NotOfType(f"{at} must be one of {json.dumps(list(values), ensure_ascii=False)}")
    return same[0]


def _scalar(value: Any, type_: Type, at: str) -> Any:
    match type_, value:
        case Scalar("text" | "quote"), str():
            return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        case Scalar("bool"), bool():
            return value
        case Scalar("int"), int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return value
        case Scalar("float"), int() | float() if not isinstance(value, bool):
            return float(value)
        case Scalar("date" | "timestamp" as name), str():
            return _moment(value, name, at)
        case _:
            raise NotOfType(f"{at} must be {WORDS.get(str(type_), str(type_))}, not {json.dumps(value)[:60]}")


WORDS = {
    "text": "a text",
    "quote": "a text",
    "bool": "true or false",
    "int": "a whole number of 64 bits",
    "float": "a number",
}


def _moment(value: str, name: str, at: str) -> Any:
    try:
        if name == "date":
            return datetime.date.fromisoformat(value)
        moment = datetime.datetime.fromisoformat(value)
        return moment.astimezone(datetime.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except ValueError:
        form = "YYYY-MM-DD" if name == "date" else "YYYY-MM-DDTHH:MM:SS"
        raise NotOfType(f"{at} must be a {name} such as {form}") from None


def _expect(holds: bool, value: Any, what: str, at: str) -> None:
    if not holds:
        raise NotOfType(f"{at} must be {what}, not {json.dumps(value)[:60]}")
