"""Corrections by hand: written into a program where the step has made the value, and found in one again.

In: a source, what is to be set where. Out: the text with a `correct` step more; what a program corrects, told.
Law: a correction is a step like any other, so that it is run, recorded and verified with the program; no call is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.call_sites import calls_in, named_arguments, piped_calls
from rlm_dsl.language.edit.set_arguments import Setting, statement_of
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show, show_expression

OPERATOR = "correct"


@dataclass(frozen=True, slots=True)
class Correction:
    """One value set by hand: in a step's column, in the rows where a condition holds, and why."""

    step: str
    column: str
    to: t.Expression
    where: t.Expression
    why: str = ""

    @staticmethod
    def read(step: str, setting: str, where: str, why: str = "") -> Correction:
        """From words: `topic="billing"` and `id == 7`. Raises UserError for what is no setting or no condition."""
        if not where.strip():
            raise UserError("it is not said which rows are corrected", "say it: --where 'id == 7'")
        found = Setting.read(setting)
        return Correction(step, found.argument, found.value, expression(where), why)

    def call(self) -> t.Call:
        given = [t.Argument(None, t.Name(self.column)), t.Argument("to", self.to), t.Argument("where", self.where)]
        given += [t.Argument("why", t.Text(self.why))] if self.why else []
        return t.Call(OPERATOR, tuple(given))

    def words(self) -> str:
        """As `show`, `cite` and `diff` tell it."""
        why = f" ({self.why})" if self.why else ""
        set_to, where = show_expression(self.to), show_expression(self.where)
        return f"corrected by hand in `{self.step}`: `{self.column}` is {set_to} where {where}{why}"


def expression(text: str) -> t.Expression:
    try:
        statements = parse(Source("--where", f"it = {text}")).statements
    except ProgramError as failure:
        raise UserError(f"--where {text!r} is no condition: {failure.diagnostics[0].message}") from None
    if len(statements) != 1 or not isinstance(statements[0], t.Binding):
        raise UserError(f"--where {text!r} is no condition", "write --where 'id == 7'")
    return statements[0].value


def with_corrections(source: Source, corrections: tuple[Correction, ...]) -> str:
    """A program's text with corrections in it: behind what asked a model in their step, else at the step's end. Raises
    UserError for a step that is not there."""
    tree = parse(source)
    for correction in corrections:
        at = statement_of(tree, correction.step)
        statement = tree.statements[at]
        assert isinstance(statement, t.Binding | t.Answer)
        changed = replace(statement, value=corrected(statement.value, correction))
        tree = replace(tree, statements=(*tree.statements[:at], changed, *tree.statements[at + 1 :]))
    return show(tree)


def corrected(value: t.Expression, correction: Correction) -> t.Expression:
    head, calls = (value.head, value.calls) if isinstance(value, t.Pipe) else (value, ())
    asking = [n for n, call in enumerate(calls, 1) if asks(call) or call.operator == OPERATOR]
    at = max(asking, default=0 if isinstance(head, t.Call) and asks(head) else len(calls))
    return t.Pipe(head, (*calls[:at], correction.call(), *calls[at:]))


def asks(call: t.Call) -> bool:
    operator = table_operators().get(call.operator)
    return operator is not None and operator.asks


def corrections_in(tree: t.Tree) -> Iterator[Correction]:
    """What a program corrects by hand, in the order in which it stands there."""
    for statement in tree.statements:
        if isinstance(statement, t.ContextStatement | t.ParamStatement):
            continue
        piped = {(call.span.start, call.span.end) for call in piped_calls(statement)}
        for call in calls_in(statement):
            if call.operator == OPERATOR:
                operator = table_operators()[OPERATOR]
                is_piped = (call.span.start, call.span.end) in piped
                given = {name: argument.value for name, argument in named_arguments(call, operator, is_piped)}
                if {"column", "to", "where"} <= given.keys():
                    why = given.get("why")
                    yield Correction(
                        getattr(statement, "name", "answer"),
                        given["column"].name if isinstance(given["column"], t.Name) else "",
                        given["to"],
                        given["where"],
                        why.value if isinstance(why, t.Text) else "",
                    )


def corrections_told(program: str) -> list[str]:
    """The corrections of a program's text, a line each; none for a text that cannot be read."""
    try:
        return [correction.words() for correction in corrections_in(parse(Source("program.rlm", program)))]
    except ProgramError:
        return []
