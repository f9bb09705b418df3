"""Values of columns: those that a question names, beside those that its program chooses rows by.

In: an answer beside its question. Out: what speaks against it. Law: data is looked at by bounded queries; a value that
the program or the answer holds, in whatever way, is no doubt.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.explore.doubts.asked import Asked, digits, holds
from rlm_dsl.explore.view import cell
from rlm_dsl.language import sql as s
from rlm_dsl.language.check import check
from rlm_dsl.language.operators.core.relation import Relation
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show, show_expression
from rlm_dsl.language.types import Enum, bare, is_text, quoted_name
from rlm_dsl.plan.stages import physical_name

MOST_ROWS = 2_000_000
"""Rows of a table that is looked through for values."""
SHORTEST, LONGEST, FOUND = 2, 60, 50
"""Characters of a value that a question may name; how many of a column are looked at."""
SHOWN = 5
COMPARED = frozenset({"==", "!=", "in", "not in"})
MATCHED = frozenset({"contains", "starts_with", "ends_with", "matches", "grep"})
COMMON = frozenset(
    "a about above all an and any are as at average be below between both by can count day did do does each "
    "every few for from given had has have how if in into is it its least less list many max maximum may mean "
    "median min minimum month more most much name new no none not null number of off on one only or order "
    "other out over per rate row same share show since some sum than that the their them there these they this "
    "those to too top total true false two type under up us value was were what when where which who whose why "
    "will with without year yes you".split()
)
"""Words of questions that name no value, even where a column has such a one."""
NAMED = "The question names {value}, a value of `{column}`, and the program does not choose rows by it: {write}"
OTHER = (
    "The question names {value}, a value of `{column}`; the program chooses {other}, which it does not name: {write}"
)
NO_SUCH = "No row has {column} == {literal}; values of `{column}`: {values}."


def named_values(asked: Asked) -> Iterator[str]:
    """Columns of which the question names a value that neither program nor answer holds."""
    told: set[str] = set()
    for relation in relations(asked):
        for column, values in values_in_question(asked, relation):
            if column in told or any(covered(asked, value) for value in values):
                continue
            told.add(column)
            others = [other for other in chosen(asked, column) if not holds(asked.question, other)]
            write = f"where({quoted_name(column)} == {show_expression(t.Text(values[0]))})"
            told_of = {"value": listed(values), "column": column, "write": write}
            yield OTHER.format(other=listed(others), **told_of) if others else NAMED.format(**told_of)


def listed(values: Sequence[str]) -> str:
    return ", ".join(f'"{cell(value, LONGEST)}"' for value in values[:SHOWN])


def relations(asked: Asked) -> list[Relation]:
    """The tables in which a value may stand: all contexts, and what the answer rests on."""
    session = asked.session
    below = {name for name in asked.names if name in session.relations_by_name}
    return [*session.runner.warehouse.contexts.values(), *(session.relations_by_name[name] for name in sorted(below))]


def values_in_question(asked: Asked, relation: Relation) -> Iterator[tuple[str, list[str]]]:
    """By column, the values that stand in the question as words of their own, the longest first."""
    warehouse = asked.session.runner.warehouse
    try:
        if warehouse.count(physical_name(relation)) > MOST_ROWS:
            return
        for column in relation.type.columns:
            if is_text(column.type) or isinstance(bare(column.type), Enum):
                query = s.sql(
                    "SELECT DISTINCT {c}::VARCHAR FROM {t} WHERE length({c}::VARCHAR) BETWEEN {least} AND {most} "
                    "AND contains(lower({q}), lower({c}::VARCHAR)) ORDER BY 1 LIMIT {found}",
                    c=s.name(column.name),
                    t=relation.sql,
                    q=s.bound(asked.question, "question"),
                    least=s.bound(SHORTEST, "least"),
                    most=s.bound(LONGEST, "most"),
                    found=s.bound(FOUND, "found"),
                )
                held = [value for (value,) in warehouse.rows(query) if is_named(asked, value)]
                if held:
                    yield column.name, sorted(held, key=lambda value: (-len(value), value))
    except UserError:
        return


def is_named(asked: Asked, value: str) -> bool:
    """Whether a question's words are this value, and not a common word or a name of a table or column."""
    plain = value.strip().lower()
    if plain in COMMON or not re.search(r"\w", plain) or plain.isdigit() or not holds(asked.question, value.strip()):
        return False
    contexts = asked.session.environment.contexts
    names = {name.lower() for name in contexts} | {c.lower() for table in contexts.values() for c in table.names}
    return not {plain, plain + "s", plain.removesuffix("s")} & names


def covered(asked: Asked, value: str) -> bool:
    """Whether program or answer hold a value: as it is, in a pattern or in words for a model, or by its numbers,
    as a date has that is spelled otherwise."""
    if (runs := set(digits(value))) and runs <= asked.numbers:
        return True
    wanted = value.strip().lower()
    held = [*asked.texts, *(leaf for leaf in asked.leaves if isinstance(leaf, str))]
    entries = [part.name for part in asked.parts if isinstance(part, t.Entry)]
    return any(wanted in text.lower() or (len(text) > 2 and text.lower() in wanted) for text in [*held, *entries])


def chosen(asked: Asked, column: str) -> Iterator[str]:
    """The texts that the program compares a column with."""
    for part in asked.parts:
        match part:
            case t.Binary(operator, t.Name(name), right) if name == column and operator in COMPARED:
                yield from texts_in(right)
            case t.Binary("matches", t.Name(name), t.Text(text)) if name == column:
                yield text
            case t.Call(operator, arguments) if operator in MATCHED:
                given = [argument.value for argument in arguments]
                if any(isinstance(each, t.Name) and each.name == column for each in given):
                    yield from (each.value for each in given if isinstance(each, t.Text))
            case _:
                pass


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case t.Text(text):
            yield text
        case t.Items(items):
            for item in items:
                yield from texts_in(item.value)
        case _:
            pass


def nothing_chosen(asked: Asked) -> Iterator[str]:
    """What the program compares with and no row has, where another value is the same but for its case; of an answer
    that is nothing, also where others are like it, or it does not stand in the question. Else nothing is the answer."""
    nothing = all(map(is_nothing, asked.leaves))
    for relation in relations(asked):
        for column in relation.type.columns:
            if not (is_text(column.type) or isinstance(bare(column.type), Enum)):
                continue
            for literal in chosen(asked, column.name):
                if values := instead_of(asked, relation, column.name, literal, nothing=nothing):
                    yield NO_SUCH.format(
                        column=quoted_name(column.name), literal=listed([literal]), values=listed(values)
                    )


def is_nothing(leaf: Any) -> bool:
    """Whether a value is none at all; exact numbers are told as texts."""
    return leaf in (None, "", False) or re.fullmatch(r"-?0+(?:\.0*)?", str(leaf)) is not None


def instead_of(asked: Asked, relation: Relation, column: str, literal: str, *, nothing: bool) -> list[str]:
    """Values that may be meant by one that no row has; none where rows have it, or where nothing is like what the
    question itself names."""
    query = s.sql(
        "SELECT {c}::VARCHAR, count(*) FROM {t} WHERE {c} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1000",
        c=s.name(column),
        t=relation.sql,
    )
    try:
        values = [value for value, _ in asked.session.runner.warehouse.rows(query)]
    except UserError:
        return []
    if any(literal in value for value in values):
        return []
    same = [v for v in values if v.strip().lower() == literal.strip().lower()]
    if same or not nothing:
        return same
    near = [v for v in values if literal.strip().lower() in v.lower() or v.strip().lower() in literal.lower()]
    near = near or difflib.get_close_matches(literal, [v for v in values if len(v) <= LONGEST], SHOWN, 0.75)
    return (near or ([] if holds(asked.question, literal) else values))[:SHOWN]


def instead(asked: Asked) -> str:
    """The answer's statement with the value that the question names: in place of another, or to choose the first rows
    by; "" where more than one value could be meant, or it is not chosen in this statement."""
    answer = asked.tree.statements[-1] if asked.tree.statements else None
    found = [
        (column, values[0])
        for relation in asked.session.runner.warehouse.contexts.values()
        for column, values in values_in_question(asked, relation)
        if len(values) == 1 and not covered(asked, values[0])
    ]
    if not isinstance(answer, t.Answer) or not found:
        return ""
    for column, value in found:
        others = [other for other in chosen(asked, column) if not holds(asked.question, other)]
        if len(set(others)) > 1:
            return ""
        answer = with_value(answer, others[0], value) if others else narrowed(answer, asked, column, value)
        if answer is None:
            return ""
    text = show(t.Tree((answer,))).strip("\n")
    return text if not check(parse(Source("instead", text)), asked.session.environment).problems else ""


def with_value(answer: t.Answer, old: str, new: str) -> t.Answer | None:
    """The statement with one text in place of another."""
    changed = replaced(answer, old, new)
    return changed if changed != answer and isinstance(changed, t.Answer) else None


def replaced(node: Any, old: str, new: str) -> Any:
    if isinstance(node, tuple):
        return tuple(replaced(item, old, new) for item in node)
    if isinstance(node, t.Text):
        return replace(node, value=new) if node.value == old else node
    if is_dataclass(node) and not isinstance(node, type):
        held = {each.name: replaced(getattr(node, each.name), old, new) for each in fields(node)}
        return replace(node, **held) if any(held[name] is not getattr(node, name) for name in held) else node
    return node


def narrowed(answer: t.Answer, asked: Asked, column: str, value: str) -> t.Answer | None:
    """The statement with its table's rows chosen first, where it is one pipe over a context that has the column."""
    pipe = answer.value
    if not isinstance(pipe, t.Pipe) or not isinstance(pipe.head, t.Name):
        return None
    table = asked.session.environment.contexts.get(pipe.head.name)
    if table is None or table.column(column) is None:
        return None
    condition = t.Binary("==", t.Name(column), t.Text(value))
    calls = (t.Call("where", (t.Argument(None, condition),)), *pipe.calls)
    return replace(answer, value=replace(pipe, calls=calls))
