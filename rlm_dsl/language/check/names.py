"""Name resolution: what a bare name, or the name behind a dot, stands for.

In: a name and its scope; a record and the name of a field. Out: a node, or None after saying what is wrong.
Law: a name that could mean two things is refused; one that is known as broken is not reported again.
"""

from __future__ import annotations

from rlm_dsl.common.diagnostics import did_you_mean, nearest
from rlm_dsl.common.source import Span
from rlm_dsl.language.check import habits
from rlm_dsl.language.check.scope import NO_ROW, Names, Scope
from rlm_dsl.language.program import (
    Column,
    ContextRows,
    FieldOf,
    Node,
    Param,
    RecordValue,
    Reference,
    resolved,
)
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.types import Record, Table, bare, is_nullable, null_if, quoted_name


def resolve_name(names: Names, name: str, span: Span, scope: Scope) -> Node | None:
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
    if scope.row is None and habits.plain(name) in habits.TABLES:
        report_no_table(names, name, span)
    else:
        _report_unknown(names, name, span, scope)
    return None


def is_unknown(names: Names, name: str, scope: Scope) -> bool:
    """Whether a name stands for nothing at all here."""
    column = scope.row is not None and scope.row.column(name) is not None
    return not column and name not in names.bindings and name not in names.contexts


def is_known(names: Names, name: str) -> bool:
    """Whether a name stands for something, or is a column of a table that could be piped."""
    return not is_unknown(names, name, NO_ROW) or any(table.column(name) for table in names.contexts.values())


def only_table(names: Names) -> str:
    """The one table there is, as a program writes it; else a placeholder."""
    return quoted_name(next(iter(names.contexts))) if len(names.contexts) == 1 else "t"


def report_no_table(names: Names, name: str, span: Span) -> None:
    """A name that stands where a table is wanted, and is none: what the tables are called."""
    near = nearest(name, names.known())
    tables = list(names.contexts)
    if near is not None or not tables:
        _report_unknown(names, name, span, NO_ROW)
        return
    one = quoted_name(tables[0])
    listed = ", ".join(f"`{table}`" for table in tables[:20])
    told = f"the table is called `{tables[0]}`; write `{one} | ...`"
    hints = [told if len(tables) == 1 else f"the tables are called {listed}"]
    if bound := [other for other in names.known() if other not in names.contexts]:
        hints.append(f"bound so far: {', '.join(map(quoted_name, bound[:20]))}")
    names.report("C01", f"unknown name `{name}`", span, *hints)


def _report_unknown(names: Names, name: str, span: Span, scope: Scope) -> None:
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
    if (
        not names.contexts
        and not scope.row
        and any(told.message == f"unknown name `{name}`" for told in names.problems)
    ):
        return names.report("C01", f"unknown name `{name}`", span)  # what to do was told where it stands first
    hints = ([f"columns here: {', '.join(map(quoted_name, columns[:20]))}"] if columns else []) + (
        [f"bound so far: {', '.join(map(quoted_name, known[:20]))}"] if known else ["nothing is bound yet"]
    )
    if not names.contexts and not scope.row:
        hints.append(f"data is declared first: `context {quoted_name(name)}: table(column: type)`")
    if scope.row:
        hints.append(f'for the text itself write "{name}"')
    return names.report("C01", f"unknown name `{name}`", span, *hints)


def fields_named(table: Table, name: str) -> tuple[str, ...]:
    """A hint where a name is no column, but a field of a column that is a record."""
    found = [
        f"{quoted_name(column.name)}.{quoted_name(name)}"
        for column in table.columns
        if isinstance(inner := bare(column.type), Record) and inner.field(name) is not None
    ]
    return (f"it is a field of a record: write {' or '.join(found)}",) if found else ()


def side_column(names: Names, dot: t.Dot, side: Table, side_name: str) -> Column | None:
    """A column of one of a join's two tables."""
    type_ = side.column(dot.name)
    if type_ is None:
        names.report(
            "C01",
            f"no column `{dot.name}` in the {side_name} table",
            dot.name_span,
            *did_you_mean(dot.name, list(side.names), what="columns"),
        )
        return None
    return Column(dot.name, type_, side_name)


def resolve_field(names: Names, inner: Node, dot: t.Dot) -> Node | None:
    """The field of a record; of a bundle of values, what stands in it."""
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
