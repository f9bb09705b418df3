"""What only some functions ask of their arguments: comparable types, templates, forms of dates, paths, groups.

In: a function's name and its arguments, each of its kind. Out: whether they are right, after saying what is not.
Law: what must be known before the run is checked before the run.
"""

from __future__ import annotations

import re

from rlm_dsl.common.diagnostics import did_you_mean
from rlm_dsl.common.source import Span
from rlm_dsl.language.check.pattern_rules import has_group, is_replacement, taken_word_for_word
from rlm_dsl.language.check.scope import Names
from rlm_dsl.language.operators.functions.calendar import FORM_CODES, OF_DAYS, UNITS
from rlm_dsl.language.operators.functions.text import template_pieces
from rlm_dsl.language.program import Literal, Node, Param, known_value, resolved
from rlm_dsl.language.types import (
    DATE,
    NULL,
    TIMESTAMP,
    Enum,
    ListOf,
    Record,
    bare,
    comparable,
    is_numeric,
    is_text,
)

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


def keeps_rules(names: Names, function: str, given: tuple[Node, ...], places: list[Span], span: Span) -> bool:
    """Whether a function's arguments, each right for itself, are what this very function asks for."""
    if function in COMPARISONS or function == "between":
        fine = all(_comparable(names, given[0], other, span) for other in given[1:])
        return fine and taken_word_for_word(names, function, given, places)
    if function == "in":
        of = bare(given[1].type)
        assert isinstance(of, ListOf)
        return all(_comparable(names, given[0], element, span) for element in _elements(given[1], of))
    if function == "format":
        return _template(names, given, places[0])
    if function in ("to_date", "to_timestamp"):
        return _date_form(names, known_value(given[1]), places[1])
    if function == "json":
        return _json_path(names, known_value(given[1]), places[1])
    if function == "date_trunc":
        return _unit(names, known_value(given[0]), given[1], places[0])
    if function == "format_date":
        return _written_form(names, known_value(given[1]), places[1])
    if function == "normalize":
        return _one_of(names, known_value(given[1]), NORMAL_FORMS, "form of Unicode", places[1])
    if function == "join_list":
        return _of_values(names, given[0], places[0])
    if function == "regex_extract":
        return has_group(names, given[1], given[2], places[2])
    if function == "regex_replace":
        return is_replacement(names, known_value(given[1]), known_value(given[2]), places[2])
    return taken_word_for_word(names, function, given, places)


def _elements(node: Node, of: ListOf) -> list[Node]:
    """A literal list's elements, each a literal; for another list, one literal null of its element type."""
    inner = resolved(node)
    if isinstance(inner, Literal) and inner.value:
        return [Literal(item, of.of if item is not None else NULL) for item in inner.value]
    return [Literal(None, of.of)]


def _comparable(names: Names, a: Node, b: Node, span: Span) -> bool:
    if not comparable(a.type, b.type):
        hints = _comparison_hints(a, b)
        names.report("C03", f"{a.type} and {b.type} cannot be compared", span, *hints)
        return False
    for enum, other in ((a, b), (b, a)):
        inner = resolved(other)
        kind = bare(enum.type)
        if not isinstance(kind, Enum) or not isinstance(inner, Literal) or not isinstance(inner.value, str):
            continue
        if inner.value not in kind.values:
            names.report(
                "C03",
                f'"{inner.value}" is none of the values this column can have',
                span,
                *did_you_mean(inner.value, list(kind.values), what="its values"),
            )
            return False
    return True


def _comparison_hints(a: Node, b: Node) -> tuple[str, ...]:
    """What to write where two types do not compare."""
    types = (bare(a.type), bare(b.type))
    if DATE in types or TIMESTAMP in types:
        return ("write a date as @2024-01-31, a timestamp as @2024-01-31T10:00:00",)
    if any(map(is_numeric, types)) and any(map(is_text, types)):
        literal = next((known_value(node) for node in (a, b) if isinstance(known_value(node), str)), None)
        if literal is not None and literal.lstrip("-").isdigit():
            return (f"write the number: {literal}",)
        if literal is not None:
            return ("compare it with a number, such as 3",)
        return ("convert the text: to_int(x) or to_float(x)",)
    return ()


def _template(names: Names, flat: tuple[Node, ...], place: Span) -> bool:
    template = resolved(flat[0])
    assert isinstance(template, Literal | Param)
    wanted = len(template_pieces(template.value)) - 1
    if wanted != len(flat) - 1:
        names.report("C06", f"the template has {wanted} places {{}} and {len(flat) - 1} values", place)
        return False
    return True


NORMAL_FORMS = ("NFC", "NFD", "NFKC", "NFKD")


def _one_of(names: Names, given: str, known: tuple[str, ...], what: str, place: Span) -> bool:
    if given in known:
        return True
    near = did_you_mean(given.strip().lower().removesuffix("s"), known, what=f"{what}s", most=len(known))
    names.report("C12", f'no {what} is called "{given}"', place, *near)
    return False


def _unit(names: Names, unit: str, moment: Node, place: Span) -> bool:
    """A unit that the moment has: a date has none shorter than a day."""
    if bare(moment.type) == DATE and unit in UNITS and unit not in OF_DAYS:
        names.report("C12", f"a date has no {unit}", place, f"write one of {', '.join(OF_DAYS)}")
        return False
    return _one_of(names, unit, UNITS, "unit", place)


def _written_form(names: Names, form: str, place: Span) -> bool:
    codes = DATE_CODE.findall(form)
    wrong = next((code for code in codes if not code or code not in FORM_CODES), None)
    if codes and wrong is None:
        return True
    what = f"no strftime code is called %{wrong} here" if codes else "no strftime code stands in this form"
    hint = 'write "%Y-%m-%d", "%d.%m.%Y", "%B %Y" (July 2023), "%a %d %b" (Fri 07 Jul), "%H:%M:%S"'
    names.report("C12", what, place, hint)
    return False


def _of_values(names: Names, given: Node, place: Span) -> bool:
    """Lists of lists or records have no one way to be written."""
    of = bare(given.type)
    if isinstance(of, ListOf) and isinstance(bare(of.of), ListOf | Record):
        names.report(
            "C03", f"`join_list` wants a list of values, and this is {given.type}", place, "t | explode(x) first"
        )
        return False
    return True


DATE_CODE = re.compile(r"%-?(.?)", re.DOTALL)
DATE_CODES = "aAbBcdfgGHIjmMnpSuUVwWxXyYzZ%"


def _date_form(names: Names, form: str, place: Span) -> bool:
    """A form of dates is written with strptime codes, of which it has at least one."""
    codes = DATE_CODE.findall(form)
    wrong = next((code for code in codes if not code or code not in DATE_CODES), None)
    if codes and wrong is None:
        return True
    what = "no strptime code stands in this form" if not codes else f"no strptime code is called %{wrong}"
    hint = 'write "%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y" (Jul 07, 2023), "%d %B %Y" (7 July 2023), "%H:%M:%S"'
    names.report("C12", what, place, hint)
    return False


JSON_PATH = re.compile(r'\$(?:\.[A-Za-z_]\w*|\."[^"\\]+"|\[\d+\])*')


def _json_path(names: Names, path: str, place: Span) -> bool:
    """A path leads to one value: names and places from `$` on, nothing that stands for many."""
    if JSON_PATH.fullmatch(path):
        return True
    hint = 'write "$.user.id", "$.items[0].name" or "$.\\"odd name\\""; for many values use parse_json and explode'
    names.report("C12", "no path to one JSON value", place, hint)
    return False
