"""Where a table's rows come from: the rows of contexts behind them, and the places of these.

In: a table that knows its origins. Out: context rows by their ids, with bytes or lines. Law: each once, in their order;
where places were left out, as many are counted as were united.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rlm_dsl.engine.warehouse.context_rows import CONTEXT_BITS, row_id
from rlm_dsl.engine.warehouse.warehouse import Warehouse
from rlm_dsl.language.operators.core.relation import FROM, HI, LO, ORD, ROW, SOURCE_BITS, Relation
from rlm_dsl.language.sql import Sql, bound, name, sql
from rlm_dsl.language.types import TEXT
from rlm_dsl.plan.stages import physical_name


def find_origins(
    warehouse: Warehouse, relation: Relation, chosen: str = "", limit: int | None = None
) -> list[tuple[int, int, int]]:
    """(row id, first byte, one past the last byte) of the context rows that a table's rows come from, each once,
    in their order; `chosen` (first, last) takes the table's first or last row alone."""
    if physical_name(relation) in warehouse.elsewhere:
        return origins_elsewhere(warehouse, relation, chosen, limit)
    inner = origin_rows(relation, chosen)
    last = sql(" LIMIT {n}", n=bound(limit, "rows")) if limit is not None else sql("")
    return [
        (row, lo, hi)
        for row, lo, hi in warehouse.rows(
            sql(
                "SELECT DISTINCT r, lo, hi FROM ({inner}) WHERE r IS NOT NULL ORDER BY r, lo, hi{last}",
                inner=inner,
                last=last,
            )
        )
    ]


def count_origins(warehouse: Warehouse, relation: Relation, chosen: str = "") -> int:
    """How many context rows a table's rows come from; where places are left out, as many as were united."""
    if (table := physical_name(relation)) in warehouse.elsewhere:
        return min(1, warehouse.count(table)) if chosen else warehouse.count(table)
    listed = sql("SELECT DISTINCT r, lo, hi FROM ({i}) WHERE r IS NOT NULL", i=origin_rows(relation, chosen))
    left_out = sql("SELECT lo FROM ({i}) WHERE r IS NULL", i=origin_rows(relation, chosen))
    query = sql("SELECT (SELECT count(*) FROM ({l})) + (SELECT coalesce(sum(lo), 0) FROM ({o}))", l=listed, o=left_out)
    return int(warehouse.rows(query)[0][0])


def origins_elsewhere(
    warehouse: Warehouse, relation: Relation, chosen: str, limit: int | None
) -> list[tuple[int, int, int]]:
    """The rows of a context that lies elsewhere, each of which is its own origin."""
    most = 1 if chosen else limit
    last = sql("" if most is None else f" LIMIT {int(most)}")
    down = sql(" DESC" if chosen == "last" else "")
    query = sql(
        "SELECT {r}, {lo}, {hi} FROM {t} ORDER BY {r}{down}{last}",
        r=name(ROW),
        lo=name(LO),
        hi=name(HI),
        t=relation.sql,
        down=down,
        last=last,
    )
    found = [(row, lo, hi) for row, lo, hi in warehouse.rows_elsewhere(physical_name(relation), query)]
    return found[-1:] if chosen == "last" else found[:most]


def origin_rows(relation: Relation, chosen: str) -> Sql:
    """Each context row behind a table's rows, as r, lo, hi."""
    order = {"first": "", "last": " DESC"}.get(chosen)
    source = relation.sql
    if order is not None:
        source = sql(f"(SELECT * FROM {{t}} ORDER BY {{o}}{order} LIMIT 1)", t=relation.sql, o=name(ORD))
    if relation.united:
        return sql(
            'SELECT u."row" AS r, u.lo AS lo, u.hi AS hi FROM (SELECT unnest({f}) AS u FROM {t})',
            f=name(FROM),
            t=source,
        )
    return sql("SELECT {r} AS r, {lo} AS lo, {hi} AS hi FROM {t}", r=name(ROW), lo=name(LO), hi=name(HI), t=source)


def row_places(warehouse: Warehouse, relation: Relation, places: Sequence[int]) -> dict[int, str]:
    """The context and line that rows of a table come from first, by their places in the table's order."""
    first = sql('{f}[1]."row"', f=name(FROM)) if relation.united else name(ROW)
    query = sql(
        "SELECT {o}, {r} FROM {t} WHERE {o} IN (SELECT unnest({wanted}::BIGINT[]))",
        o=name(ORD),
        r=first,
        t=relation.sql,
        wanted=bound(sorted(places), "places"),
    )
    rows = {place: row for place, row in warehouse.rows(query) if row is not None}
    lines, contexts = find_places(warehouse, rows.values()), list(warehouse.contexts)
    return {place: f"{contexts[row >> CONTEXT_BITS]}:{lines[row][0]}" for place, row in rows.items()}


def find_places(warehouse: Warehouse, rows: Iterable[int]) -> dict[int, tuple[int, int | None, str]]:
    """The first line and first byte of context rows, by their ids, and the text of one that has no bytes."""
    by_context: dict[int, list[int]] = {}
    for row in rows:
        by_context.setdefault(row >> CONTEXT_BITS, []).append(row)
    found: dict[int, tuple[int, int | None, str]] = {}
    for number, wanted in by_context.items():
        held, relation = list(warehouse.contexts.items())[number]
        if held in warehouse.elsewhere:
            found |= places_elsewhere(warehouse, held, number, sorted(wanted))
            continue
        query = places_query(relation, held, number, among(number, sorted(wanted)))
        found |= {row: (line, lo, text or "") for row, line, lo, text in warehouse.rows(query)}
    return found


def among(number: int, wanted: Sequence[int]) -> Sql:
    """Whether a row of the context of this number is one of these, by their ids."""
    ids = bound(list(wanted), "rows")
    return sql("{row} IN (SELECT unnest({ids}::BIGINT[]))", row=row_id(number), ids=ids)


def places_query(relation: Relation, held: str, number: int, wanted: Sql) -> Sql:
    """The places of rows by their ids; `wanted` is a condition."""
    shown = name("text") if relation.type.column("text") == TEXT else sql("''")
    return sql(
        'SELECT {row}, "#line", {lo}, CASE WHEN {lo} IS NULL THEN {shown} END FROM {t} WHERE {wanted}',
        row=row_id(number),
        lo=name(LO),
        shown=shown,
        t=name(f"#rows {held}"),
        wanted=wanted,
    )


def places_elsewhere(
    warehouse: Warehouse, held: str, number: int, wanted: Sequence[int]
) -> dict[int, tuple[int, int | None, str]]:
    """The same of a context that lies elsewhere, of which only the places that have such rows are asked."""
    query = places_query(
        warehouse.contexts[held], held, number, sql('{r} IN (SELECT number FROM "#wanted")', r=name(ROW))
    )
    numbers = [row & ((1 << SOURCE_BITS) - 1) for row in wanted]
    rows = warehouse.rows_elsewhere(held, query, numbers)
    return {row: (line, lo, text or "") for row, line, lo, text in rows}
