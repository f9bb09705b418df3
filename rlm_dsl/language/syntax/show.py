"""From tree to canonical text.

In: a tree or an expression. Out: the one text for it, with every comment of the tree.
Laws: `parse(show(tree)) == tree`; `show(parse(text))` is a fixed point; no comment is lost.

A statement that fits on one line and has no comments inside stands on one line. Else a pipeline has a line for each
call, its pipes two columns left of its head (so below the `=` of a binding), and brackets have a line for each item.
One blank line follows the head of `context` and `param` statements; elsewhere one is kept where there were any.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from rlm_dsl.language.syntax.comments import NO_NOTES, Inner, Notes, Placed, place
from rlm_dsl.language.syntax.foreign import CAPITALS
from rlm_dsl.language.syntax.layout import (
    Doc,
    Pipeline,
    bracket,
    chain,
    comment,
    lay,
    lay_pipeline,
    pipeline,
    plain,
    row,
)
from rlm_dsl.language.syntax.literals import spell_number, spell_text
from rlm_dsl.language.syntax.tree import (
    Answer,
    Applied,
    Argument,
    Between,
    Binary,
    Binding,
    Call,
    Comment,
    Constant,
    ContextStatement,
    Dot,
    Entries,
    Entry,
    Expression,
    IsNull,
    Items,
    Maybe,
    Moment,
    Name,
    Number,
    ParamStatement,
    Pipe,
    Show,
    Statement,
    Text,
    Tree,
    Unary,
)
from rlm_dsl.language.syntax.walk import Node, children
from rlm_dsl.language.types import quoted_name

# How tightly an expression holds together, as in the grammar.
_PIPE, _OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGNED, _POSTFIX, _ATOM = range(10)
_BINARY_LEVELS = {"or": _OR, "and": _AND} | dict.fromkeys("+-", _SUM) | dict.fromkeys(("*", "/", "//", "%"), _PRODUCT)
_CONSTANTS = {True: "true", False: "false", None: "null"}
_WIDEST_ALIGNED = 32
_HEAD = (ContextStatement, ParamStatement)


@dataclass(frozen=True, slots=True)
class _Manner:
    """How to spell: with which inner comments, and whether on one line at any width."""

    inner: Inner = field(default_factory=dict)
    one_line: bool = False

    def notes(self, node: Expression, count: int) -> tuple[Notes, ...]:
        if not self.inner:
            return (NO_NOTES,) * count
        return tuple(self.inner.get((id(node), item), NO_NOTES) for item in range(count))


def show(tree: Tree) -> str:
    """The canonical text of a program; it ends with a line end unless it is empty."""
    placed, rest = place(tree)
    lines: list[str] = []
    end, was_head = 0, False
    for one in placed:
        is_head = isinstance(one.statement, _HEAD)
        part, end = _statement_lines(one, tree.blank_lines, end, was_head and not is_head)
        lines += part
        was_head = is_head
    lines += _comment_lines(rest, tree.blank_lines, end, False)
    return "\n".join(lines).lstrip("\n") + "\n" if lines else ""


def show_expression(expression: Expression) -> str:
    """An expression's canonical text on one line (line ends inside raw texts aside)."""
    return _doc(expression, _Manner(one_line=True)).flat


# ---- statements and the blank lines and comments between them ----


def _statement_lines(one: Placed, blanks: Sequence[int], end: int, parted: bool) -> tuple[list[str], int]:
    """A statement with the comments around it, and where its own text ended."""
    lines = _comment_lines(one.above, blanks, end, parted)
    before = one.above[-1].offset if one.above else end
    if _has_blank(blanks, before, one.statement.span.start) or (parted and not one.above):
        lines.append("")
    lines += [comment(moved.text) for moved in one.moved] + _laid(one.statement, one.inner)
    if one.behind is not None:
        lines[-1] += "  " + comment(one.behind.text)
    return lines, one.behind.offset if one.behind else one.statement.span.end


def _comment_lines(comments: Sequence[Comment], blanks: Sequence[int], end: int, parted: bool) -> list[str]:
    lines: list[str] = []
    for one in comments:
        if parted or _has_blank(blanks, end, one.offset):
            lines.append("")
        lines.append(comment(one.text))
        end, parted = one.offset, False
    return lines


def _has_blank(blanks: Sequence[int], start: int, end: int) -> bool:
    """Whether a blank line stands between two offsets."""
    at = bisect_left(blanks, start)
    return at < len(blanks) and blanks[at] < end


def _laid(statement: Statement, inner: Inner) -> list[str]:
    manner = _Manner(inner)
    match statement:
        case ContextStatement(name, type_):
            return lay(row(f"context {quoted_name(name)}: ", _doc(type_, manner)), 0, 0)
        case ParamStatement(name, type_, value):
            rest = () if value is None else (" = ", _doc(value, manner))
            return lay(row(f"param {quoted_name(name)}: ", _doc(type_, manner), *rest), 0, 0)
        case Binding(name, value):
            return _led(f"{quoted_name(name)} = ", _doc(value, manner))
        case Show(value):
            return _led("show ", _doc(value, manner))
        case Answer(value):
            return _led("answer ", _doc(value, manner))


def _led(lead: str, value: Doc) -> list[str]:
    """`lead` and the value; pipes stand two columns left of the value while the lead is short."""
    first, *more = lay(value, 0, len(lead))
    if isinstance(value, Pipeline) and (more or value.loose):
        bar = len(lead) - 2 if len(lead) <= _WIDEST_ALIGNED else 4
        first, *more = lay_pipeline(value, bar + 2, len(lead), 0, bar)
    return [lead + first, *more]


# ---- expressions ----


def _doc(node: Expression, manner: _Manner) -> Doc:
    match node:
        case Name(name):
            return plain(_operand_name(name))
        case Number(number):
            return plain(spell_number(number))
        case Text():
            return plain(spell_text(node, one_line=manner.one_line))
        case Constant(constant):
            return plain(_CONSTANTS[constant])
        case Moment(text):
            return plain(f"@{text}")
        case Call() | Items() | Entries() | Applied():
            return _bracketed(node, manner)
        case Pipe(head, calls):
            segments = [_doc(call, manner) for call in calls]
            return pipeline(_operand(head, _OR, manner), segments, manner.notes(node, len(calls) + 1))
        case _:
            return _operation(node, manner)


def _operand_name(name: str) -> str:
    """`True` and its like are no names unless quoted, since the parser takes them for constants."""
    return f"`{name}`" if name in CAPITALS else quoted_name(name)


def _bracketed(node: Call | Items | Entries | Applied, manner: _Manner) -> Doc:
    docs = [_part(part, manner) for part in children(node)]
    notes = manner.notes(node, len(docs) + 1)
    match node:
        case Call(operator):
            return bracket(f"{operator}(", docs, ")", notes)
        case Applied(name):
            return bracket(f"{name}[", docs, "]", notes)
        case Items():
            return bracket("[", docs, "]", notes)
        case Entries():
            return bracket("{", docs, "}", notes)


def _part(part: Node, manner: _Manner) -> Doc:
    match part:
        case Entry(name, value):
            return row(f"{quoted_name(name)}: ", _doc(value, manner))
        case Argument(None, value):
            return _doc(value, manner)
        case Argument(name, value):
            return row(f"{quoted_name(name or '')}=", _doc(value, manner))
        case _:
            return _doc(cast(Expression, part), manner)


def _operation(node: Expression, manner: _Manner) -> Doc:
    match node:
        case Binary("and" | "or"):
            return _chained(node, manner)
        case Binary(operator, left, right):
            level = _level(node)
            least = level + 1 if level == _COMPARISON else level
            return row(_operand(left, least, manner), f" {operator} ", _operand(right, level + 1, manner))
        case Unary("not", operand):
            return row("not ", _operand(operand, _NOT, manner))
        case Unary(operator, operand):
            # `--` would read as the start of another language's comment.
            least = _POSTFIX if isinstance(operand, Unary) else _SIGNED
            return row(operator, _operand(operand, least, manner))
        case Between(value, low, high, negated):
            middle = " not between " if negated else " between "
            ends = (_operand(low, _SUM, manner), " and ", _operand(high, _SUM, manner))
            return row(_operand(value, _SUM, manner), middle, *ends)
        case IsNull(value, negated):
            return row(_operand(value, _SUM, manner), " is not null" if negated else " is null")
        case Dot(value, name):
            return row(_operand(value, _POSTFIX, manner), f".{quoted_name(name)}")
        case Maybe(of):
            return row(_operand(of, _ATOM if isinstance(of, Maybe) else _POSTFIX, manner), "?")
        case _:
            return _doc(node, manner)


def _chained(node: Binary, manner: _Manner) -> Doc:
    """`a and b and c` as one chain, however long."""
    level, operands, first = _level(node), [], node
    here: Expression = node
    while isinstance(here, Binary) and here.operator == first.operator:
        operands.append(row(f"{here.operator} ", _operand(here.right, level + 1, manner)))
        here = here.left
    return chain(_operand(here, level, manner), operands[::-1])


def _operand(node: Expression, least: int, manner: _Manner) -> Doc:
    """The node, in parentheses if it holds together less tightly than its place asks."""
    doc = _doc(node, manner)
    return doc if _level(node) >= least else row("(", doc, ")")


def _level(node: Expression) -> int:
    match node:
        case Pipe():
            return _PIPE
        case Binary(operator):
            return _BINARY_LEVELS.get(operator, _COMPARISON)
        case Unary(operator):
            return _NOT if operator == "not" else _SIGNED
        case Between() | IsNull():
            return _COMPARISON
        case Dot() | Maybe():
            return _POSTFIX
        case Number(number) if number < 0:
            return _SIGNED
        case _:
            return _ATOM
