"""`parse_json`: fields of a JSON text become typed columns."""

from __future__ import annotations

from rlm_dsl.language.operators.core.conversion import CONVERTIBLE_WORDS, converted, is_convertible
from rlm_dsl.language.operators.core.kinds import ColumnTypes, Each
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.sql import Sql, bound, joined, name, sql
from rlm_dsl.language.types import Field, ListOf, Record, Type, bare, nullable


def result(arguments: Arguments) -> Type:
    types = arguments["types"]
    if not types:
        raise Refused("types", "no field is named", "name what you want: types={user: text, ms: int}")
    for field, type_ in types:
        if not readable(type_):
            raise Refused(
                "types",
                f"`{field}` cannot be read as {type_}",
                f"{CONVERTIBLE_WORDS}, and list[T] and {{name: T}} of these",
            )
    return arguments.table.with_columns(Field(field, nulls_inside(type_)) for field, type_ in types)


def readable(type_: Type) -> bool:
    match bare(type_):
        case ListOf(of):
            return readable(of)
        case Record(fields):
            return all(readable(f.type) for f in fields)
        case inner:
            return is_convertible(inner)


def nulls_inside(type_: Type) -> Type:
    """The type with null allowed wherever a text may lack the value or hold one that does not fit."""
    match bare(type_):
        case ListOf(of):
            return nullable(ListOf(nulls_inside(of)))
        case Record(fields):
            return nullable(Record(tuple(Field(f.name, nulls_inside(f.type)) for f in fields)))
        case inner:
            return nullable(inner)


def lower(lowering: Lowering) -> Sql:
    """The text is read once: all fields are taken from it together."""
    types, on = lowering["types"], lowering.value("on")
    fields = bound([pointer(field) for field, _ in types], "fields", "VARCHAR[]")
    made = joined(
        ", ",
        (
            sql("{v} AS {n}", v=read(sql(f'"#json"[{at}]'), type_, 0, lowering.step.version), n=name(field))
            for at, (field, type_) in enumerate(types, 1)
        ),
    )
    return sql(
        'SELECT * EXCLUDE ("#json"), {made} FROM (SELECT *, CASE WHEN json_valid({on}) THEN '
        "CASE WHEN json_type({on}) = 'OBJECT' THEN json_extract({on}, {fields}) END END "
        'AS "#json" FROM {t})',
        made=made,
        on=on,
        fields=fields,
        t=lowering.t.sql,
    )


def pointer(field: str) -> str:
    """A field as a JSON pointer, which takes any name (RFC 6901)."""
    return "/" + field.replace("~", "~0").replace("/", "~1")


def field_of(json: Sql, field: str) -> Sql:
    return sql("json_extract({j}, {p})", j=json, p=bound(pointer(field), "field"))


def read(json: Sql, type_: Type, depth: int, version: int) -> Sql:
    """A JSON value as a typed one, null where it does not fit."""
    match bare(type_):
        case ListOf(of):
            item = name(f"#item {depth}")
            return sql(
                "CASE WHEN json_type({j}) = 'ARRAY' THEN list_transform(json_extract({j}, '$[*]'), "
                "lambda {i}: {v}) END",
                j=json,
                i=item,
                v=read(item, of, depth + 1, version),
            )
        case Record(fields):
            inner = joined(
                ", ",
                (
                    sql("{n} := {v}", n=name(f.name), v=read(field_of(json, f.name), f.type, depth, version))
                    for f in fields
                ),
            )
            return sql("CASE WHEN json_type({j}) = 'OBJECT' THEN struct_pack({inner}) END", j=json, inner=inner)
        case _:
            return converted(sql("json_extract_string({j}, '$')", j=json), type_, version)


parse_json = Operator(
    name="parse_json",
    version=2,
    summary="fields of a JSON text become typed columns; null where a text or field does not fit",
    told="name",
    parameters=(
        Parameter("types", ColumnTypes(), (), shown="types={name: text, ms: int}"),
        Parameter("on", Each("text"), ONLY_TEXT),
    ),
    result=result,
    as_many_always=True,
    lower=lower,
    manual=(
        "Nested values: types={user: {id: int}, tags: list[text]}, then `user.id`, `explode(tags)`. A field read as "
        "text that is no JSON string is its JSON text."
    ),
    examples=(
        Example(
            "t | parse_json(types={level: text, ms: int}) | select(level, ms)",
            {"x": ['{"level": "warn", "ms": 12}', '{"level": 3, "ms": "soon"}', "oops", None]},
            [["warn", 12], ["3", None], [None, None], [None, None]],
        ),
        Example(
            "t | parse_json(types={u: {id: int}, tags: list[text]}) | select(id=u.id, tags)",
            {"x": ['{"u": {"id": 7}, "tags": ["a", null, 1]}', '{"u": 1, "tags": "a"}']},
            [[7, ["a", None, "1"]], [None, None]],
        ),
    ),
)
