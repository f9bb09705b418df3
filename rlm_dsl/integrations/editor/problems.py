"""What is wrong with a program that somebody is writing.

In: a text. Out: problems, at most one for each mistake.
Law: never raises; what cannot be known without the data is no problem. A program without `context` lines says once for
each table that its columns are not known, and then only what is sure is reported of the steps over it: operators and
arguments that there are none of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from rlm_dsl.common.diagnostics import Diagnostic, did_you_mean, nearest
from rlm_dsl.integrations.editor.reading import Reading, read
from rlm_dsl.language.check import Checked, Environment, check
from rlm_dsl.language.check.arguments.placement import place_arguments
from rlm_dsl.language.check.functions import unknown_function
from rlm_dsl.language.check.habits import OPERATORS
from rlm_dsl.language.check.scope import NO_ROW, Names
from rlm_dsl.language.check.type_expressions import resolve_type
from rlm_dsl.language.operators.core.registry import aggregates, function_names, functions, table_operators
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.walk import walk
from rlm_dsl.language.types import Table

UNDECLARED = "E01"
"""The code of the note that a table's columns are not known."""


def problems(text: str) -> tuple[Diagnostic, ...]:
    """Every problem, in the order of the text."""
    reading = read(text)
    found = [*reading.problems, *found_by_checking(reading, text)]
    return tuple(sorted(found, key=lambda problem: problem.span.start))


def found_by_checking(reading: Reading, text: str) -> list[Diagnostic]:
    """What is wrong with the statements whose form is right."""
    parted = _Parted(reading, frozenset())
    checked = check(t.Tree(tuple(parted.sure)), Environment())
    if failed := parted.failed(checked):
        parted = _Parted(reading, failed)
        checked = check(t.Tree(tuple(parted.sure)), Environment())
    sure = [with_near_name(problem, text, parted.unknown) for problem in (*checked.problems, *checked.warnings)]
    rough = [problem for statement in parted.doubtful for problem in looked_over(statement)]
    return [*sure, *rough, *parted.notes]


def with_near_name(problem: Diagnostic, text: str, unknown: Collection[str]) -> Diagnostic:
    """An unknown name may be a slip for one whose type is not known."""
    near = nearest(text[problem.span.start : problem.span.end], unknown) if problem.code == "C01" else None
    return replace(problem, hints=(f"did you mean `{near}`?",)) if near else problem


class _Parted:
    """The statements that can be checked whole, and those that rest on something unknown."""

    def __init__(self, reading: Reading, failed: frozenset[str]) -> None:
        self.sure: list[t.Statement] = []
        self.doubtful: list[t.Statement] = []
        self.notes: list[Diagnostic] = []
        self.bound: set[str] = set()
        self.unknown = set(reading.broken | failed)
        self.declared = any(isinstance(statement, t.ContextStatement) for statement in reading.tree.statements)
        for statement in reading.tree.statements:
            self.take(statement)

    def failed(self, checked: Checked) -> frozenset[str]:
        """The names of statements that did not pass."""
        known = checked.environment
        named = filter(None, map(bound_name, self.sure))
        return frozenset(name for name in named if name not in known.bindings and name not in known.contexts)

    def take(self, statement: t.Statement) -> None:
        if not self.declared:
            self.undeclared(statement)
        name = bound_name(statement)
        without_value = isinstance(statement, t.ParamStatement) and statement.value is None
        if without_value or any(isinstance(n, t.Name) and n.name in self.unknown for n, _ in walk(statement)):
            self.doubtful.append(statement)
            self.unknown |= {name} if name else set()
        else:
            self.sure.append(statement)
            self.bound |= {name} if name else set()

    def undeclared(self, statement: t.Statement) -> None:
        """Names of tables that nothing binds, unless they look like a slip of the pen."""
        for name in table_names(statement):
            known = self.bound | self.unknown
            if name.name not in known and nearest(name.name, known) is None:
                self.unknown.add(name.name)
                self.notes.append(
                    Diagnostic(
                        UNDECLARED,
                        f"the columns of `{name.name}` are not known here, so they are not checked",
                        name.span,
                        (f"say what it holds: context {name.name}: table(column: type)",),
                        "warning",
                    )
                )


def bound_name(statement: t.Statement) -> str | None:
    match statement:
        case t.Binding(name) | t.ParamStatement(name) | t.ContextStatement(name):
            return name
        case _:
            return None


def table_names(statement: t.Statement) -> Iterator[t.Name]:
    """The names that can only be tables: heads of pipes and first arguments of operators, outside of any row."""
    match statement:
        case t.ContextStatement() | t.ParamStatement():
            return
        case _:
            yield from heads(statement.value, alone=True)


def heads(expression: t.Expression, *, alone: bool = False) -> Iterator[t.Name]:
    match expression:
        case t.Name() if alone:
            yield expression
        case t.Pipe(head):
            yield from heads(head, alone=True)
        case t.Call(operator, arguments) if operator in table_operators() and arguments:
            yield from heads(arguments[0].value, alone=arguments[0].name is None)
        case t.Call(_, arguments) | t.Items(arguments):
            for argument in arguments:
                yield from heads(argument.value)
        case t.Entries(entries):
            for entry in entries:
                yield from heads(entry.value, alone=True)
        case t.Binary(_, left, right):
            yield from heads(left)
            yield from heads(right)
        case t.Unary(_, inner) | t.Dot(inner) | t.IsNull(inner):
            yield from heads(inner)
        case _:
            return


def looked_over(statement: t.Statement) -> Iterator[Diagnostic]:
    """What is wrong with a statement whatever its tables hold."""
    names = Names({}, {}, {})
    if isinstance(statement, t.ContextStatement | t.ParamStatement):
        resolve_type(names, statement.type)
    piped = {id(call) for node, _ in walk(statement) if isinstance(node, t.Pipe) for call in node.calls}
    for node, _ in walk(statement):
        if not isinstance(node, t.Call) or node.operator == "table":
            continue
        operator = table_operators().get(node.operator)
        known = node.operator in functions() or node.operator in aggregates()
        if operator is not None and id(node) in piped and not known:
            place_arguments(names, operator, Table(()), node)
        elif operator is None and not known and (id(node) not in piped or node.operator in OPERATORS):
            unknown_function(names, node, NO_ROW)
        elif operator is None and not known:
            hints = did_you_mean(node.operator, sorted({*table_operators(), *function_names()}), what="operators")
            names.report("C02", f"no operator is called `{node.operator}`", node.operator_span, *hints)
    return iter(names.problems)
