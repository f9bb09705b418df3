"""A group made of the groups of a table's parts.

In: a `group` step and the table that it groups. Out: a query over each part, and one over what the parts gave. Law: the
second gives what the step gives of the whole table of so many rows that only the first place of each group is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rlm_dsl.language.operators.core.aggregate import Partial
from rlm_dsl.language.operators.core.provenance import origin_list
from rlm_dsl.language.operators.core.registry import aggregates
from rlm_dsl.language.operators.core.relation import FROM, ORD, Relation
from rlm_dsl.language.program import Aggregate, Column, Node, Step, children, resolved
from rlm_dsl.language.sql import Sql, joined, name, sql
from rlm_dsl.plan.expressions import Writer

FIRST, ROWS = "#first", "#rows"
"""What each part's group keeps beside the sums: its first row's place, and how many rows it has."""


@dataclass(frozen=True, slots=True)
class PartialGroup:
    """`of_part` is the query over each part's rows; `whole` the one over what the parts gave, from a table that it is
    given the name of by `kept`."""

    of_part: Sql
    whole: Sql
    kept: str


def partial_group(step: Step, table: Relation, kept: str) -> PartialGroup | None:
    """The group in two queries; None where an aggregate needs all rows, where a row unites several, or where a key or
    a value needs what is computed elsewhere."""
    keys, columns = step.arguments["by"], step.arguments["columns"]
    found = {node.identity: node for _, value in columns for node in aggregates_in(value)}
    partials: dict[str, Partial] = {}
    writer = Writer(no_step, f"{kept}_")
    for identity, node in found.items():
        types = tuple(argument.type for argument in node.arguments)
        partial = aggregates()[node.function].partial(tuple(map(writer, node.arguments)), types)
        if partial is None:
            return None
        partials[identity] = partial
    outside = [node for _, value in columns for node in every(value, into_aggregates=False)]
    read = [node for _, value in (*keys, *columns) for node in every(value)]
    if table.united or any(isinstance(node, Step) for node in read) or any(isinstance(n, Column) for n in outside):
        return None
    sums = {
        identity: tuple(f"#sum {at} {part}" for part in range(len(partial.kept)))
        for at, (identity, partial) in enumerate(partials.items())
    }
    kept_sums = [pair for i, partial in partials.items() for pair in zip(partial.kept, sums[i], strict=True)]
    made = [
        *(sql("{e} AS {n}", e=writer(node, key), n=name(f"#key {at}")) for at, (key, node) in enumerate(keys)),
        *(sql("{e} AS {n}", e=kept_sum, n=name(called)) for kept_sum, called in kept_sums),
        sql("min({o}) AS {o}", o=name(ORD)),
        sql("arg_min({p}, {o}) AS {f}", p=origin_list(table, grouped=False), o=name(ORD), f=name(FIRST)),
        sql("count(*) AS {n}", n=name(ROWS)),
    ]
    by = joined(", ", (name(f"#key {at}") for at in range(len(keys))))
    grouped = sql(" GROUP BY {by}", by=by) if keys else sql(" HAVING count(*) > 0")
    of_part = sql("SELECT {made} FROM {t}{by}", made=joined(", ", made), t=table.sql, by=grouped)
    over = PartialWriter(no_step, f"{kept}_", parts={i: partials[i].whole(tuple(map(name, sums[i]))) for i in partials})
    told = [
        *(sql("{k} AS {n}", k=name(f"#key {at}"), n=name(key)) for at, (key, _) in enumerate(keys)),
        *(sql("{e} AS {n}", e=over(node, column), n=name(column)) for column, node in columns),
        sql("min({o}) AS {o}", o=name(ORD)),
        sql(
            '[arg_min({f}, {o})[1], struct_pack("row" := NULL, lo := (sum({n}) - 1)::BIGINT, hi := NULL)] AS {from}',
            f=name(FIRST),
            o=name(ORD),
            n=name(ROWS),
            **{"from": name(FROM)},
        ),
    ]
    whole = sql("SELECT {told} FROM {t}{by}", told=joined(", ", told), t=name(kept), by=grouped)
    return PartialGroup(of_part, whole, kept)


def aggregates_in(node: Node) -> list[Aggregate]:
    return [inner for inner in every(node) if isinstance(inner, Aggregate)]


def every(node: Node, *, into_aggregates: bool = True) -> list[Node]:
    """A value's nodes, down to the steps that it reads."""
    found: list[Node] = []
    stack = [node]
    while stack:
        inner = resolved(stack.pop())
        found.append(inner)
        if not isinstance(inner, Step) and (into_aggregates or not isinstance(inner, Aggregate)):
            stack.extend(children(inner))
    return found


def no_step(step: Step) -> Sql:
    raise AssertionError("a group in parts reads no step")


@dataclass(frozen=True, slots=True)
class PartialWriter(Writer):
    """Writes values over groups, each aggregate as it is made of its parts."""

    parts: Mapping[str, Sql] | None = None

    def __call__(self, node: Node, hint: str = "value") -> Sql:
        if isinstance(node, Aggregate) and self.parts is not None:
            return self.parts[node.identity]
        return Writer.__call__(self, node, hint)
