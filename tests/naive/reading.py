"""A program's meaning: its tree evaluated over plain tables.

In: a program's text and the contexts it reads. Out: what it answers, tables and values by their path.
Law: `x | f(y)` is `f(x, y)`; a bare name is a column of the row, failing that a binding or a context.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.source import Source
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from tests.naive.aggregates import AGGREGATES
from tests.naive.functions import FUNCTIONS, common
from tests.naive.operators import OPERATORS, Call
from tests.naive.rows import Row, Table
from tests.naive.values import NULL, Stops, Unsaid, Value, widened

Path = tuple[str, ...]


def answered(program: str, contexts: Mapping[str, Table]) -> dict[Path, Table | Value]:
    """The answer's parts by path."""
    reading = Reading(dict(contexts))
    for statement in parse(Source("test.rlm", program)).statements:
        match statement:
            case t.Binding(name, value):
                reading.bound[name] = reading.anything(value)
            case t.ParamStatement(name, _, value):
                reading.bound[name] = reading.value(value)
            case t.Answer(value):
                return dict(reading.parts(value, ()))
    raise AssertionError("no answer")


def parts_of(function: str, expressions: Sequence[t.Expression], inner: Callable[[t.Expression], Any]) -> list[Value]:
    """A function's arguments. Some functions may not need them all, and none needs the others beside a null."""
    found: list[Value] = []
    stopped: Stops | None = None
    for expression in expressions:
        try:
            found.append(inner(expression))
        except Stops as stop:
            stopped = stop
    if stopped is None:
        return found
    if function in ("if", "coalesce", "and", "or", "between") or any(value.absent for value in found):
        raise Unsaid("whether a part that is not needed may stop the run")
    raise stopped


@dataclass(frozen=True)
class Reading:
    bound: dict[str, Table | Value] = field(default_factory=dict)

    def parts(self, expression: t.Expression, path: Path) -> list[tuple[Path, Table | Value]]:
        """A record of tables is taken apart; anything else is one part."""
        if isinstance(expression, t.Entries):
            inner = [part for e in expression.entries for part in self.parts(e.value, (*path, e.name))]
            if any(isinstance(value, Table) for _, value in inner):
                return inner
        return [(path, self.anything(expression))]

    def table(self, expression: t.Expression) -> Table:
        found = self.anything(expression)
        assert isinstance(found, Table), expression
        return found

    def value(self, expression: t.Expression, row: dict[str, Value] | None = None, **sides: dict[str, Value]) -> Value:
        found = self.anything(expression, row, sides)
        assert isinstance(found, Value), expression
        return found

    def anything(
        self,
        expression: t.Expression,
        row: Mapping[str, Value] | None = None,
        sides: Mapping[str, Mapping[str, Value]] | None = None,
    ) -> Table | Value:
        def inner(part: t.Expression) -> Any:
            return self.anything(part, row, sides)

        match expression:
            case t.Number(value):
                return Value("float" if isinstance(value, float) else "int", value)
            case t.Text(value):
                return Value("text", value)
            case t.Constant(value):
                return NULL if value is None else Value("bool", value)
            case t.Moment(text) if "T" in text:
                return Value("timestamp", datetime.datetime.fromisoformat(text))
            case t.Moment(text):
                return Value("date", datetime.date.fromisoformat(text))
            case t.Name(name):
                return row[name] if row is not None and name in row else self.bound[name]
            case t.Items(items):
                values = [inner(item.value) for item in items]
                kind = common(*(value.kind for value in values))
                return Value(("list", kind), [widened(kind, value.value) for value in values])
            case t.Entries(entries):
                fields = {entry.name: inner(entry.value) for entry in entries}
                kinds = tuple((name, value.kind) for name, value in fields.items())
                return Value(("record", kinds), {name: value.value for name, value in fields.items()})
            case t.Unary("-", operand):
                return FUNCTIONS["negate"](inner(operand))
            case t.Unary(operator, operand):
                return FUNCTIONS[operator](inner(operand))
            case t.Binary("not in", left, right):
                return FUNCTIONS["not"](FUNCTIONS["in"](inner(left), inner(right)))
            case t.Binary(operator, left, right):
                return FUNCTIONS[operator](*parts_of(operator, [left, right], inner))
            case t.Between(value, low, high, negated):
                found = FUNCTIONS["between"](*parts_of("between", [value, low, high], inner))
                return FUNCTIONS["not"](found) if negated else found
            case t.IsNull(value, negated):
                found = FUNCTIONS["is null"](inner(value))
                return FUNCTIONS["not"](found) if negated else found
            case t.Dot(t.Name(side), name) if sides and side in sides:
                return sides[side][name]
            case t.Dot(value, name):
                record = inner(value)
                kind = dict(record.kind[1])[name]
                return Value(kind, None if record.absent else record.value[name])
            case t.Pipe(head, calls):
                found = inner(head)
                for call in calls:
                    found = self.called(call.operator, found, call.arguments, inner)
                return found
            case t.Call(operator, arguments):
                if operator in OPERATORS | AGGREGATES and arguments and self.tabular(arguments[0].value, row):
                    return self.called(operator, self.table(arguments[0].value), arguments[1:], inner)
                return FUNCTIONS[operator](*parts_of(operator, [a.value for a in arguments], inner))
        raise AssertionError(expression)

    def tabular(self, expression: t.Expression, row: Mapping[str, Value] | None) -> bool:
        match expression:
            case t.Name(name):
                return not (row and name in row) and isinstance(self.bound.get(name), Table)
            case t.Pipe(head):
                return self.tabular(head, row)
            case t.Call(operator, arguments):
                known = operator in OPERATORS | AGGREGATES
                return known and bool(arguments) and self.tabular(arguments[0].value, row)
            case _:
                return False

    def called(self, operator: str, piped: Any, arguments: Sequence[t.Argument], inner: Any) -> Table | Value:
        if isinstance(piped, Value):
            return FUNCTIONS[operator](piped, *(inner(a.value) for a in arguments))
        if operator in OPERATORS:
            return OPERATORS[operator](Call(piped, tuple(arguments), self))
        return self.over(operator, [a.value for a in arguments], piped, piped.rows)

    def aggregate(self, expression: t.Expression, table: Table, rows: Sequence[Row]) -> Value:
        """An expression over a group: aggregates in it are of the group's rows."""
        match expression:
            case t.Call(operator, arguments) if operator in AGGREGATES:
                return self.over(operator, tuple(a.value for a in arguments), table, rows)
            case t.Call(operator, arguments):
                return FUNCTIONS[operator](*(self.aggregate(a.value, table, rows) for a in arguments))
            case t.Binary(operator, left, right):
                return FUNCTIONS[operator](self.aggregate(left, table, rows), self.aggregate(right, table, rows))
            case _:
                return self.value(expression)

    def over(self, name: str, expressions: Sequence[t.Expression], table: Table, rows: Sequence[Row]) -> Value:
        """An aggregate of expressions over rows."""
        columns = [
            (self.value(e, table.of_nulls()).kind, [self.value(e, table.named(row)).value for row in rows])
            for e in expressions
        ]
        return AGGREGATES[name](len(rows), *columns)
