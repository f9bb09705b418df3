"""Statements to a typed program: the way into this folder.

In: a tree and what stands before it. Out: checked statements, the environment after them, and all problems.
Law: a statement with a problem binds nothing, and changes nothing that was bound before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlm_dsl.common.diagnostics import Diagnostic, ProgramError, did_you_mean
from rlm_dsl.common.source import Source, Span
from rlm_dsl.language.answer_schema import NotOfType, typed
from rlm_dsl.language.check.decimals import at_type, exact_param
from rlm_dsl.language.check.expressions import check_expression
from rlm_dsl.language.check.scope import Environment, Names
from rlm_dsl.language.check.type_expressions import resolve_type
from rlm_dsl.language.program import Bound, Literal, Node, Param, Program, resolved
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import Field, Table, Type, fits


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking some statements gave. `known` are names bound before to the very same thing."""

    statements: tuple[Bound, ...]
    params: tuple[Param, ...]
    contexts: tuple[Field, ...]
    environment: Environment
    problems: tuple[Diagnostic, ...]
    known: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def check(tree: t.Tree, environment: Environment) -> Checked:
    """Check statements in an environment; problems are values, nothing is raised."""
    names = Names(dict(environment.bindings), dict(environment.contexts), environment.params, environment.versions)
    before = dict(environment.bindings)
    run = _Run(names, before, dict(environment.contexts))
    for statement in tree.statements:
        run.statement(statement)
    bindings = {name: node for name, node in names.bindings.items() if node is not None}
    after = Environment(names.contexts, {**before, **bindings}, environment.params, environment.versions)
    problems = tuple(sorted(names.problems, key=lambda problem: problem.span.start))
    warnings = tuple(dict.fromkeys(names.warnings))
    return Checked(
        tuple(run.bound), tuple(run.params), tuple(run.contexts), after, problems, tuple(run.known), warnings
    )


def check_program(tree: t.Tree, source: Source, environment: Environment) -> Program:
    """A whole program, or ProgramError with every problem of it."""
    checked = check(tree, environment)
    problems = list(checked.problems)
    for name in environment.params:
        if name not in {param.name for param in checked.params}:
            names = [param.name for param in checked.params]
            problems.append(
                Diagnostic(
                    "C19", f"the program has no param `{name}`", Span(0, 0), did_you_mean(name, names, what="params")
                )
            )
    if problems:
        raise ProgramError(sorted([*problems, *checked.warnings], key=lambda p: p.span.start), source)
    contexts = tuple(Field(name, type_) for name, type_ in checked.environment.contexts.items())
    return Program(contexts, checked.params, checked.statements, checked.warnings)


class _Run:
    """The statements of one tree, one after the other."""

    def __init__(self, names: Names, before: Mapping[str, Node], data: Mapping[str, Table]) -> None:
        self.names, self.before, self.data = names, before, data
        self.bound: list[Bound] = []
        self.params: list[Param] = []
        self.contexts: list[Field] = []
        self.known: list[str] = []
        self.here: set[str] = set()
        self.answered = False

    def statement(self, statement: t.Statement) -> None:
        match statement:
            case t.ContextStatement():
                self.context(statement)
            case t.ParamStatement():
                self.param(statement)
            case t.Binding():
                self.binding(statement)
            case t.Show(expression, span):
                if (node := check_expression(self.names, expression)) is not None:
                    self.bound.append(Bound("show", "", node, span))
            case t.Answer(expression, span):
                self.answer(expression, span)

    def context(self, statement: t.ContextStatement) -> None:
        type_ = resolve_type(self.names, statement.type)
        if not self.declared(statement, type_):
            self.names.bindings.setdefault(statement.name, None)

    def declared(self, statement: t.ContextStatement, type_: Type | None) -> bool:
        """Whether a context's line is as its data is; otherwise its name is known as broken."""
        if type_ is None or self.names.hidden(statement.name, statement.name_span):
            return False
        if not isinstance(type_, Table):
            self.names.report("C18", "a context is a table", statement.type.span, "write table(col: T, ...)")
            return False
        given = self.data.get(statement.name)
        if self.data and given is None:
            self.names.report(
                "C18",
                f"no data is bound to `{statement.name}`",
                statement.name_span,
                *did_you_mean(statement.name, list(self.data), what="contexts"),
            )
            return False
        if given is not None and not self.same(given, type_, statement):
            return False
        self.names.contexts = {**self.names.contexts, statement.name: given or type_}
        self.contexts.append(Field(statement.name, given or type_))
        return True

    def same(self, given: Table, declared: Table, statement: t.ContextStatement) -> bool:
        """Whether the data has every declared column with a type that fits."""
        wrong = [
            f"`{c.name}` is {found}" if (found := given.column(c.name)) is not None else f"`{c.name}` is missing"
            for c in declared.columns
            if given.column(c.name) is None or not fits(given.column(c.name), c.type)  # type: ignore[arg-type]
        ]
        if wrong:
            self.names.report(
                "C18",
                f"the data of `{statement.name}` is not as declared: {', '.join(wrong)}",
                statement.type.span,
                f"the data: context {statement.name}: {given}",
            )
        return not wrong

    def param(self, statement: t.ParamStatement) -> None:
        type_ = resolve_type(self.names, statement.type)
        if type_ is None or not self.free(statement.name, statement.name_span):
            self.names.bindings.setdefault(statement.name, None)
            return
        default = self.default(statement, type_)
        param = self.given(statement, type_) if statement.name in self.names.params else default
        self.names.bindings[statement.name] = param
        if param is not None:
            self.params.append(param)

    def default(self, statement: t.ParamStatement, type_: Type) -> Param | None:
        name = statement.name
        if statement.value is None:
            if name not in self.names.params:
                self.names.report(
                    "C19", f"param `{name}` has no value", statement.name_span, f"give one: --param {name}=..."
                )
            return None
        node = check_expression(self.names, statement.value)
        if node is None:
            return None
        inner = resolved(exact_param(node, type_))
        if not isinstance(inner, Literal | Param) or not (fits(inner.type, type_) or inner.value == []):
            self.names.report("C19", f"the value of `{name}` must be a {type_} written out", statement.value.span)
            return None
        return Param(name, at_type(inner.value, type_), type_)

    def given(self, statement: t.ParamStatement, type_: Type) -> Param | None:
        """The value given for this run, as JSON."""
        try:
            return Param(statement.name, typed(self.names.params[statement.name], type_, statement.name), type_)
        except NotOfType as failure:
            self.names.report("C19", f"the value given for this run does not fit: {failure}", statement.name_span)
            return None

    def binding(self, statement: t.Binding) -> None:
        name = statement.name
        node = check_expression(self.names, statement.value)
        if node is not None:
            node.identity  # noqa: B018 - computed while the stack is shallow; each binding's is kept
        again = name in self.before and name not in self.here
        if node is not None and again and self.before[name].identity == node.identity:
            self.known.append(name)
            return
        if not self.free(name, statement.name_span):
            return
        self.here.add(name)
        self.names.bindings[name] = node
        if node is not None:
            self.bound.append(Bound("binding", name, node, statement.span))

    def free(self, name: str, span: Span) -> bool:
        if self.names.hidden(name, span):
            return False
        if name in self.names.bindings and (name in self.here or name in self.before):
            self.names.report(
                "C07",
                f"`{name}` is bound already, and a name is bound once",
                span,
                f"use another name, such as {name}_2",
            )
            return False
        if name in self.names.contexts:
            self.names.report("C07", f"`{name}` is a context", span, f"use another name, such as {name}_2")
            return False
        return True

    def answer(self, expression: t.Expression, span: Span) -> None:
        if self.answered:
            self.names.report(
                "C15", "a program has one answer", span, "put several values in a record: answer {a: x, b: y}"
            )
        self.answered = True
        if (node := check_expression(self.names, expression)) is not None:
            self.bound.append(Bound("answer", "answer", node, span))
