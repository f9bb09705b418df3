"""`partition`: text cut into chunks."""

from __future__ import annotations

from rlm_dsl.operators.operator import (
    HI,
    LO,
    ONLY_TEXT,
    ORD,
    ROW,
    Arguments,
    Choice,
    Constant,
    Each,
    Example,
    Lowering,
    Operator,
    Parameter,
    Refused,
)
from rlm_dsl.operators.presence import known_present, needed
from rlm_dsl.patterns import matches_empty
from rlm_dsl.program import Column, Literal, known_value, resolved
from rlm_dsl.sql import Sql, bound, name, names, sql
from rlm_dsl.types import INT, TEXT, Field, Type

UNITS = {
    "lines": r"[^\n]*\n|[^\n]+",
    "chars": r"(?s).",
    "tokens": r"[ ]?(?:[\pL\pM]{1,6}|\pN{1,3}|[^\s\pL\pM\pN]{1,3})|\s",
    "paragraphs": r"(?:[ \t\r]*\n)*(?:[^\n]*[^\s][^\n]*(?:\n|\z))+(?:[ \t\r]*\n)*|\s+",
}
"""What a unit is, as a pattern whose matches one after the other are the whole text. Tokens are an estimate: runs of
up to six letters, three digits or three marks, with the blank before them."""


def result(arguments: Arguments) -> Type:
    by = arguments["by"]
    size, overlap = resolved(arguments["size"]), resolved(arguments["overlap"])
    if by not in UNITS and matches_empty(known_value(by)):
        raise Refused("by", "this separator also matches nothing at all", "make it match at least one character")
    if isinstance(size, Literal) and size.value < 1:
        raise Refused("size", "a chunk has at least one unit", "give size=1 or more")
    if isinstance(size, Literal) and isinstance(overlap, Literal) and not 0 <= overlap.value < size.value:
        raise Refused("overlap", "the overlap must be smaller than the size", f"give 0 to {size.value - 1}")
    kept = known_present(arguments.table, needed(arguments["on"]))
    return kept.with_columns((Field("chunk", TEXT), Field("chunk_no", INT)))


def lower(lowering: Lowering) -> Sql:
    """Units are counted once; a chunk is `size` of them from every (size - overlap)th on, up to the text's end."""
    t = lowering.t
    return sql(
        "SELECT {kept}, array_to_string({chosen}, '') AS chunk, \"#i\" + 1 AS chunk_no, "
        'row_number() OVER (ORDER BY {ord}, "#i") AS {ord}, {origin} FROM '
        '(SELECT *, {start} + 1 AS "#start", {start} + "#size" AS "#end" FROM '
        '(SELECT *, unnest(range({chunks})) AS "#i" FROM '
        '(SELECT *, {units} AS "#units", {size} AS "#size", {size} - {overlap} AS "#step" FROM {t} '
        "WHERE {on} <> '')))",
        kept=names(t.type.names),
        chosen=CHOSEN,
        ord=name(ORD),
        origin=narrowed(lowering),
        start=START,
        chunks=CHUNKS,
        units=units(lowering),
        size=lowering.value("size"),
        overlap=lowering.value("overlap"),
        t=t.sql,
        on=lowering.value("on"),
    )


CHOSEN = sql('list_slice("#units", "#start", "#end")')
START = sql('"#i" * "#step"')
CHUNKS = sql(
    'CASE WHEN len("#units") <= "#size" THEN 1 '
    'ELSE CAST(ceil((len("#units") - "#size")::DOUBLE / "#step") AS BIGINT) + 1 END'
)


def units(lowering: Lowering) -> Sql:
    on, by = lowering.value("on"), lowering["by"]
    if by in UNITS:
        return sql("regexp_extract_all({on}, {p})", on=on, p=bound(UNITS[by], by))
    separator = lowering.value("by")
    return sql(
        "list_filter(list_transform(list_zip([''] || regexp_extract_all({on}, {p}), "
        "string_split_regex({on}, {p})), lambda z: z[1] || z[2]), lambda u: u <> '')",
        on=on,
        p=separator,
    )


def narrowed(lowering: Lowering) -> Sql:
    """The chunk's own bytes, where the row's text is its source's bytes."""
    if lowering.t.united or not isinstance(lowering["on"], Column):
        return names(lowering.t.origin)
    before = sql('strlen(array_to_string(list_slice("#units", 1, "#start" - 1), \'\'))')
    own = sql("strlen({on}) = {hi} - {lo}", on=lowering.value("on"), hi=name(HI), lo=name(LO))
    return sql(
        "{row}, CASE WHEN {own} THEN {lo} + {before} ELSE {lo} END AS {lo}, CASE WHEN {own} THEN {lo} + {before} + "
        "strlen(array_to_string({chosen}, '')) ELSE {hi} END AS {hi}",
        row=name(ROW),
        own=own,
        lo=name(LO),
        hi=name(HI),
        before=before,
        chosen=CHOSEN,
    )


partition = Operator(
    name="partition",
    summary='the text cut into `chunk`, `chunk_no` of `size` units each; a separator r".." heads its chunk',
    parameters=(
        Parameter("by", Choice(tuple(UNITS), pattern=True), shown='by="lines" "chars" "tokens" "paragraphs" or r".."'),
        Parameter("size", Constant(INT), Literal(1, INT), shown="size=1"),
        Parameter("overlap", Constant(INT), Literal(0, INT), shown="overlap=0"),
        Parameter("on", Each("text"), ONLY_TEXT),
    ),
    result=result,
    lower=lower,
    most_rows=lambda arguments, rows: None,
    origin="narrowed to the chunk",
    manual=(
        "Without overlap the chunks, one after the other, are the text. Numbers start at 1 for each row. An empty or "
        "null text gives no chunk."
    ),
    examples=(
        Example(
            't | partition(by="lines", size=2) | select(chunk, chunk_no)',
            {"x": ["a\nb\n\nc"]},
            [["a\nb\n", 1], ["\nc", 2]],
        ),
        Example(
            't | partition(by="chars", size=3, overlap=1) | select(chunk)',
            {"x": ["abcdefg"]},
            [["abc"], ["cde"], ["efg"]],
        ),
        Example(
            't | partition(by=r"(?m)^# ") | select(chunk)',
            {"x": ["pre\n# A\na\n# B\nb"]},
            [["pre\n"], ["# A\na\n"], ["# B\nb"]],
        ),
        Example(
            't | partition(by="paragraphs") | select(chunk)', {"x": ["a\nb\n\n\nc\n", ""]}, [["a\nb\n\n\n"], ["c\n"]]
        ),
    ),
)
