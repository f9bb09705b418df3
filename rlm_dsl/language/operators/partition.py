"""`partition`: text cut into chunks."""

from __future__ import annotations

from math import gcd

from rlm_dsl.language.operators.core.kinds import Choice, Constant, Each
from rlm_dsl.language.operators.core.lowering import Lowering, is_own
from rlm_dsl.language.operators.core.nullability import known_present, needed
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import HI, LO, ORD, ROW, Relation, qualified
from rlm_dsl.language.patterns.validate import matches_empty
from rlm_dsl.language.program import Column, Literal, Node, Step, known_value, resolved
from rlm_dsl.language.sql import Sql, bound, joined, name, sql
from rlm_dsl.language.types import INT, TEXT, Field, Table, Type

UNITS = {
    "lines": r"[^\n]*\n|[^\n]+",
    "chars": r"(?s).",
    "tokens": r"[ ]?(?:[\pL\pM]{1,6}|\pN{1,3}|[^\s\pL\pM\pN]{1,3})|\s",
    "paragraphs": r"(?:[ \t\r]*\n)*(?:[^\n]*[^\s][^\n]*(?:\n|\z))+(?:[ \t\r]*\n)*|\s+",
}
"""What a unit is, as a pattern whose matches one after the other are the whole text. Tokens are an estimate: runs of
up to six letters, three digits or three marks, with the blank before them."""
WORDS = r"(?:\s\S*|\S+){1,16}"
"""Up to sixteen words, each with the blank before it."""
TOGETHER = {"lines": 400, "chars": 1000, "tokens": 1 << 62, "paragraphs": 200}
"""How many units RE2 takes in one match without losing its speed: chunks are put together from runs of units. Tokens
are counted, not taken."""


def result(arguments: Arguments) -> Type:
    by = arguments["by"]
    size, overlap = resolved(arguments["size"]), resolved(arguments["overlap"])
    if by not in UNITS and matches_empty(known_value(by)):
        raise Refused("by", "this separator also matches nothing at all", "make it match at least one character")
    if isinstance(size, Literal) and size.value < 1:
        raise Refused("size", "a chunk has at least one unit", "give size=1 or more")
    if isinstance(size, Literal) and isinstance(overlap, Literal) and not 0 <= overlap.value < size.value:
        raise Refused("overlap", "the overlap must be smaller than the size", f"give 0 to {size.value - 1}")
    table = known_present(arguments.table, needed(arguments["on"]))
    kept = Table(tuple(column for column in table.columns if column.name != cut_column(arguments["on"])))
    return kept.with_columns((Field("chunk", TEXT), Field("chunk_no", INT)))


def cut_column(on: Node) -> str:
    """The column that is cut, which its chunks replace; '' where the text is computed. Kept beside each of its chunks,
    a text of a megabyte would be held a thousand times."""
    return on.name if isinstance(on, Column) else ""


def lower(lowering: Lowering) -> Sql:
    """Texts are cut into units, a row each, and units put together by the chunks they are in: unit j (from 0) is in the
    chunks from ceil((j - size + 1) / step) to floor(j / step), up to the one that reaches the text's end."""
    t = lowering.t
    t = lowering.t
    kept = [qualified((column,), "t") for column in t.type.names if column != cut_column(lowering["on"])]
    return sql(
        'SELECT {columns}, c.{ord}, {origin} FROM (SELECT *, row_number() OVER (ORDER BY "#of", "#k") AS {ord} '
        'FROM ({chunks})) AS c JOIN {t} AS t ON t.{ord} = c."#of"',
        columns=joined(", ", [*kept, sql('c.chunk, c."#k" + 1 AS chunk_no')]),
        ord=name(ORD),
        origin=narrowed(lowering),
        chunks=chunks(lowering),
        t=t.sql,
    )


def chunks(lowering: Lowering) -> Sql:
    """A row a chunk: whose it is (`#of`), its number from 0, its text, its first byte and the one past its last.

    Where size and overlap are whole numbers of runs of units, the runs are what is counted and put together."""
    size, overlap = known_value(lowering["size"]), known_value(lowering["overlap"])
    together = run_of(size, overlap, TOGETHER.get(lowering["by"], 1))
    cut = runs_of_tokens(lowering, together) if lowering["by"] == "tokens" else runs_of_units(lowering, together)
    if size == together:
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
        size=bound(size // together, "size"),
        overlap=bound(overlap // together, "overlap"),
        cut=cut,
    )


def runs_of_units(lowering: Lowering, together: int) -> Sql:
    """A row a run: whose it is (`#of`), of how many runs (`#count`), its text (`#unit`), its number from 0 (`#j`), and
    the byte past its last (`#end`)."""
    return sql(
        'SELECT "#of", "#own", "#count", "#u"[1] AS "#unit", "#u"[2] AS "#j", sum(strlen("#u"[1])) OVER (PARTITION BY '
        '"#of" ORDER BY "#u"[2] ROWS UNBOUNDED PRECEDING) AS "#end" FROM '
        '(SELECT "#of", "#own", len("#units") AS "#count", '
        'unnest(list_zip("#units", range(len("#units")))) AS "#u" FROM '
        '(SELECT {ord} AS "#of", {own} AS "#own", {units} AS "#units" FROM {t} WHERE {on} <> \'\'))',
        ord=name(ORD),
        own=own_bytes(lowering),
        units=units(lowering, together),
        t=lowering.t.sql,
        on=lowering.value("on"),
    )


def runs_of_tokens(lowering: Lowering, together: int) -> Sql:
    """The same for tokens, of which there are too many to have a row each.

    A text is cut into pieces of a few words, before a blank, where a token always begins; of a piece it is only counted
    how many tokens it has (`#n`), and only one that lies in several runs is cut into tokens, between the runs."""
    token = bound(UNITS["tokens"], "token")
    pieces = sql(
        'SELECT "#of", "#own", unnest(list_zip("#pieces", range(len("#pieces")))) AS "#p" FROM (SELECT {ord} AS "#of", '
        '{own} AS "#own", regexp_extract_all({on}, {words}) AS "#pieces" FROM {t} WHERE {on} <> \'\')',
        ord=name(ORD),
        own=own_bytes(lowering),
        on=lowering.value("on"),
        words=bound(WORDS, "words"),
        t=lowering.t.sql,
    )
    counted = sql(
        'SELECT *, (sum("#n") OVER (PARTITION BY "#of" ORDER BY "#no" ROWS UNBOUNDED PRECEDING) - "#n")::BIGINT AS '
        '"#before" FROM (SELECT "#of", "#own", "#p"[1] AS "#piece", "#p"[2] AS "#no", '
        'len(regexp_extract_all("#p"[1], {token})) AS "#n" FROM ({pieces}))',
        token=token,
        pieces=pieces,
    )
    parts = sql(
        'SELECT "#of", "#own", "#no", "#j", CASE WHEN "#least" = "#most" THEN "#piece" ELSE array_to_string(list_slice('
        'regexp_extract_all("#piece", {token}), greatest("#j" * {run} - "#before", 0) + 1, '
        'least(("#j" + 1) * {run} - "#before", "#n")), \'\') END AS "#part" FROM '
        '(SELECT *, unnest(range("#least", "#most" + 1)) AS "#j" FROM (SELECT *, ("#before" // {run})::BIGINT AS '
        '"#least", (("#before" + "#n" - 1) // {run})::BIGINT AS "#most" FROM ({counted})))',
        token=token,
        run=bound(together, "run"),
        counted=counted,
    )
    return sql(
        'SELECT *, sum(strlen("#unit")) OVER (PARTITION BY "#of" ORDER BY "#j" ROWS UNBOUNDED PRECEDING) AS "#end", '
        'count(*) OVER (PARTITION BY "#of") AS "#count" FROM (SELECT "#of", "#own", "#j", '
        'string_agg("#part", \'\' ORDER BY "#no") AS "#unit" FROM ({parts}) GROUP BY "#of", "#own", "#j")',
        parts=parts,
    )


def run_of(size: int, overlap: int, most: int) -> int:
    """How many units are taken at once: the most that size and overlap are whole numbers of."""
    common = gcd(size, overlap)
    return common if common <= most else max(run for run in range(1, most + 1) if common % run == 0)


def units(lowering: Lowering, together: int) -> Sql:
    """The text's units in order, or runs of so many of them."""
    on, by = lowering.value("on"), lowering["by"]
    if by in UNITS:
        pattern = UNITS[by] if together == 1 else f"(?:{UNITS[by]}){{1,{together}}}"
        return sql("regexp_extract_all({on}, {p})", on=on, p=bound(pattern, by))
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
    summary='the text replaced by its pieces `chunk`, `chunk_no` of `size` units; a separator r".." heads its chunk',
    words="cuts {on|the text} into pieces by {by}[size: of {size}][overlap: that overlap by {overlap}]",
    told="name",
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
        "Without overlap the chunks, one after the other, are the text. Numbers start at 1 for each row. The column "
        "that is cut is left out, the others are kept. An empty or null text gives no chunk."
    ),
    over_parts=lambda arguments: "numbered",
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
