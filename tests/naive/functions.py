"""Scalar functions and the operators of expressions, by name.

In: values. Out: a value. Law: a null argument gives null, except in the functions that are there for nulls.
"""

from __future__ import annotations

import calendar
import datetime
import json
import math
import unicodedata
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, Overflow, Underflow, localcontext
from typing import Any

import re2

from tests.naive.values import (
    NULL,
    Kind,
    Stops,
    Unsaid,
    Value,
    as_kind,
    common_kind,
    comparable,
    ordered,
    spelled,
    whole,
)

FUNCTIONS: dict[str, Callable[..., Value]] = {}


def function(name: str, gives: Any = None) -> Callable[..., Any]:
    """Registers a function under its name. With `gives` (a kind, or what makes it from the arguments' kinds), its body
    sees plain values and is spared nulls."""

    def register(body: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Value) -> Value:
            kind = gives(*(a.kind for a in arguments)) if callable(gives) else gives
            if any(a.absent for a in arguments):
                return Value(kind, None)
            result = body(*(a.value for a in arguments))
            return result if isinstance(result, Value) else Value(kind, result)

        FUNCTIONS[name] = body if gives is None else guarded
        return body

    return register


def common(*kinds: Kind) -> Kind:
    found: Kind = "null"
    for kind in kinds:
        found = common_kind(found, kind)
    return found


def numeric(*kinds: Kind) -> Kind:
    """int if all are, else float."""
    return "int" if all(kind == "int" for kind in kinds) else "float"


def floats(*numbers: Any) -> list[Any]:
    """The numbers as they compute together: all whole, or all floats."""
    mixed = any(isinstance(n, float) for n in numbers)
    return [float(n) if mixed else n for n in numbers]


# ---- numbers ----


def arithmetic(name: str, compute: Callable[[Any, Any], Any]) -> None:
    @function(name, numeric)
    def computed(a: Any, b: Any) -> Value:
        a, b = floats(a, b)
        return number(compute(a, b))


def number(value: int | float) -> Value:
    return whole(value) if isinstance(value, int) else Value("float", value)


arithmetic("+", lambda a, b: a + b)
arithmetic("-", lambda a, b: a - b)
arithmetic("*", lambda a, b: a * b)


@function("/", "float")
def divided(a: Any, b: Any) -> float | None:
    return None if b == 0 else float(a) / float(b)


@function("//", numeric)
def divided_down(a: Any, b: Any) -> Value | None:
    a, b = floats(a, b)
    if b == 0:
        return None
    return whole(a // b) if isinstance(a, int) else Value("float", rounded_down(a / b))


@function("%", numeric)
def remainder(a: Any, b: Any) -> Value | None:
    a, b = floats(a, b)
    if b == 0:
        return None
    return whole(a % b) if isinstance(a, int) else Value("float", a - b * rounded_down(a / b))


def rounded_down(a: float) -> float:
    if not math.isfinite(a):
        raise Unsaid("a quotient too large for a float")
    return float(math.floor(a))


@function("negate", numeric)
def negated(a: Any) -> Value:
    return number(-a)


@function("abs", numeric)
def without_sign(a: Any) -> Value:
    return number(abs(a))


@function("round", lambda a, digits="int": numeric(a))
def rounded(a: Any, digits: int = 0) -> Value:
    if not math.isfinite(a):
        raise Unsaid("what infinity is rounded to")
    with localcontext(prec=1000):
        exact = Decimal(a).scaleb(digits).quantize(Decimal(1), ROUND_HALF_UP).scaleb(-digits)
    return whole(int(exact)) if isinstance(a, int) else Value("float", float(exact))


@function("floor", "int")
def below(a: Any) -> Value:
    return whole(math.floor(finite(a)))


@function("ceil", "int")
def above(a: Any) -> Value:
    return whole(math.ceil(finite(a)))


def finite(a: Any) -> Any:
    if not math.isfinite(a):
        raise Stops("no whole number is as large as infinity")
    return a


@function("to_int", "int")
def to_int(value: Any) -> Value | int | None:
    if not isinstance(value, str):
        return whole(int(finite(value)))
    text = trimmed(value)
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or any(c not in "0123456789" for c in digits):
        return None
    return int(text) if -(2**63) <= int(text) < 2**63 else None


@function("to_decimal", "decimal(2)")
def to_decimal(value: Any, digits: int = 2) -> Decimal | None:
    """Text that is a plain number of no more digits; a number rounded, a float by the digits that it prints."""
    if isinstance(value, str):
        text = trimmed(value)
        unsigned = text[1:] if text[:1] in ("+", "-") else text
        head, _, tail = unsigned.partition(".")
        plain = (head or tail) and all(c in "0123456789" for c in head + tail)
        return kept(Decimal(text), digits) if plain and len(tail.rstrip("0")) <= digits else None
    if isinstance(value, float):
        return kept(Decimal(repr(value)), digits) if math.isfinite(value) else None
    return kept(Decimal(value), digits)


def kept(number: Decimal, digits: int) -> Decimal | None:
    """The number with so many digits after the point, None beyond 38 in all."""
    with localcontext(prec=1000):
        made = number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return made if len(made.as_tuple().digits) <= 38 else None


@function("to_float", "float")
def to_float(value: Any) -> float | None:
    if not isinstance(value, str):
        return float(value)
    text = trimmed(value)
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    digits = mantissa[1:] if mantissa[:1] in ("+", "-") else mantissa
    head, _, tail = digits.partition(".")
    if not (head + tail) or any(c not in "0123456789" for c in head + tail):
        return None
    power = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    if mark and (not power or any(c not in "0123456789" for c in power)):
        return None
    found = float(text)
    if not math.isfinite(found):
        raise Unsaid("a number too large for a float")
    return found


# ---- comparison, logic, choice ----


def comparison(name: str, holds: Callable[[Any, Any], bool], form: Callable[[Any], Any] = ordered) -> None:
    @function(name, lambda *kinds: "bool")
    def compared(a: Any, b: Any) -> bool:
        return holds(form(a), form(b))


comparison("==", lambda a, b: a == b, comparable)
comparison("!=", lambda a, b: a != b, comparable)
comparison("<", lambda a, b: a < b)
comparison("<=", lambda a, b: a <= b)
comparison(">", lambda a, b: a > b)
comparison(">=", lambda a, b: a >= b)


@function("and")
def both(a: Value, b: Value) -> Value:
    """False if either is false; else null if either is null; else true."""
    if a.value is False or b.value is False:
        return Value("bool", False)
    return Value("bool", None if a.absent or b.absent else True)


@function("or")
def either(a: Value, b: Value) -> Value:
    if a.value is True or b.value is True:
        return Value("bool", True)
    return Value("bool", None if a.absent or b.absent else False)


@function("not", "bool")
def opposite(a: bool) -> bool:
    return not a


@function("in", "bool")
def among(value: Any, items: list[Any]) -> bool:
    """Whether the list has it; a null in the list is no value."""
    return any(item is not None and comparable(item) == comparable(value) for item in items)


@function("between")
def within(value: Value, low: Value, high: Value) -> Value:
    return FUNCTIONS["and"](FUNCTIONS["<="](low, value), FUNCTIONS["<="](value, high))


@function("is null")
def absent(value: Value) -> Value:
    return Value("bool", value.absent)


@function("coalesce")
def first_present(*values: Value) -> Value:
    kind = common(*(v.kind for v in values))
    return as_kind(kind, next((v for v in values if not v.absent), NULL))


@function("if")
def chosen(condition: Value, then: Value, otherwise: Value) -> Value:
    return as_kind(common(then.kind, otherwise.kind), then if condition.value is True else otherwise)


@function("least")
def smallest(*values: Value) -> Value:
    return extreme(values, min)


@function("greatest")
def largest(*values: Value) -> Value:
    return extreme(values, max)


def extreme(values: tuple[Value, ...], choose: Callable[..., Any]) -> Value:
    kind = common(*(v.kind for v in values))
    if any(v.absent for v in values):
        return Value(kind, None)
    return as_kind(kind, choose(values, key=lambda v: ordered(v.value)))


# ---- roots, powers, logarithms ----


@function("sqrt", "float")
def root(value: Any) -> float | None:
    return math.sqrt(value) if value >= 0 else None


@function("power", "float")
def power(base: Any, exponent: Any) -> float | None:
    """Null where there is none: a negative power of zero, a broken one of what is negative."""
    base, exponent = float(base), float(exponent)
    if (base == 0 and exponent < 0) or (base < 0 and exponent != math.floor(exponent)):
        return None
    with localcontext(prec=60) as deep:
        deep.traps[Overflow] = deep.traps[Underflow] = False
        return float(Decimal(base) ** Decimal(exponent)) if exponent else 1.0


@function("log")
def logarithm(value: Value, base: Value = NULL) -> Value:
    """To 60 digits, then the nearest float."""
    if value.absent or (base.absent and base.kind != "null") or value.value <= 0:
        return Value("float", None)
    with localcontext(prec=60):
        found = Decimal(value.value).ln()
        if base.absent:
            return Value("float", float(found))
        if base.value <= 0 or base.value == 1:
            return Value("float", None)
        return Value("float", float(found / Decimal(base.value).ln()))


# ---- text ----

BLANKS = " \t\r\n\f\v"


def trimmed(text: str) -> str:
    return text.strip(BLANKS)


def case_mapped(text: str, change: Callable[[str], str]) -> str:
    """Character by character."""
    if any(len(change(c)) > 1 or c == "ß" for c in text):
        raise Unsaid("the other case of a character that has no single one")
    return "".join(map(change, text))


for _name, _gives, _body in [
    ("lower", "text", lambda text: case_mapped(text, str.lower)),
    ("upper", "text", lambda text: case_mapped(text, str.upper)),
    ("trim", "text", trimmed),
    ("length", "int", len),
    ("normalize", "text", lambda text, form="NFC": unicodedata.normalize(form, text)),
    ("contains", "bool", lambda text, part: part in text),
    ("starts_with", "bool", lambda text, part: text.startswith(part)),
    ("ends_with", "bool", lambda text, part: text.endswith(part)),
]:
    function(_name, _gives)(_body)


def not_below(count: int, least: int, what: str) -> None:
    if count < least:
        raise Unsaid(f"{what} below {least}")


def substring(text: str, start: int, count: int | None = None) -> str:
    not_below(start, 1, "a position")
    if count is not None:
        not_below(count, 0, "a number of characters")
    return text[start - 1 :] if count is None else text[start - 1 : start - 1 + count]


@function("substring")
def substring_of(text: Value, start: Value, *count: Value) -> Value:
    """A count left out is all the rest; a count that is null is a null argument."""
    if text.absent or start.absent or any(c.absent and c.kind != "null" for c in count):
        return Value("text", None)
    return Value("text", substring(text.value, start.value, *(c.value for c in count)))


@function("left", "text")
def leftmost(text: str, count: int) -> str:
    not_below(count, 0, "a number of characters")
    return text[:count]


@function("right", "text")
def rightmost(text: str, count: int) -> str:
    not_below(count, 0, "a number of characters")
    return text[len(text) - count :] if count < len(text) else text


@function("replace", "text")
def replaced(text: str, old: str, new: str) -> str:
    if not old:
        raise Unsaid("replacing an empty text")
    return text.replace(old, new)


@function("split", ("list", "text"))
def split(text: str, separator: str) -> list[str]:
    if not separator:
        raise Unsaid("splitting at an empty text")
    return text.split(separator)


@function("item")
def item(items: Value, place: Value) -> Value:
    """The first is 1, the last -1."""
    if items.absent or place.absent or not 1 <= abs(place.value) <= len(items.value):
        return Value(items.kind[1], None)
    return Value(items.kind[1], items.value[place.value - (place.value > 0)])


@function("join_list", "text")
def join_list(items: list[Any], separator: str) -> str:
    return separator.join(spelled(item) for item in items if item is not None)


@function("concat")
def concat(*values: Value) -> Value:
    return Value("text", "".join("" if v.absent else spelled(v.value) for v in values))


@function("format")
def formatted(template: Value, *values: Value) -> Value:
    """`{}` takes the next value, `{{` and `}}` are braces; a null is written as in `concat`."""
    text, rest, made, at = template.value, list(values), "", 0
    while at < len(text):
        pair = text[at : at + 2]
        if pair in ("{{", "}}"):
            made += pair[0]
        elif pair == "{}":
            taken = rest.pop(0)
            made += "" if taken.absent else spelled(taken.value)
        else:
            made += text[at]
        at += 2 if pair in ("{{", "}}", "{}") else 1
    return Value("text", made)


@function("matches", "bool")
def matches(text: str, pattern: str) -> bool:
    return compiled(pattern).search(text) is not None


def compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def matches_in(pattern: Any, text: str) -> list[Any]:
    """All matches from left to right; after one of nothing the search goes on behind the next character."""
    found, at = [], 0
    while at <= len(text) and (match := pattern.search(text, at)) is not None:
        found.append(match)
        at = match.end() + (match.end() == match.start())
    return found


@function("regex_extract")
def regex_extract(text: Value, pattern: Value, group: Value = NULL) -> Value:
    if text.absent or (group.absent and group.kind != "null"):
        return Value("text", None)
    expression = compiled(pattern.value)
    found = expression.search(text.value)
    if found is None:
        return Value("text", None)
    wanted = group.value if not group.absent else min(1, expression.groups)
    if not 0 <= wanted <= expression.groups:
        raise Unsaid("a group that the pattern does not have")
    return Value("text", found[wanted] or "")


@function("count_matches", "int")
def count_matches(text: str, pattern: str) -> int:
    return len(matches_in(compiled(pattern), text))


@function("regex_replace", "text")
def regex_replace(text: str, pattern: str, new: str) -> str:
    """A match of nothing right behind a match that was replaced is none."""
    made, at = "", -1
    for match in matches_in(compiled(pattern), text):
        if match.start() == match.end() == at:
            continue
        made += text[max(at, 0) : match.start()] + put_in(new, match)
        at = match.end()
    return made + text[max(at, 0) :]


def put_in(new: str, match: Any) -> str:
    """A replacement's text: a backslash and a digit are a group, two backslashes one."""
    made, at = "", 0
    while at < len(new):
        sign = new[at + 1] if new[at] == "\\" else new[at]
        made += (match[int(sign)] or "") if new[at] == "\\" and sign != "\\" else sign
        at += 2 if new[at] == "\\" else 1
    return made


@function("json", "text")
def json_value(text: str, path: str) -> str | None:
    """`$`, then `.name`, `."name"` or `[index]`."""
    found, value = read_json(text, Written, dict)
    if not found:
        return None
    for name, index in re2.findall(r'\.("[^"]*"|\w+)|\[(\d+)\]', path):
        if name and isinstance(value, dict):
            value = value.get(name.strip('"'))
        elif index and isinstance(value, list):
            value = value[int(index)] if int(index) < len(value) else None
        else:
            return None
    return json_as_text(value)


class Written(str):
    """A number as written."""


def as_written(number: str) -> Written:
    plain = repr(float(number) if "." in number or "e" in number.lower() else int(number))
    if plain != number or len(number) > 18:
        raise Unsaid("how a JSON number written otherwise than usual is written again")
    return Written(number)


def of_one_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Unsaid("a key that stands twice in a JSON object")
    return dict(pairs)


def read_json(text: str, number: Any = as_written, members: Any = of_one_each) -> tuple[bool, Any]:
    """Whether a text is JSON, and its value; a number stays as it is written."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        return True, json.loads(
            text, parse_int=number, parse_float=number, parse_constant=refuse, object_pairs_hook=members
        )
    except (ValueError, RecursionError):
        return False, None


def json_as_text(value: Any) -> str | None:
    """A text as it is, null as null, anything else as JSON."""
    if value is None:
        return None
    return str(value) if isinstance(value, str) else as_json(value)


def as_json(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Written():
            return str(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return "[" + ",".join(map(as_json, value)) + "]"
        case _:
            return "{" + ",".join(f"{as_json(str(k))}:{as_json(v)}" for k, v in value.items()) + "}"


# ---- dates and timestamps ----


@function("to_date", "date")
def to_date(text: str, form: str = "%Y-%m-%d") -> datetime.date | None:
    found = read_moment(text, form)
    return found and found.date()


@function("to_timestamp", "timestamp")
def to_timestamp(text: str, form: str = "%Y-%m-%d %H:%M:%S") -> datetime.datetime | None:
    return read_moment(text, form)


def read_moment(text: str, form: str) -> datetime.datetime | None:
    if text != text.strip():
        raise Unsaid("whether blanks may stand around a date")
    try:
        return datetime.datetime.strptime(text, form)
    except ValueError:
        return None


def part(name: str, take: Callable[[datetime.datetime], int]) -> None:
    @function(name, "int")
    def taken(moment: Any) -> int:
        return take(comparable(moment))


part("year", lambda m: m.year)
part("quarter", lambda m: (m.month + 2) // 3)
part("month", lambda m: m.month)
part("day", lambda m: m.day)
part("weekday", lambda m: m.isoweekday())
part("hour", lambda m: m.hour)
part("minute", lambda m: m.minute)
part("second", lambda m: m.second)
part("week", lambda m: m.isocalendar().week)
part("iso_week", lambda m: m.isocalendar().week)
part("iso_year", lambda m: m.isocalendar().year)

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
function("month_name", "text")(lambda moment: MONTHS[moment.month - 1])
function("weekday_name", "text")(lambda moment: WEEKDAYS[moment.weekday()])
function("date", "date")(lambda moment: comparable(moment).date())


@function("date_trunc", lambda unit, moment: moment)
def date_trunc(unit: str, moment: Any) -> Any:
    """The last beginning of such a unit that is not later."""
    at = comparable(moment)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    made = {
        "year": day.replace(month=1, day=1),
        "quarter": day.replace(month=(at.month - 1) // 3 * 3 + 1, day=1),
        "month": day.replace(day=1),
        "week": day - datetime.timedelta(days=at.weekday()),
        "day": day,
        "hour": day.replace(hour=at.hour),
        "minute": at.replace(second=0, microsecond=0),
        "second": at.replace(microsecond=0),
    }[unit]
    return made if isinstance(moment, datetime.datetime) else made.date()


@function("add_months", lambda moment, months: moment)
def add_months(moment: Any, months: int) -> Any:
    """The same day of another month, or its last day."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise Unsaid("a moment outside the years 1 to 9999")
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


@function("format_date", "text")
def format_date(moment: Any, form: str) -> str:
    """Python writes years before 1000 without zeros."""
    return comparable(moment).strftime(form.replace("%Y", f"{moment.year:04d}").replace("%G", iso_year(moment)))


def iso_year(moment: Any) -> str:
    return f"{moment.isocalendar().year:04d}"


MICROSECOND = datetime.timedelta(microseconds=1)


@function("seconds_between", "float")
def seconds_between(a: Any, b: Any) -> float:
    return float((comparable(b) - comparable(a)) // MICROSECOND) / 1_000_000


@function("days_between", "int")
def days_between(a: Any, b: Any) -> int:
    return (comparable(b).date() - comparable(a).date()).days


def later(moment: Any, delta: Callable[[], datetime.timedelta]) -> Any:
    try:
        return moment + delta()
    except OverflowError:
        raise Unsaid("a moment outside the years 1 to 9999") from None


@function("add_days", lambda moment, days: moment)
def add_days(moment: Any, days: int) -> Any:
    return later(moment, lambda: datetime.timedelta(days=days))


@function("add_seconds", "timestamp")
def add_seconds(moment: Any, seconds: Any) -> Any:
    return later(comparable(moment), lambda: datetime.timedelta(seconds=seconds))


__all__ = ["FUNCTIONS", "Stops"]
