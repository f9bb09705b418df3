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
    Relation,
    is_own,
    qualified,
)
from rlm_dsl.operators.presence import known_present, needed
from rlm_dsl.patterns import matches_empty
from rlm_dsl.program import Column, Literal, Step, known_value, resolved
from rlm_dsl.sql import Sql, bound, name, sql
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
    """Texts are cut into units, a row each, and units put together by the chunks they are in: unit j (from 0) is in the
    chunks from ceil((j - size + 1) / step) to floor(j / step), up to the one that reaches the text's end."""
    t = lowering.t
    return sql(
        'SELECT {kept}, c.chunk, c."#k" + 1 AS chunk_no, row_number() OVER (ORDER BY t.{ord}, c."#k") AS {ord}, '
        '{origin} FROM ({chunks}) AS c JOIN {t} AS t ON t.{ord} = c."#of"',
        kept=qualified(t.type.names, "t"),
        ord=name(ORD),
        origin=narrowed(lowering),
        chunks=chunks(lowering),
        t=t.sql,
    )


def chunks(lowering: Lowering) -> Sql:
    """A row a chunk: whose it is (`#of`), its number from 0, its text, its first byte and the one past its last."""
    cut = sql(
        'SELECT "#of", "#own", "#count", "#u"[1] AS "#unit", "#u"[2] AS "#j", sum(strlen("#u"[1])) OVER (PARTITION BY '
        '"#of" ORDER BY "#u"[2] ROWS UNBOUNDED PRECEDING) AS "#end" FROM '
        '(SELECT "#of", "#own", len("#units") AS "#count", '
        'unnest(list_zip("#units", range(len("#units")))) AS "#u" FROM '
        '(SELECT {ord} AS "#of", {own} AS "#own", {units} AS "#units" FROM {t} WHERE {on} <> \'\'))',
        ord=name(ORD),
        own=own_bytes(lowering),
        units=units(lowering),
        t=lowering.t.sql,
        on=lowering.value("on"),
    )
    if known_value(lowering["size"]) == 1:
        return sql(
            'SELECT "#of", "#own", "#j" AS "#k", "#unit" AS chunk, "#end" - strlen("#unit") AS "#first", '
            '"#end" AS "#past" FROM ({cut})',
            cut=cut,
        )
    return sql(
        'SELECT "#of", "#own", "#k", string_agg("#unit", \'\' ORDER BY "#j") AS chunk, '
        'min("#end" - strlen("#unit")) AS "#first", max("#end") AS "#past" FROM '
        '(SELECT *, unnest(range(greatest(0, {first}), least({through}, {last}) + 1)) AS "#k" FROM '
        '(SELECT *, {size} AS "#size", {size} - {overlap} AS "#step" FROM ({cut}))) GROUP BY "#of", "#own", "#k"',
        first=sql('("#j" - "#size" + "#step") // "#step"'),
        through=sql('"#j" // "#step"'),
        last=sql('greatest(0, ("#count" - "#size" + "#step" - 1) // "#step")'),
        size=lowering.value("size"),
        overlap=lowering.value("overlap"),
        cut=cut,
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


def own_bytes(lowering: Lowering) -> Sql:
    """Whether the row's text is its source's own bytes, so that places in it are places in the source."""
    if not is_own(lowering):
        return sql("false")
    return sql("strlen({on}) = {hi} - {lo}", on=lowering.value("on"), hi=name(HI), lo=name(LO))


def narrowed(lowering: Lowering) -> Sql:
    """The chunk's own bytes, where they are known."""
    if lowering.t.united:
        return qualified(lowering.t.origin, "t")
    return sql(
        't.{row}, CASE WHEN c."#own" THEN (t.{lo} + c."#first")::BIGINT ELSE t.{lo} END AS {lo}, '
        'CASE WHEN c."#own" THEN (t.{lo} + c."#past")::BIGINT ELSE t.{hi} END AS {hi}',
        row=name(ROW),
        lo=name(LO),
        hi=name(HI),
    )


def own(step: Step, inputs: tuple[Relation, ...]) -> str:
    """A chunk of the rows' own bytes is the new row's own."""
    on, held = step.arguments["on"], inputs[0].own
    return "chunk" if isinstance(on, Column) and on.name == held else held


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
    own=own,
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
