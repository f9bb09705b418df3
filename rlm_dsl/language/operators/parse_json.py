"""`parse_json`: fields of a JSON text become typed columns."""

from __future__ import annotations

from rlm_dsl.language.operators.core.conversion import CONVERTIBLE_WORDS, converted, is_convertible
from rlm_dsl.language.operators.core.kinds import ColumnTypes, Each
from rlm_dsl.language.operators.core.lowering import Lowering
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.sql import Sql, bound, joined, name, sql
from rlm_dsl.language.types import Decimal, Field, ListOf, Record, Type, bare, is_decimal, nullable, parts


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


DIGITS_KEPT = 2
"""The last version that read a decimal from what the engine made of its number: 17 digits of it."""
TOKENS = r"""((?:"(?:[^"\\]|\\.)*"|[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+|[0-9]+|[^"0-9])*?)"""
POINTED = r"(-?[0-9]+\.[0-9]+)([\s,\]}])"
LONG = r"[0-9.]{17}|\.0000"
"""What a number looks like that the engine may write otherwise than the text does."""


def lower(lowering: Lowering) -> Sql:
    """The text is read once: all fields are taken from it together, decimals from one in which they are texts."""
    types, on, version = lowering["types"], lowering.value("on"), lowering.step.version
    fields = bound([pointer(field) for field, _ in types], "fields", "VARCHAR[]")
    exact = version > DIGITS_KEPT and any(has_decimal(type_) for _, type_ in types)
    place = '"#exact"[{}]' if exact else '"#json"[{}]'
    made = joined(
        ", ",
        (
            sql("{v} AS {n}", v=read(sql(f'"#json"[{at}]'), sql(place.format(at)), type_, 0, version), n=name(field))
            for at, (field, type_) in enumerate(types, 1)
        ),
    )
    is_object = "CASE WHEN json_valid({on}) THEN CASE WHEN json_type({on}) = 'OBJECT' THEN "
    taken = is_object + "json_extract({text}, {fields}) END END"
    plain = sql(taken + ' AS "#json"', on=on, text=on, fields=fields)
    more = sql(", " + taken + ' AS "#exact"', on=on, text=with_exact_numbers(on), fields=fields) if exact else sql("")
    return sql(
        "SELECT * EXCLUDE ({hidden}), {made} FROM (SELECT *, {plain}{more} FROM {t})",
        hidden=sql('"#json", "#exact"' if exact else '"#json"'),
        made=made,
        plain=plain,
        more=more,
        t=lowering.t.sql,
    )


def has_decimal(type_: Type) -> bool:
    return any(is_decimal(part) for part in parts(type_))


def with_exact_numbers(text: Sql) -> Sql:
    """The text of an object in which numbers with a point and without an exponent are texts of their digits. Each match
    takes what stands before such a number, or before the end, where it leaves `""`."""
    return sql(
        "CASE WHEN regexp_matches({t}, {long}) THEN regexp_replace(regexp_replace({t}, {tokens}, "
        "'\\1\"\\2\"\\3', 'g'), '\"\"$', '') ELSE {t} END",
        t=text,
        long=bound(LONG, "long"),
        tokens=bound(rf"{TOKENS}(?:{POINTED}|\z)", "tokens"),
    )


def pointer(field: str) -> str:
    """A field as a JSON pointer, which takes any name (RFC 6901)."""
    return "/" + field.replace("~", "~0").replace("/", "~1")


def field_of(json: Sql, field: str) -> Sql:
    return sql("json_extract({j}, {p})", j=json, p=bound(pointer(field), "field"))


def read(json: Sql, exact: Sql, type_: Type, depth: int, version: int) -> Sql:
    """A JSON value as a typed one, null where it does not fit; decimals are read from `exact`, the same value in which
    numbers with a point are texts."""
    match bare(type_):
        case ListOf(of) if json is not exact and has_decimal(of):
            item = name(f"#item {depth}")
            return sql(
                "CASE WHEN json_type({j}) = 'ARRAY' THEN list_transform("
                "list_zip(json_extract({j}, '$[*]'), json_extract({e}, '$[*]')), lambda {i}: {v}) END",
                j=json,
                e=exact,
                i=item,
                v=read(sql("{i}[1]", i=item), sql("{i}[2]", i=item), of, depth + 1, version),
            )
        case ListOf(of):
            item = name(f"#item {depth}")
            return sql(
                "CASE WHEN json_type({j}) = 'ARRAY' THEN list_transform(json_extract({j}, '$[*]'), "
                "lambda {i}: {v}) END",
                j=json,
                i=item,
                v=read(item, item, of, depth + 1, version),
            )
        case Record(fields):
            inner = joined(
                ", ",
                (
                    sql(
                        "{n} := {v}",
                        n=name(f.name),
                        v=read(field_of(json, f.name), field_of(exact, f.name), f.type, depth, version),
                    )
                    for f in fields
                ),
            )
            return sql("CASE WHEN json_type({j}) = 'OBJECT' THEN struct_pack({inner}) END", j=json, inner=inner)
        case Decimal():
            return converted(sql("json_extract_string({j}, '$')", j=exact), type_, version)
        case _:
            return converted(sql("json_extract_string({j}, '$')", j=json), type_, version)


parse_json = Operator(
    name="parse_json",
    version=3,
    summary="fields of a JSON text become typed columns; null where a text or field does not fit",
    words="reads {on|the text} as JSON[types:, with {types} as columns]",
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
    over_parts=lambda arguments: "kept",
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
        Example(
            "t | parse_json(types={v: decimal(20), w: {x: decimal(2), y: text}}) | select(v, x=w.x, y=w.y)",
            {"x": ['{"v": 1234567890.12345678901234567890, "w": {"x": "0.25", "y": [1.5]}}']},
            [["1234567890.12345678901234567890", "0.25", "[1.5]"]],
        ),
    ),
)
