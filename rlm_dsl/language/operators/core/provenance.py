"""Provenance: the context rows and bytes that a row rests on, as a list, for rows that unite several.

In: a relation. Out: SQL for its rows' `#from`, of each row or of a whole group. Law: every row of a group is named;
where a vast relation has too many, one is and the others are counted.
"""

from __future__ import annotations

from rlm_dsl.language.operators.core.relation import FROM, HI, LO, ORD, ROW, Relation
from rlm_dsl.language.sql import Sql, name, sql


def origin_list(relation: Relation, of: str = "", *, grouped: bool) -> Sql:
    """A relation's provenance as a list of {row, lo, hi}: of all rows of a group, or of one row."""
    prefix = sql("{of}.", of=name(of)) if of else sql("")
    if grouped and relation.vast:
        return vast_origin(relation)
    if relation.united:
        whole = sql("{p}{c}", p=prefix, c=name(FROM))
        return sql("flatten(list({w} ORDER BY {p}{o}))", w=whole, p=prefix, o=name(ORD)) if grouped else whole
    one = sql(
        'struct_pack("row" := {p}{row}, lo := {p}{lo}, hi := {p}{hi})',
        p=prefix,
        row=name(ROW),
        lo=name(LO),
        hi=name(HI),
    )
    return sql("list({one} ORDER BY {p}{o})", one=one, p=prefix, o=name(ORD)) if grouped else sql("[{one}]", one=one)


MOST_PLACES = 1_000_000
"""Rows of a vast relation whose places a grouping of it keeps all."""


def origin_of_each(relation: Relation, rows: int) -> Sql:
    """The provenance of the whole table for each of so many rows, which all rest on it."""
    few = MOST_PLACES // max(1, rows)
    return vast_origin(relation, few) if rows > 10 or relation.vast else origin_list(relation, grouped=True)


def vast_origin(relation: Relation, most: int | None = None) -> Sql:
    """The provenance of a group, where lists of all places might not fit into memory: all of them if the relation has
    few rows after all, else the first and, as a place without a row, how many more there are (in `lo`)."""
    kept = MOST_PLACES if most is None else most
    few = sql(f"(SELECT count(*) <= {kept} FROM {{t}})", t=relation.sql)
    if relation.united:
        every = sql("flatten(list({f} ORDER BY {o}) FILTER (WHERE {few}))", f=name(FROM), o=name(ORD), few=few)
        first = sql("arg_min({f}, {o})[1]", f=name(FROM), o=name(ORD))
        counts = 'list_transform({f}, lambda p: CASE WHEN p."row" IS NULL THEN p.lo ELSE 1 END)'
        total = sql(f"sum(list_sum({counts}))", f=name(FROM))
    else:
        place = origin_list(relation, grouped=False)
        every = sql("flatten(list({p} ORDER BY {o}) FILTER (WHERE {few}))", p=place, o=name(ORD), few=few)
        first = sql("arg_min({p}, {o})[1]", p=place, o=name(ORD))
        total = sql("count(*)")
    rest = sql('struct_pack("row" := NULL, lo := ({n} - 1)::BIGINT, hi := NULL)', n=total)
    return sql("coalesce({every}, [{first}, {rest}])", every=every, first=first, rest=rest)
