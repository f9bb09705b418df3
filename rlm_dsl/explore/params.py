"""Constants that stand in a question become params of the program that answers it, so that it can be asked of others.

In: the program, the question. Out: the program with params. Law: the params' values are the constants, so that every
step stays the step that it was; what would not check any more stays a constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.literals import spell_number
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import Table

COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "not in"})
Constant = t.Text | t.Number | t.Items


def with_params(tree: t.Tree, question: str, contexts: Mapping[str, Table]) -> t.Tree:
    """The program with a param for each constant that is compared with a column and stands in the question as it is."""
    for name, constant in dict.fromkeys(candidates(tree, question)):
        changed = with_param(tree, free_name(tree, name, contexts), constant)
        if checks(changed, contexts):
            tree = changed
    return tree


def candidates(tree: t.Tree, question: str) -> Iterator[tuple[str, Constant]]:
    """Constants that are compared with a column, each with the column's name; and how many rows are taken."""
    for statement in tree.statements:
        for node in parts(statement):
            match node:
                case t.Binary(operator, t.Name(column), t.Text() | t.Number() | t.Items() as constant):
                    if operator in COMPARED and stands_in(question, constant):
                        yield column, constant
                case t.Call("take", (t.Argument(None, t.Number() as constant),)) if stands_in(question, constant):
                    yield "rows", constant
                case _:
                    pass


def stands_in(question: str, constant: Constant) -> bool:
    """Whether a constant is a word of the question, or each of a list's is; 0 and 1 are too common to mean it."""
    if isinstance(constant, t.Items):
        values = [item.value for item in constant.items]
        kinds = {type(value) for value in values}
        alike = len(kinds) == 1 and kinds <= {t.Text, t.Number}
        return alike and all(stands_in(question, value) for value in values if isinstance(value, t.Text | t.Number))
    if isinstance(constant, t.Number):
        text = spell_number(constant.value)
        return (
            constant.value not in (0, 1)
            and re.search(rf"(?<![\w.]){re.escape(text)}(?![\w.]*\d)", question) is not None
        )
    text = constant.value
    return len(text) > 1 and not constant.raw and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", question) is not None


def with_param(tree: t.Tree, name: str, constant: Constant) -> t.Tree:
    """The tree in which a param stands for a constant, wherever it is compared."""
    param = t.ParamStatement(name, type_of(constant), constant)
    first = next(n for n, s in enumerate(tree.statements) if not isinstance(s, t.ContextStatement | t.ParamStatement))
    rest = [replace_constant(s, constant, t.Name(name)) for s in tree.statements[first:]]
    return replace(tree, statements=(*tree.statements[:first], param, *rest))


def type_of(constant: Constant) -> t.Expression:
    if isinstance(constant, t.Items):
        inner = constant.items[0].value
        assert isinstance(inner, t.Text | t.Number)
        return t.Applied("list", (type_of(inner),))
    if isinstance(constant, t.Text):
        return t.Name("text")
    return t.Name("int" if isinstance(constant.value, int) else "float")


def replace_constant(node: Any, constant: Constant, name: t.Name) -> Any:
    """A part of a tree with the constant replaced where it is compared or says how many rows are taken."""
    match node:
        case t.ParamStatement():
            return node
        case t.Binary(operator, t.Name() as column, right) if operator in COMPARED and right == constant:
            return replace(node, left=column, right=name)
        case t.Call("take", (t.Argument(None, value),)) if value == constant:
            return replace(node, arguments=(t.Argument(None, name),))
        case tuple():
            return tuple(replace_constant(item, constant, name) for item in node)
        case t.Text() | t.Number() | t.Name() | t.Constant() | t.Moment():
            return node
        case _ if is_dataclass(node) and not isinstance(node, type):
            found = {
                f.name: replace_constant(getattr(node, f.name), constant, name)
                for f in fields(node)
                if "span" not in f.name
            }
            return replace(node, **found)
        case _:
            return node


def parts(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple):
        for item in node:
            yield from parts(item)
    elif is_dataclass(node) and not isinstance(node, t.ParamStatement):
        yield node
        for each in fields(node):
            if "span" not in each.name:
                yield from parts(getattr(node, each.name))


def free_name(tree: t.Tree, column: str, contexts: Mapping[str, Table]) -> str:
    """`wanted_user`: a name that no statement binds and no column has."""
    taken = {s.name for s in tree.statements if isinstance(s, t.Binding | t.ParamStatement | t.ContextStatement)}
    taken |= {name for table in contexts.values() for name in table.names}
    wanted = f"wanted_{column}" if column.isidentifier() else "wanted"
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def checks(tree: t.Tree, contexts: Mapping[str, Table]) -> bool:
    """Whether a program still checks as it is."""
    source = Source("program", show(tree))
    try:
        return not check(parse(source), Environment(dict(contexts))).problems
    except ProgramError:
        return False
