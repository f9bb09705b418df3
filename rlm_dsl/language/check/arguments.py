"""An operator's arguments: placed in its parameters, then each checked by its kind.

In: an operator, the piped table's type, a call. Out: typed arguments with their places, or None after saying what is
wrong. Law: every kind of parameter is checked in one function of this module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from rlm_dsl.common.diagnostics import did_you_mean, nearest
from rlm_dsl.common.source import Span
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.scope import NO_ROW, Names, Scope, fields_named
from rlm_dsl.language.check.values import aggregate_kind, value, warn_of_nulls
from rlm_dsl.language.check.written_types import written_type
from rlm_dsl.language.operators.core import kinds
from rlm_dsl.language.operators.core.operator import Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, REQUIRED, Arguments, Parameter
from rlm_dsl.language.operators.core.registry import aggregates
from rlm_dsl.language.operators.join import renamed
from rlm_dsl.language.patterns.validate import problem
from rlm_dsl.language.program import Column, Instruction, Literal, Node, SortKey, known_value, plain_value, resolved
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import (
    BOOL,
    INT,
    TEXT,
    Field,
    ListOf,
    Record,
    Table,
    bare,
    comparable,
    fits,
    is_nullable,
    is_text,
    quoted_name,
)

Placed = dict[str, list[t.Argument]]


@dataclass(frozen=True, slots=True)
class Checked:
    """Checked arguments, the further tables among them, and where each argument and new column stands."""

    values: Arguments
    inputs: tuple[Node, ...]
    spans: dict[str, Span]


class Failed(Exception):
    """An argument is wrong and has been reported."""


def placed_arguments(names: Names, operator: Operator, table: Table, call: t.Call) -> Placed | None:
    """Which argument goes to which parameter."""
    placed: Placed = {}
    fine = True
    free = list(operator.parameters)
    for argument in call.arguments:
        parameter = parameter_of(operator, argument, free)
        if parameter is None:
            fine = _misplaced(names, operator, argument, table)
            continue
        if parameter.name in placed and not parameter.variadic:
            names.report("C05", f"`{parameter.name}` is given twice", argument.span)
            fine = False
        placed.setdefault(parameter.name, []).append(argument)
        if not parameter.variadic and parameter in free:
            free.remove(parameter)
    for parameter in operator.parameters:
        missing = parameter.default is REQUIRED and parameter.name not in placed and not _may_lack(parameter)
        if fine and missing:
            names.report(
                "C04", f"`{operator.name}` needs {parameter.signature}", call.span, f"usage: {operator.signature}"
            )
            fine = False
    return placed if fine else None


def _may_lack(parameter: Parameter) -> bool:
    return isinstance(parameter.kind, kinds.Aggregates)


def parameter_of(operator: Operator, argument: t.Argument, free: Sequence[Parameter]) -> Parameter | None:
    """The parameter that an argument is for; `free` are those that none before it was for."""
    takes_names = kinds.Derived | kinds.Aggregates
    if argument.name is not None:
        for parameter in operator.parameters:
            if parameter.name == argument.name and not parameter.variadic:
                return parameter
        for parameter in operator.parameters:
            if isinstance(parameter.kind, takes_names) or (
                isinstance(parameter.kind, kinds.Columns) and parameter.kind.named
            ):
                return parameter
        return None
    return next((p for p in free if not isinstance(p.kind, takes_names)), None)


def _misplaced(names: Names, operator: Operator, argument: t.Argument, table: Table) -> bool:
    if argument.name is None:
        named = any(isinstance(p.kind, kinds.Derived | kinds.Aggregates) for p in operator.parameters)
        keys = next((p.name for p in operator.parameters if isinstance(p.kind, kinds.Keys)), None)
        if keys and isinstance(argument.value, t.Name) and table.column(argument.value.name) is not None:
            what = f"several columns are written {keys}=[a, b]"
        else:
            what = "give it a name: name=..." if named else f"usage: {operator.signature}"
        names.report("C06", f"`{operator.name}` does not take this argument", argument.span, what)
        return False
    known = [p.name for p in operator.parameters if not p.variadic]
    habit = habits.ARGUMENTS.get(argument.name.lower(), "")
    if table.column(argument.name) is not None and any(isinstance(p.kind, kinds.Each) for p in operator.parameters):
        hints: tuple[str, ...] = (f"to compare, write two signs: {argument.name} == ...",)
    elif operator.name == "sort" and habit in ("-col", "col"):
        hints = ("write sort(-col) for descending, sort(col) for ascending",)
    elif habit.startswith("on=") and "on" in known:
        hints = (f"keys of different names: {habit}",)
    elif called := [name for name in habit.split() if name in known]:
        hints = (f"it is called `{called[0]}` here",)
    elif argument.name in ("by", "columns", "on") and any(
        isinstance(p.kind, kinds.SortKeys | kinds.Columns) for p in operator.parameters
    ):
        hints = (f"write the columns without a name: {operator.name}(col)",)
    else:
        near = nearest(argument.name, known)
        hints = (f"did you mean `{near}`?",) if near else (f"usage: {operator.signature}",)
    names.report("C05", f"`{operator.name}` has no argument `{argument.name}`", argument.name_span, *hints)
    return False


def checked_arguments(names: Names, operator: Operator, table: Table, placed: Placed, call: t.Call) -> Checked | None:
    """Every argument by its kind; all problems are reported before giving up."""
    values: dict[str, Any] = {}
    tables: dict[str, Table] = {}
    inputs: list[Node] = []
    spans: dict[str, Span] = {}
    fine = True
    for parameter in operator.parameters:
        written = placed.get(parameter.name, [])
        spans[parameter.name] = written[0].span if written else call.span
        try:
            checked = _Argument(names, operator, parameter, table, written, call, tables, spans).checked()
        except Failed:
            fine = False
            continue
        if isinstance(parameter.kind, kinds.Rows):
            inputs.append(checked)
            tables[parameter.name] = checked.type
        elif not (parameter.optional and checked == parameter.default):
            values[parameter.name] = checked
    return Checked(Arguments(table, values, tables), tuple(inputs), spans) if fine else None


def text_columns_of(table: Table) -> tuple[str, ...]:
    found = [quoted_name(c.name) for c in table.columns if is_text(c.type)]
    return (f"text columns: {', '.join(found)}",) if found else ("this table has no text column",)


@dataclass(frozen=True, slots=True)
class _Argument:
    """One parameter of one call, on its way from what is written to what is meant."""

    names: Names
    operator: Operator
    parameter: Parameter
    table: Table
    written: list[t.Argument]
    call: t.Call
    tables: dict[str, Table]
    spans: dict[str, Span]

    def checked(self) -> Any:
        if isinstance(self.parameter.kind, kinds.OfBoth):
            return self.of_both(self.written)
        if not self.written:
            return self.only_text() if self.parameter.default is ONLY_TEXT else self.default()
        first = self.written[0].value
        match self.parameter.kind:
            case kinds.Rows():
                return self.rows(first)
            case kinds.Each(of):
                return self.each(first, of)
            case kinds.Shown():
                return self.shown(first)
            case kinds.Columns(named):
                return self.columns(named)
            case kinds.Keys():
                return self.keys(first)
            case kinds.SortKeys():
                return tuple(self.sort_key(e) for e in self.flat())
            case kinds.Constant(of_type):
                return self.constant(first, of_type)
            case kinds.Flag():
                return self.flag(first)
            case kinds.Plain():
                return self.plain(first)
            case kinds.Pattern():
                return self.pattern(first)
            case kinds.Choice(values, pattern):
                return self.choice(first, values, pattern)
            case kinds.ResultType(record):
                return self.result_type(first, record)
            case kinds.ColumnTypes():
                return self.column_types(first)
            case kinds.Words():
                return self.words(first)
            case kinds.Labels():
                return self.labels(first)
            case kinds.Demonstrations():
                return self.demonstrations(first)
            case kinds.NewName():
                return self.new_name(first)
            case kinds.JoinCondition():
                return self.join_condition(first)
            case kinds.Derived():
                return self.derived()
            case kinds.Aggregates():
                return self.aggregates()
            case _ as unreachable:
                assert_never(unreachable)

    def fail(self, code: str, message: str, span: Span, *hints: str) -> Failed:
        self.names.report(code, message, span, *hints)
        return Failed()

    def default(self) -> Any:
        return () if self.parameter.default is REQUIRED else self.parameter.default

    def in_row(self, expression: t.Expression, row: Table | None = None) -> Node:
        node = value(self.names, expression, Scope(row=row or self.table))
        if node is None:
            raise Failed
        return node

    def single(self, node: Node, span: Span) -> Node:
        """A value that a column can hold."""
        if isinstance(node.type, Table):
            raise self.fail(
                "C03",
                "a table stands where a value per row is needed",
                span,
                "reduce it to a value: count(t), first(t, col)",
            )
        return node

    def rows(self, expression: t.Expression) -> Node:
        node = value(self.names, expression, NO_ROW)
        if node is None:
            raise Failed
        if not isinstance(node.type, Table):
            raise self.fail(
                "C11", f"`{self.operator.name}` wants another table here, and this is {node.type}", expression.span
            )
        return node

    def each(self, expression: t.Expression, of: str) -> Node:
        node = self.single(self.in_row(expression), expression.span)
        if self.operator.name in aggregates() and self.parameter.name != "column":
            kind = dict(aggregates()[self.operator.name].parameters)[self.parameter.name]
            if not aggregate_kind(self.names, self.operator.name, node, kind, expression.span):
                raise Failed
        if of == "text" and not is_text(node.type):
            raise self.fail(
                "C16",
                f"`{self.parameter.name}` wants a text, and this is {node.type}",
                expression.span,
                *self.text_columns(),
            )
        if of == "bool" and bare(node.type) != BOOL:
            raise self.fail(
                "C03",
                f"a condition is wanted, and this is {node.type}",
                expression.span,
                "compare it: x == ..., x > 0, x is not null",
            )
        if of == "bool":
            warn_of_nulls(self.names, node, expression.span)
        return node

    def text_columns(self) -> tuple[str, ...]:
        return text_columns_of(self.table)

    def only_text(self) -> Any:
        """The table's one column of plain text, a file's `path` apart; more than one, or none, must be said."""
        texts = [c for c in self.table.columns if bare(c.type) == TEXT and c.name != "path"]
        if len(texts) != 1:
            raise self.fail(
                "C16", f"say which column: {self.parameter.name}=", self.call.operator_span, *self.text_columns()
            )
        column = Column(texts[0].name, texts[0].type)
        return ((texts[0].name, column),) if isinstance(self.parameter.kind, kinds.Shown) else column

    def shown(self, expression: t.Expression) -> tuple[tuple[str, Node], ...]:
        if isinstance(expression, t.Items):
            if not expression.items:
                raise self.fail("C16", "name at least one column to show", expression.span, *self.text_columns())
            return self.keyed(expression.items)
        node = self.single(self.in_row(expression), expression.span)
        if not is_text(node.type):
            raise self.fail(
                "C16",
                f"one column shown must be a text, and this is {node.type}",
                expression.span,
                "show it by name: on=[a, b], or make it text: on=concat(x)",
            )
        return ((expression.name if isinstance(expression, t.Name) else "text", node),)

    def flat(self) -> list[t.Expression]:
        """The arguments, with lists taken apart."""
        found: list[t.Expression] = []
        for argument in self.written:
            items = argument.value.items if isinstance(argument.value, t.Items) else None
            found += [item.value for item in items] if items is not None else [argument.value]
        return found

    def columns(self, named: bool) -> tuple[tuple[str, Node], ...]:
        found: list[tuple[str, Node]] = []
        for argument in self.written:
            items = argument.value.items if isinstance(argument.value, t.Items) and not argument.name else (argument,)
            found += [self.column(item, named) for item in items]
        return tuple(found)

    def column(self, argument: t.Argument, named: bool) -> tuple[str, Node]:
        if argument.name is not None:
            self.spans[f"column {argument.name}"] = argument.name_span
            return argument.name, self.single(self.in_row(argument.value), argument.value.span)
        if not isinstance(argument.value, t.Name):
            raise self.fail("C12", "a column's name is wanted", argument.span, self.column_hint(argument.value, named))
        return argument.value.name, self.table_column(argument.value)

    def column_hint(self, expression: t.Expression, named: bool) -> str:
        """What to write where something else than a column's name stands."""
        match expression:
            case t.Text(text) if self.table.column(text) is not None:
                return f"write the name bare: {quoted_name(text)}"
            case t.Unary("-", t.Name(name)):
                return f"for all columns but one: drop({quoted_name(name)})"
            case _:
                return "name it: name=..." if named else "compute it first with derive(name=...)"

    def table_column(self, name: t.Name) -> Column:
        type_ = self.table.column(name.name)
        if type_ is None:
            raise self.fail(
                "C01",
                f"no column `{name.name}`",
                name.span,
                *(fields_named(self.table, name.name) or did_you_mean(name.name, self.table.names, what="columns")),
            )
        return Column(name.name, type_)

    def keys(self, expression: t.Expression) -> tuple[tuple[str, Node], ...]:
        if isinstance(expression, t.Items):
            return self.keyed(expression.items)
        return self.keyed((t.Argument(None, expression, expression.span, expression.span),))

    def keyed(self, items: Sequence[t.Argument]) -> tuple[tuple[str, Node], ...]:
        found: list[tuple[str, Node]] = []
        for item in items:
            if item.name is None and not isinstance(item.value, t.Name):
                self.in_row(item.value)
                raise self.fail("C12", "a computed key needs a name", item.span, "write [name=expression]")
            node = self.single(self.in_row(item.value), item.span)
            found.append((item.name or item.value.name, node))  # type: ignore[union-attr]
        return tuple(found)

    def sort_key(self, expression: t.Expression) -> SortKey:
        descending = isinstance(expression, t.Unary) and expression.operator == "-"
        inner = expression.operand if isinstance(expression, t.Unary) and descending else expression
        node = self.single(self.in_row(inner), inner.span)
        if isinstance(inner, t.Text):
            raise self.fail("C12", "this sorts by a constant text", inner.span, f"write the name bare: {inner.value}")
        return SortKey(node, descending)

    def constant(self, expression: t.Expression, of: Any) -> Node:
        if (
            isinstance(expression, t.Name)
            and expression.name not in self.names.bindings
            and self.table.column(expression.name) is not None
        ):
            raise self.fail(
                "C03",
                f"`{expression.name}` is a column, and `{self.parameter.name}` is one value for all rows",
                expression.span,
                f"name the column so: on={quoted_name(expression.name)}"
                if of == TEXT
                else f"make one value of it first: max(t, {quoted_name(expression.name)})",
            )
        node = value(self.names, expression, NO_ROW)
        if node is None:
            raise Failed
        if not fits(bare(node.type), of):
            raise self.fail(
                "C03",
                f"`{self.parameter.name}` wants {'a whole number' if of == INT else of}, and this is {node.type}",
                expression.span,
            )
        if is_nullable(node.type):
            raise self.fail(
                "C21",
                f"`{self.parameter.name}` may be null here",
                expression.span,
                f"give a default: coalesce(.., {'1' if of == INT else 'default'})",
            )
        return node

    def flag(self, expression: t.Expression) -> bool:
        if not isinstance(expression, t.Constant) or expression.value is None:
            raise self.fail("C12", f"`{self.parameter.name}` is true or false, written out", expression.span)
        return expression.value

    def plain(self, expression: t.Expression) -> Any:
        if not isinstance(expression, t.Text):
            raise self.fail("C12", f"`{self.parameter.name}` is a text, written out", expression.span)
        whole = self.operator.name in aggregates()
        return Literal(expression.value, TEXT) if whole else expression.value

    def pattern(self, expression: t.Expression) -> Node:
        node = value(self.names, expression, NO_ROW)
        if node is None:
            raise Failed
        text = known_value(node)
        if not isinstance(text, str):
            raise self.fail(
                "C12", "a pattern is a text written out, or a name bound to one", expression.span, 'write r"pattern"'
            )
        if bad := problem(text):
            raise self.fail("C10", bad.message, expression.span, *bad.hints)
        return resolved(node)

    def choice(self, expression: t.Expression, values: tuple[str, ...], pattern: bool) -> Any:
        if isinstance(expression, t.Text) and expression.value in values:
            return expression.value
        plain = isinstance(expression, t.Number) or (
            isinstance(expression, t.Text) and not expression.raw and expression.value.isalpha()
        )
        if pattern and not plain:
            return self.pattern(expression)
        if isinstance(expression, t.Number) and "size" in {p.name for p in self.operator.parameters}:
            hints: tuple[str, ...] = (f"name it: size={expression.value:g}",)
        elif isinstance(expression, t.Text) and expression.value.lower() in habits.CHOICES:
            hints = (habits.CHOICES[expression.value.lower()],)
        elif isinstance(expression, t.Name) and expression.name in values:
            hints = (f'put it in quotes: "{expression.name}"',)
        else:
            given = expression.value if isinstance(expression, t.Text) else ""
            hints = (
                did_you_mean(given, [f"{v}" for v in values], what="choices")
                if given
                else (f"choices: {', '.join(values)}",)
            )
        raise self.fail("C12", f"`{self.parameter.name}` is one of {', '.join(values)}", expression.span, *hints)

    def result_type(self, expression: t.Expression, record: bool) -> Any:
        type_ = written_type(self.names, expression)
        if type_ is None:
            raise Failed
        if record and not isinstance(type_, Record):
            raise self.fail(
                "C13",
                f"`{self.parameter.name}` is a record of columns",
                expression.span,
                f"write {self.parameter.name}={{name: {type_}}}",
            )
        if isinstance(type_, Table):
            raise self.fail("C13", "a model does not answer with a table", expression.span, "ask for list[{name: T}]")
        return type_

    def column_types(self, expression: t.Expression) -> tuple[tuple[str, Any], ...]:
        if not isinstance(expression, t.Entries):
            raise self.fail("C13", "`types` is a record of types", expression.span, "write types={name: int}")
        found = [(entry.name, written_type(self.names, entry.value)) for entry in expression.entries]
        if any(type_ is None for _, type_ in found):
            raise Failed
        return tuple(found)

    def words(self, expression: t.Expression) -> Instruction:
        """The instruction's text with its inserted values. A name bound to a text inserts nothing of its own."""
        if not isinstance(expression, t.Text):
            node = value(self.names, expression, NO_ROW)
            text = None if node is None else known_value(node)
            if node is not None and not isinstance(text, str):
                self.names.report("C12", f"`{self.parameter.name}` is a text", expression.span)
            if not isinstance(text, str):
                raise Failed
            return Instruction((text,))
        if not expression.value.strip():
            raise self.fail("C12", f"`{self.parameter.name}` is empty", expression.span, "say what you want to know")
        return Instruction(tuple(self.pieces(expression)))

    def demonstrations(self, expression: t.Expression) -> tuple[Mapping[str, Any], ...]:
        """Texts with their answers, as plain values."""
        node = value(self.names, expression, NO_ROW)
        if node is None:
            raise Failed
        usage = f'write {self.parameter.name}=[{{text: "as it is shown", ...}}]'
        found = plain_value(node)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self.fail("C12", f"`{self.parameter.name}` is a list of records, written out", expression.span, usage)
        for each in found:
            if not isinstance(each.get("text"), str) or len(each) < 2:
                raise self.fail(
                    "C12", "an example is a `text` and the fields of its right answer", expression.span, usage
                )
        return tuple(found)

    def pieces(self, text: t.Text) -> list[str | Node]:
        found: list[str | Node] = []
        at = 0
        for place in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}", text.value):
            found.append(text.value[at : place.start()] + (place[0][0] if place[1] is None else ""))
            if place[1] is not None:
                found.append(self.inserted(place[1].strip(), text.span))
            at = place.end()
        found.append(text.value[at:])
        return [piece for piece in found if piece != ""]

    def inserted(self, name: str, span: Span) -> Node:
        if not re.fullmatch(r"\w+", name):
            raise self.fail("C17", f"{{{name}}} is no name", span, "double a brace to mean itself: {{ and }}")
        node = self.names.bindings.get(name)
        if node is None and self.table.column(name) is not None:
            raise self.fail(
                "C17",
                f"`{name}` is a column, and an instruction is the same for all rows",
                span,
                f"show it to the model instead: on=[{name}, ...]",
            )
        if node is None:
            if name not in self.names.bindings:
                self.names.report(
                    "C17",
                    f"nothing is bound to `{name}`",
                    span,
                    *did_you_mean(name, self.names.known(), what="bound so far"),
                    "double a brace to mean itself: {{ and }}",
                )
            raise Failed
        if isinstance(node.type, Table):
            raise self.fail("C17", f"`{name}` is a table", span, "insert a value of it: text(t, col), values(t, col)")
        return node

    def labels(self, expression: t.Expression) -> Node:
        node = value(self.names, expression, NO_ROW)
        if node is None:
            raise Failed
        of = bare(node.type)
        if not isinstance(of, ListOf) or not is_text(of.of):
            raise self.fail(
                "C03",
                f"`labels` is a list of texts, and this is {node.type}",
                expression.span,
                'write labels=["a", "b"], or values(t, col)',
            )
        known = known_value(node)
        if known is not None and len({str(label).strip().casefold() for label in known}) < max(2, len(known)):
            raise self.fail("C12", "`labels` is at least two texts that differ by more than case", expression.span)
        return node

    def new_name(self, expression: t.Expression) -> str:
        name = (
            expression.name
            if isinstance(expression, t.Name)
            else (expression.value if isinstance(expression, t.Text) else "")
        )
        if not name:
            raise self.fail("C12", f"`{self.parameter.name}` is a new column's name", expression.span)
        return name

    def of_both(self, written: list[t.Argument]) -> tuple[tuple[str, Column], ...]:
        """Columns by the names they have in a join of both tables; without any written, each table's only text."""
        if "other" not in self.tables:
            raise Failed
        other = self.tables["other"]
        places = {theirs: new for theirs, new, _ in renamed(self.table, other, ())}
        if not written:
            names = [(self.only_text_of(self.table), self.only_text_of(other), self.call.operator_span)]
            chosen = [(c, table) for ours, theirs, _ in names for c, table in ((ours, self.table), (theirs, other))]
        else:
            value = written[0].value
            items = [i.value for i in value.items] if isinstance(value, t.Items) else [value]
            chosen = [place for item in items for place in self.sides(item, other)]
        for table, which in ((self.table, "the piped table"), (other, "the other table")):
            if not any(owner is table for _, owner in chosen):
                raise self.fail(
                    "C16", f"no column of {which} is named", written[0].span, *text_columns_of(table), "on=[a, b]"
                )
        found = []
        for column, owner in chosen:
            type_ = owner.column(column)
            assert type_ is not None
            here = column if owner is self.table else places[column]
            found.append((here, Column(here, type_)))
        return tuple(found)

    def only_text_of(self, table: Table) -> str:
        texts = [c.name for c in table.columns if bare(c.type) == TEXT and c.name != "path"]
        if len(texts) != 1:
            span = self.call.operator_span
            raise self.fail("C16", f"say which columns of both: {self.parameter.name}=", span, *text_columns_of(table))
        return texts[0]

    def sides(self, expression: t.Expression, other: Table) -> list[tuple[str, Table]]:
        """A column's name with the tables that have it."""
        if not isinstance(expression, t.Name):
            raise self.fail(
                "C12", "a column's name is wanted", expression.span, "compute it first with derive(name=...)"
            )
        name = expression.name
        found = [(name, table) for table in (self.table, other) if table.column(name) is not None]
        if not found:
            known = [*self.table.names, *other.names]
            hints = did_you_mean(name, known, what="columns")
            raise self.fail("C01", f"no column `{name}` in either table", expression.span, *hints)
        for _, table in found:
            if not is_text(table.column(name)):  # type: ignore[arg-type]
                raise self.fail("C16", f"`{name}` is {table.column(name)}, and a text is wanted", expression.span)
        return found

    def join_condition(self, expression: t.Expression) -> Any:
        if "other" not in self.tables:
            raise Failed
        other = self.tables["other"]
        if isinstance(expression, t.Name | t.Text | t.Items):
            items = [i.value for i in expression.items] if isinstance(expression, t.Items) else [expression]
            if not items:
                raise self.fail("C12", "a join needs a key", expression.span, "write on=col")
            return tuple(self.join_key(item, other) for item in items)
        node = value(self.names, expression, Scope(left=self.table, right=other))
        if node is None:
            raise Failed
        if bare(node.type) != BOOL:
            raise self.fail(
                "C03",
                f"a condition is wanted, and this is {node.type}",
                expression.span,
                "write on=col, or on=left.a == right.b",
            )
        return node

    def join_key(self, expression: t.Expression, other: Table) -> str:
        name = (
            expression.value
            if isinstance(expression, t.Text)
            else (expression.name if isinstance(expression, t.Name) else "")
        )
        ours, theirs = self.table.column(name), other.column(name)
        if ours is None or theirs is None:
            where = (
                "both tables"
                if ours is None and theirs is None
                else "the other table"
                if theirs is None
                else ("this table")
            )
            there = other if theirs is None else self.table
            raise self.fail(
                "C01",
                f"no column `{name}` in {where}",
                expression.span,
                *did_you_mean(name, list(there.names), what="columns"),
                "keys of different names: on=left.a == right.b",
            )
        if not comparable(ours, theirs):
            raise self.fail("C03", f"`{name}` is {ours} here and {theirs} there", expression.span)
        return name

    def derived(self) -> tuple[tuple[str, Node], ...]:
        found: list[tuple[str, Node]] = []
        row, fine = self.table, True
        for argument in self.written:
            assert argument.name is not None
            self.spans[f"column {argument.name}"] = argument.name_span
            try:
                node = self.single(self.in_row(argument.value, row), argument.value.span)
            except Failed:
                fine = False
                continue
            found.append((argument.name, node))
            row = row.with_columns([Field(argument.name, node.type)])
        if not fine:
            raise Failed
        return tuple(found)

    def aggregates(self) -> tuple[tuple[str, Node], ...]:
        found: list[tuple[str, Node]] = []
        fine = True
        for argument in self.written:
            assert argument.name is not None
            self.spans[f"column {argument.name}"] = argument.name_span
            node = value(self.names, argument.value, Scope(row=self.table, grouped=True))
            if node is None or isinstance(node.type, Table):
                fine = False
                continue
            found.append((argument.name, node))
        if not fine:
            raise Failed
        return tuple(found)
