"""Typed results of model calls: the JSON Schema a type asks for, and reading an answer back.

In: a type of the language, an answer's text. Out: a JSON Schema; a typed value or what is wrong with it.
Law: every value that meets the schema reads back as a value of the type, and nothing else does.
"""

from __future__ import annotations

import datetime
import decimal
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unicodedata import east_asian_width, normalize

from rlm_dsl.common.exact import DIGITS, at_scale, read_decimal, shortest
from rlm_dsl.language.lenient_json import TOO_DEEP, OutOfRange, Spelled, Unreadable
from rlm_dsl.language.said_json import DRAFTS, said_values
from rlm_dsl.language.types import Decimal, Enum, ListOf, Nullable, Record, Scalar, Table, Type, bare


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
        case Decimal():
            return {"type": "number"}
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
    try:
        values = said_values(text, [field.name for field in type_.fields])
    except Unreadable as problem:
        raise NotOfType(str(problem)) from None
    except RecursionError:
        raise NotOfType(TOO_DEEP) from None
    if len(values) > 1:
        return same_value(values, type_)
    read = typed(values[0], type_, "answer")
    assert isinstance(read, dict)
    return read


def same_value(drafts: Sequence[Any], type_: Record) -> dict[str, Any]:
    """The value that all drafts of an answer have. Raises NotOfType where they differ: none says that it counts."""
    try:
        first, *others = (typed(draft, type_, "answer") for draft in drafts)
    except NotOfType:
        raise NotOfType(DRAFTS) from None
    if any(other != first for other in others):
        raise NotOfType(DRAFTS)
    assert isinstance(first, dict)
    return first


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
            answered = json.dumps(quote, ensure_ascii=False)[:80]
            raise NotOfType(f"{at} must be copied word for word from the text, and this is not: {answered}")


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
            found = by_name(value, names)
            if set(found) != set(names):
                raise NotOfType(f"{at} must have exactly the properties {', '.join(names)}")
            return {field.name: typed(found[field.name], field.type, f"{at}.{field.name}") for field in fields}
        case _:
            return _scalar(value, bare(type_), at)


def by_name(value: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    """An object with its properties spelled as the type spells them: composed and decomposed letters are the same."""
    if set(value) == set(names):
        return value
    spelling = {normalize("NFC", name): name for name in names}
    found = {spelling.get(normalize("NFC", name), name): item for name, item in value.items()}
    return found if len(found) == len(value) and len(spelling) == len(names) else value


def _choice(value: Any, values: tuple[str, ...], at: str) -> str:
    """The label that is meant: exactly, or but for blanks around it, case, the composition of its letters, their width,
    in this order and where only one is meant; never by containing."""
    _expect(isinstance(value, str), value, "a text", at)
    for label in (value, value.strip()):
        if label in values:
            return str(label)
    same: list[str] = []
    for form in FORMS:
        if same := [v for v in values if form(v) == form(value)]:
            break
    if len(same) != 1:
        raise NotOfType(f"{at} must be one of {json.dumps(list(values), ensure_ascii=False)}")
    return same[0]


def folded(text: str) -> str:
    return text.strip().casefold()


def composed(text: str) -> str:
    return normalize("NFC", text.strip())


def caseless(text: str) -> str:
    """Unicode's canonical caseless form."""
    return composed(normalize("NFD", text).casefold())


def of_one_width(text: str) -> str:
    """Full-width and half-width forms as the usual ones, and no other compatibility: `m²` is not `m2`."""
    return caseless("".join(normalize("NFKC", sign) if east_asian_width(sign) in "FH" else sign for sign in text))


FORMS = (folded, composed, caseless, of_one_width)


def _scalar(value: Any, type_: Type, at: str) -> Any:
    match type_, value:
        case Scalar("text" | "quote"), str():
            return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        case Scalar("bool"), bool():
            return value
        case Scalar("int"), int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return value
        case Scalar("float"), int() | float() if not isinstance(value, bool) and in_range(value):
            return float(value)
        case Scalar("float"), int() | float() if not isinstance(value, bool):
            raise NotOfType(f"{at} must be a number no larger than {LARGEST:.2g}, not {preview(value)}")
        case Decimal(scale), int() | float() | str() if not isinstance(value, bool):
            return _decimal(value, scale, at)
        case Scalar("date" | "timestamp" as name), str():
            return _moment(value, name, at)
        case _:
            raise NotOfType(f"{at} must be {WORDS.get(str(type_), str(type_))}, not {preview(value)}")


LARGEST = sys.float_info.max


def in_range(value: int | float) -> bool:
    """Whether a float holds a number; infinities that were not read from a text are meant."""
    return not isinstance(value, OutOfRange) if isinstance(value, float) else abs(value) <= LARGEST


WORDS = {
    "text": "a text",
    "quote": "a text",
    "bool": "true or false",
    "int": "a whole number of 64 bits",
    "float": "a number",
}


def _decimal(value: int | float | str, scale: int, at: str) -> decimal.Decimal:
    """A number as it was spelled; a text may spell one, as traces and params keep decimals."""
    if isinstance(value, str):
        read = read_decimal(value.strip(), scale)
    else:
        read = at_scale(value.exact if isinstance(value, Spelled) else shortest(value), scale)
    if read is None:
        digits = "a whole number" if scale == 0 else f"a number with at most {scale} digits after the point"
        raise NotOfType(f"{at} must be {digits}, of {DIGITS} in all, not {preview(value)}")
    return read


def _moment(value: str, name: str, at: str) -> Any:
    try:
        if name == "date":
            return datetime.date.fromisoformat(value)
        moment = datetime.datetime.fromisoformat(value)
        return moment.astimezone(datetime.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        form = "YYYY-MM-DD" if name == "date" else "YYYY-MM-DDTHH:MM:SS"
        raise NotOfType(f"{at} must be a {name} such as {form}") from None


def _expect(holds: bool, value: Any, what: str, at: str) -> None:
    if not holds:
        raise NotOfType(f"{at} must be {what}, not {preview(value)}")


def preview(value: Any) -> str:
    try:
        return json.dumps(value)[:60]
    except (TypeError, ValueError, RecursionError):
        return f"a value of Python's {type(value).__name__}"
