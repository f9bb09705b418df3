"""Expressions to typed nodes: literals, names, operators, scalar functions, aggregates.

In: a tree expression and its scope. Out: a node, or None after saying what is wrong.
Law: every problem is reported where it is, once; nothing is guessed.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import NamedTuple

from rlm_dsl.common.diagnostics import did_you_mean, nearest
from rlm_dsl.common.source import Span
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.scope import NO_ROW, Names, Scope, fields_named
from rlm_dsl.language.operators.core.aggregate import AggregateFunction
from rlm_dsl.language.operators.core.function import KINDS, RESULTS, Function, Input
from rlm_dsl.language.operators.core.nullability import surprising
from rlm_dsl.language.operators.core.registry import aggregates, function_names, functions, table_operators
from rlm_dsl.language.patterns.validate import group_count, problem
from rlm_dsl.language.program import (
    Aggregate,
    Apply,
    Column,
    ContextRows,
    FieldOf,
    ListValue,
    Literal,
    Node,
    Param,
    RecordValue,
    Reference,
    known_value,
    resolved,
)
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    NULL,
    TEXT,
    TIMESTAMP,
    Enum,
    Field,
    ListOf,
    Record,
    Table,
    Type,
    bare,
    comparable,
    is_nullable,
    is_numeric,
    is_text,
    null_if,
    quoted_name,
    unify,
)

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


def value(names: Names, expression: t.Expression, scope: Scope = NO_ROW) -> Node | None:
    """The node an expression means in a scope."""
    match expression:
        case t.Number(number):
            return _number(names, number, expression.span)
        case t.Text(text):
            return Literal(text, TEXT)
        case t.Constant(constant):
            return Literal(constant, NULL if constant is None else BOOL)
        case t.Moment(text):
            return moment(text)
        case t.Name(name):
            return named(names, name, expression.span, scope)
        case t.Items(items):
            return _items(names, items, expression.span, scope)
        case t.Entries(entries):
            return _record(names, entries, scope)
        case t.Pipe() | t.Call():
            from rlm_dsl.language.check.calls import called

            return called(names, expression, scope)
        case t.Unary("-", t.Number(number)):
            return _number(names, -number, expression.span)
        case t.Unary(operator, operand):
            symbol = {"-": "negate"}.get(operator, operator)
            return applied(names, symbol, [(operand, None)], expression.span, scope)
        case t.Binary("not in", left, right):
            inner = _binary(names, "in", left, right, expression, scope)
            return None if inner is None else Apply("not", (inner,), inner.type)
        case t.Binary(operator, left, right):
            return _binary(names, operator, left, right, expression, scope)
        case t.Between(operand, low, high, negated):
            return _between(names, operand, low, high, negated, expression.span, scope)
        case t.IsNull(operand, negated):
            inner = applied(names, "is null", [(operand, None)], expression.span, scope)
            return Apply("not", (inner,), BOOL) if negated and inner else inner
        case t.Dot():
            return _field(names, expression, scope)
        case t.Applied() | t.Maybe():
            names.report("C03", "a type stands where a value is needed", expression.span)
            return None


def _number(names: Names, number: int | float, span: Span) -> Node | None:
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        names.report("C03", "a whole number has at most 64 bits", span, "write it as a float, such as 1e20")
        return None
    return Literal(number, INT if isinstance(number, int) else FLOAT)


def moment(text: str) -> Literal:
    """A date or timestamp literal; its form was checked by the parser."""
    if "T" in text:
        return Literal(datetime.datetime.fromisoformat(text), TIMESTAMP)
    return Literal(datetime.date.fromisoformat(text), DATE)


def named(names: Names, name: str, span: Span, scope: Scope) -> Node | None:
    """A bare name: a column of the row, else a binding. Both at once is refused where both make sense."""
    type_ = scope.row.column(name) if scope.row else None
    bound = names.bindings.get(name)
    if type_ is not None:
        if bound is not None and not isinstance(bound.type, Table):
            names.report(
                "C08",
                f"`{name}` is both a column of this table and an earlier value",
                span,
                f"rename the column first: select(..., {name}_column={quoted_name(name)}), or bind the value "
                "under another name",
            )
            return None
        if scope.grouped:
            names.report(
                "C14",
                f"column `{name}` has many values in a group",
                span,
                f"say which: first({quoted_name(name)}), max({quoted_name(name)}), or make it a key in `by`",
            )
            return None
        return Column(name, type_)
    if name in names.bindings:
        return None if bound is None else Reference(name, bound) if not isinstance(bound, Param) else bound
    if name in names.contexts:
        return ContextRows(name, names.contexts[name])
    _unknown(names, name, span, scope)
    return None


def _unknown(names: Names, name: str, span: Span, scope: Scope) -> None:
    columns = list(scope.row.names) if scope.row else []
    known = names.known()
    if scope.left and scope.right and (scope.left.column(name) or scope.right.column(name)):
        return names.report("C01", f"say whose `{name}` is meant", span, f"write left.{name} or right.{name}")
    if name in ("True", "False", "None"):
        return names.report("C01", f"`{name}` is Python", span, f"write {name.lower().replace('none', 'null')}")
    if scope.row and (hints_of := fields_named(scope.row, name)):
        return names.report("C01", f"unknown name `{name}`", span, *hints_of)
    if near := nearest(name, [*columns, *known]):
        return names.report("C01", f"unknown name `{name}`", span, f"did you mean `{near}`?")
    hints = ([f"columns here: {', '.join(columns[:20])}"] if columns else []) + (
        [f"bound so far: {', '.join(known[:20])}"] if known else ["nothing is bound yet"]
    )
    if scope.row:
        hints.append(f'for the text itself write "{name}"')
    return names.report("C01", f"unknown name `{name}`", span, *hints)


def _items(names: Names, items: tuple[t.Argument, ...], span: Span, scope: Scope) -> Node | None:
    for item in items:
        if item.name is not None:
            names.report("C03", "a list of values has no names", item.name_span, "write a record: {name: value}")
            return None
    nodes = [value(names, item.value, scope) for item in items]
    if any(node is None for node in nodes):
        return None
    present = [node for node in nodes if node is not None]
    of: Type | None = present[0].type if present else NULL
    for node in present[1:]:
        of = None if of is None else unify(of, node.type)
    if of is None or any(isinstance(node.type, Table) for node in present):
        names.report("C03", "the elements of a list must have one type", span)
        return None
    if all(isinstance(node, Literal) for node in present):
        return Literal([node.value for node in present if isinstance(node, Literal)], ListOf(of))
    return ListValue(tuple(present), ListOf(of))


def _record(names: Names, entries: tuple[t.Entry, ...], scope: Scope) -> Node | None:
    fields: list[tuple[str, Node]] = []
    seen: set[str] = set()
    for entry in entries:
        if entry.name.lower() in seen:
            names.report("C09", f"`{entry.name}` stands in this record twice", entry.name_span)
        seen.add(entry.name.lower())
        node = value(names, entry.value, scope)
        if node is not None:
            fields.append((entry.name, node))
    if len(fields) < len(entries) or len(seen) < len(entries):
        return None
    if not fields:
        names.report("C03", "a record has at least one field", entries[0].span if entries else Span(0, 0))
        return None
    return RecordValue(tuple(fields), Record(tuple(Field(name, node.type) for name, node in fields)))


def _binary(
    names: Names, operator: str, left: t.Expression, right: t.Expression, whole: t.Binary, scope: Scope
) -> Node | None:
    if operator in COMPARISONS:
        for side, other in ((left, right), (right, left)):
            if isinstance(side, t.Constant) and side.value is None:
                word = "is null" if operator == "==" else "is not null"
                names.report("C03", f"`{operator} null` is never true", whole.span, f"write `x {word}`")
                value(names, other, scope)
                return None
    return applied(names, operator, [(left, None), (right, None)], whole.span, scope)


def _between(
    names: Names, operand: t.Expression, low: t.Expression, high: t.Expression, negated: bool, span: Span, scope: Scope
) -> Node | None:
    inner = applied(names, "between", [(operand, None), (low, None), (high, None)], span, scope)
    return Apply("not", (inner,), inner.type) if negated and inner else inner


def _field(names: Names, dot: t.Dot, scope: Scope) -> Node | None:
    if isinstance(dot.value, t.Name) and (side := _side(dot.value.name, scope)):
        type_ = side.column(dot.name)
        if type_ is None:
            names.report(
                "C01",
                f"no column `{dot.name}` in the {dot.value.name} table",
                dot.name_span,
                *did_you_mean(dot.name, list(side.names), what="columns"),
            )
            return None
        return Column(dot.name, type_, dot.value.name)
    inner = value(names, dot.value, scope)
    if inner is None:
        return None
    return _field_of(names, inner, dot)


def _side(name: str, scope: Scope) -> Table | None:
    return {"left": scope.left, "right": scope.right}.get(name)


def _field_of(names: Names, inner: Node, dot: t.Dot) -> Node | None:
    bundle, type_ = resolved(inner), bare(inner.type)
    if isinstance(bundle, RecordValue):
        for name, node in bundle.fields:
            if name == dot.name:
                return node
    if isinstance(type_, Record):
        found = type_.field(dot.name)
        if found is not None:
            return FieldOf(inner, dot.name, null_if(is_nullable(inner.type), found))
        names.report(
            "C01",
            f"no field `{dot.name}`",
            dot.name_span,
            *did_you_mean(dot.name, [f.name for f in type_.fields], what="fields"),
        )
        return None
    hint = "inside an argument, a bare column name is enough" if isinstance(type_, Table) else ""
    what = "table" if isinstance(type_, Table) else str(type_)
    more = (hint, f"a whole column as a list is values(t, {dot.name})") if hint else ()
    names.report("C03", f"`.{dot.name}` takes a field of a record, and this is a {what}", dot.name_span, *more)
    return None


Written = tuple[t.Expression, str | None]
"""An argument as written, and its keyword."""


class Given(NamedTuple):
    """A checked argument of a function, where it stands, and its keyword."""

    node: Node
    span: Span
    keyword: str | None


def applied(names: Names, function: str, arguments: Sequence[Written], span: Span, scope: Scope) -> Node | None:
    """A scalar function or expression operator applied to arguments as written."""
    given = checked_operands(names, arguments, scope)
    return None if given is None else apply_function(names, function, given, span)


def checked_operands(names: Names, arguments: Sequence[Written], scope: Scope) -> list[Given] | None:
    """Every argument as a node; None if one of them is none."""
    nodes = [value(names, expression, scope) for expression, _ in arguments]
    given = [Given(n, e.span, k) for n, (e, k) in zip(nodes, arguments, strict=True) if n is not None]
    return given if len(given) == len(nodes) else None


def apply_function(names: Names, function: str, given: Sequence[Given], span: Span) -> Node | None:
    """A scalar function or expression operator applied to checked arguments."""
    entry = functions()[function]
    placed = _placed(names, entry, given, span)
    if placed is None:
        return None
    flat, spans = placed
    if not _checked(names, entry, flat, spans, span):
        return None
    return _typed(names, entry, flat, span)


def _placed(
    names: Names, entry: Function, given: Sequence[Given], span: Span
) -> tuple[tuple[Node, ...], list[Span]] | None:
    """Arguments in the order of the function's inputs, defaults filled in; repeated ones at the end."""
    slots: dict[str, tuple[Node, Span]] = {}
    rest: list[tuple[Node, Span]] = []
    inputs = list(entry.inputs)
    position = 0
    for node, place, keyword in given:
        if keyword is not None:
            if keyword not in {i.name for i in inputs} or keyword in slots:
                names.report("C05", f"`{entry.name}` has no argument `{keyword}`", place, _usage(entry))
                return None
            slots[keyword] = (node, place)
        elif position < len(inputs) and not inputs[position].rest:
            slots[inputs[position].name] = (node, place)
            position += 1
        elif inputs and inputs[-1].rest:
            rest.append((node, place))
        else:
            names.report("C06", f"`{entry.name}` takes {len(inputs)} arguments", place, _usage(entry))
            return None
    flat: list[tuple[Node, Span]] = []
    for wanted in inputs:
        if wanted.rest:
            if not rest:
                names.report("C04", f"`{entry.name}` needs `{wanted.name}`", span, _usage(entry))
                return None
            flat += rest
        elif wanted.name in slots:
            flat.append(slots[wanted.name])
        elif wanted.default is not ...:
            flat.append((Literal(wanted.default, _default_type(wanted)), span))
        else:
            names.report("C04", f"`{entry.name}` needs `{wanted.name}`", span, _usage(entry))
            return None
    return tuple(node for node, _ in flat), [place for _, place in flat]


def _default_type(wanted: Input) -> Type:
    return NULL if wanted.default is None else INT if isinstance(wanted.default, int) else TEXT


def _usage(entry: Function) -> str:
    return f"usage: {entry.signature}" if entry.name.isidentifier() else f"usage: a {entry.name} b"


def _checked(names: Names, entry: Function, flat: tuple[Node, ...], spans: list[Span], span: Span) -> bool:
    """Each argument against its kind, then what only some functions ask."""
    kinds = [entry.inputs[min(index, len(entry.inputs) - 1)] for index in range(len(flat))]
    fine = True
    for node, wanted, place in zip(flat, kinds, spans, strict=True):
        fine &= _of_kind(names, entry, node, wanted, place)
    if not fine:
        return False
    if entry.name in COMPARISONS or entry.name == "between":
        return all(_comparable(names, flat[0], other, span) for other in flat[1:])
    if entry.name == "in":
        of = bare(flat[1].type)
        assert isinstance(of, ListOf)
        return all(_comparable(names, flat[0], element, span) for element in _elements(flat[1], of))
    if entry.name == "format":
        return _template(names, flat, spans[0])
    if entry.name in ("to_date", "to_timestamp"):
        return _date_form(names, known_value(flat[1]), spans[1])
    if entry.name == "json":
        return _json_path(names, known_value(flat[1]), spans[1])
    if entry.name == "regex_extract":
        return _group(names, flat[1], flat[2], spans[2])
    return True


def _elements(node: Node, of: ListOf) -> list[Node]:
    """A literal list's elements, each a literal; for another list, one literal null of its element type."""
    inner = resolved(node)
    if isinstance(inner, Literal) and inner.value:
        return [Literal(item, of.of if item is not None else NULL) for item in inner.value]
    return [Literal(None, of.of)]


def _of_kind(names: Names, entry: Function, node: Node, wanted: Input, place: Span) -> bool:
    if node.type == NULL and wanted.kind not in ("pattern", "fixed", "list"):
        return True
    if isinstance(node.type, Table):
        names.report(
            "C03",
            f"`{entry.name}` works on values, and this is a table",
            place,
            "reduce it to a value first: count(t), first(t, col), values(t, col)",
        )
        return False
    if not KINDS[wanted.kind](node.type):
        names.report(
            "C03",
            f"`{entry.name}` wants {_kind_words(wanted)}, and this is {node.type}",
            place,
            *_conversion(wanted.kind, node.type, entry.name),
        )
        return False
    if wanted.kind in ("pattern", "fixed"):
        return _written_out(names, entry, node, wanted, place)
    return True


def _kind_words(wanted: Input) -> str:
    return {
        "scalar": "one value",
        "moment": "a date or timestamp",
        "countable": "a text, number or bool",
        "any": "a value",
        "int": "a whole number",
    }.get(wanted.kind, f"a {wanted.kind}")


def _conversion(kind: str, given: Type, function: str) -> tuple[str, ...]:
    if kind in ("number", "float", "int") and is_text(given):
        return ("join texts with concat(a, b)",) if function == "+" else ("convert it: to_int(x) or to_float(x)",)
    if kind == "int" and is_numeric(given):
        return ("convert it: to_int(x), round(x), floor(x)",)
    if kind in ("moment", "date", "timestamp") and is_text(given):
        return ('convert it: to_date(x, "%Y-%m-%d")',)
    if kind in ("moment", "date") and function == "-":
        return ("use days_between(a, b) or seconds_between(a, b)",)
    if kind == "number" and bare(given) in (DATE, TIMESTAMP):
        return ("use days_between(a, b), seconds_between(a, b), add_days(a, n)",)
    if kind == "text":
        return ("make it text: concat(x)",)
    if kind == "bool":
        return ("make it a condition: x > 0, x is not null",)
    if kind == "list":
        return ("write a list: [a, b]; for part of a text use contains(x, part)",)
    return ()


def _written_out(names: Names, entry: Function, node: Node, wanted: Input, place: Span) -> bool:
    """A pattern or format must be known before the run, and a pattern must be good RE2."""
    inner = resolved(node)
    if not isinstance(inner, Literal | Param) or not isinstance(inner.value, str):
        names.report("C12", f"`{wanted.name}` must be a text written out, or a name bound to one", place)
        return False
    if wanted.kind == "pattern" and (bad := problem(inner.value)):
        names.report("C10", bad.message, place, *bad.hints)
        return False
    return True


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


def _group(names: Names, pattern: Node, group: Node, place: Span) -> bool:
    """Which group is wanted must be known before the run, and the pattern must have it."""
    inner, count = resolved(group), group_count(known_value(pattern))
    if not isinstance(inner, Literal | Param):
        names.report("C12", "which group is wanted must be a number written out", place)
        return False
    if inner.value is not None and 9 < inner.value <= count:
        names.report("C12", "only the groups 1 to 9 can be taken here", place, "name it (?P<name>...) and use extract")
        return False
    if inner.value is not None and not 0 <= inner.value <= count:
        held = f"it has {count}" if count else "it has none"
        names.report("C12", f"the pattern has no group {inner.value}: {held}", place, "0 is the whole match")
        return False
    return True


def template_pieces(template: str) -> list[str]:
    """The texts between a template's `{}`; `{{` and `}}` are braces."""
    pieces, at = [""], 0
    for mark in re.finditer(r"\{\{|\}\}|\{\}", template):
        pieces[-1] += template[at : mark.start()] + (mark[0][0] if mark[0] != "{}" else "")
        if mark[0] == "{}":
            pieces.append("")
        at = mark.end()
    pieces[-1] += template[at:]
    return pieces


def _typed(names: Names, entry: Function, flat: tuple[Node, ...], span: Span) -> Node | None:
    types = tuple(node.type for node in flat)
    if entry.gives is not None:
        result = entry.gives(types)
        if result is None:
            told = " and ".join(dict.fromkeys(str(type_) for type_ in (types[1:] if entry.name == "if" else types)))
            names.report("C03", f"`{entry.name}` needs values of one type, and these are {told}", span)
            return None
    else:
        base = RESULTS[entry.result.rstrip("?")]
        absent = any(map(is_nullable, _operands(entry, flat))) and not entry.takes_null
        result = null_if(absent or entry.result.endswith("?"), base)
    if entry.name == "/" and known_value(flat[1]) not in (0, None):
        result = null_if(any(map(is_nullable, types)), FLOAT)
    return Apply(entry.name, flat, result)


def _operands(entry: Function, flat: tuple[Node, ...]) -> list[Type]:
    """The types that carry null: all but defaults left out."""
    return [node.type for node in flat if not (isinstance(node, Literal) and node.value is None)] + [
        NULL
        for node, wanted in zip(flat, entry.inputs, strict=False)
        if isinstance(node, Literal) and node.value is None and wanted.default is ...
    ]


def aggregate(names: Names, call: t.Call, scope: Scope) -> Node | None:
    """An aggregate inside `group`; its arguments are evaluated for each row."""
    entry = aggregates()[call.operator]
    given = aggregate_arguments(names, entry, call.arguments, Scope(row=scope.row), call.span)
    if given is None:
        return None
    return Aggregate(entry.name, given, entry.result(tuple(node.type for node in given)))


def aggregate_arguments(
    names: Names, entry: AggregateFunction, arguments: tuple[t.Argument, ...], scope: Scope, span: Span
) -> tuple[Node, ...] | None:
    nodes: list[Node] = []
    usage = f"usage: {entry.signature}"
    if len(arguments) > len(entry.parameters):
        extra = "count rows that satisfy something with count_if(condition)" if entry.name == "count" else usage
        names.report(
            "C06", f"`{entry.name}` takes {len(entry.parameters) or 'no'} arguments", arguments[-1].span, extra
        )
        return None
    for index, (parameter, kind) in enumerate(entry.parameters):
        written = next((a for a in arguments if a.name == parameter), None)
        if written is None and index < len(arguments) and arguments[index].name is None:
            written = arguments[index]
        if written is None:
            if index >= len(entry.parameters) - entry.optional:
                continue
            names.report("C04", f"`{entry.name}` needs `{parameter}`", span, usage)
            return None
        node = value(names, written.value, NO_ROW if kind in ("plain", "fraction") else scope)
        if node is None or not aggregate_kind(names, entry.name, node, kind, written.span):
            return None
        nodes.append(node)
    return tuple(nodes)


def aggregate_kind(names: Names, aggregate_name: str, node: Node, kind: str, span: Span) -> bool:
    """Whether a node may be an aggregate's argument of this kind."""
    type_ = bare(node.type)
    fits = {
        "number": is_numeric(type_),
        "bool": type_ == BOOL,
        "ordered": not isinstance(type_, Table | Record | ListOf),
        "plain": is_text(type_) and isinstance(resolved(node), Literal | Param),
        "fraction": is_numeric(type_) and isinstance(resolved(node), Literal | Param),
    }.get(kind, not isinstance(type_, Table))
    if fits and kind == "fraction":
        fits = 0 <= known_value(node) <= 1
    if fits and kind == "bool":
        warn_of_nulls(names, node, span)
    if not fits:
        wanted = {
            "number": "a number",
            "bool": "a condition",
            "ordered": "a value that can be ordered",
            "plain": "a text written out",
            "fraction": "a number from 0 to 1",
        }.get(kind, "a value")
        names.report(
            "C03",
            f"`{aggregate_name}` wants {wanted}, and this is {node.type}",
            span,
            *_conversion(kind, node.type, aggregate_name),
        )
    return fits


def warn_of_nulls(names: Names, condition: Node, span: Span) -> None:
    """Warn where a negation leaves out rows whose value is null, as if they were meant."""
    for node in surprising(condition):
        column = isinstance(node, Column)
        told = quoted_name(node.name) if isinstance(node, Column) else "x"
        names.warn(
            "W01",
            f"{f'`{told}`' if column else 'a value of this condition'} may be null, and then the row is left out",
            span,
            f"to count such rows in: {told} is null or ...",
            f"to leave them out on purpose: {told} is not null and ...",
        )


def unknown_function(names: Names, call: t.Call, scope: Scope) -> None:
    """A call that is no scalar function: the nearest, the right form of a habit, or the operator it is."""
    name = call.operator
    if name in habits.FUNCTIONS:
        return names.report(
            "C02", f"no function is called `{name}`", call.operator_span, f"write {habits.FUNCTIONS[name]}"
        )
    if name in table_operators():
        what = "an aggregate works on a group's rows" if name in aggregates() else "an operator works on a table"
        more = (
            (f"for each group: group(by=col, x={name}(..)); so far: running(x={name}(..))",)
            if name in aggregates()
            else ()
        )
        return names.report(
            "C02",
            f"`{name}` cannot stand here: {what}",
            call.operator_span,
            f"of a whole table: t | {name}(...)",
            *more,
        )
    if name in habits.OPERATORS:
        return names.report(
            "C02", f"no function is called `{name}`", call.operator_span, f"write {habits.OPERATORS[name]}"
        )
    return names.report(
        "C02",
        f"no function is called `{name}`",
        call.operator_span,
        *did_you_mean(name, function_names(), what="functions"),
    )
