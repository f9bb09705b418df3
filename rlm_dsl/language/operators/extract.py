"""`extract`: a pattern's named groups become columns."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rlm_dsl.language.operators.core.conversion import CONVERTIBLE_WORDS, converted, converted_type, is_convertible
from rlm_dsl.language.operators.core.kinds import ColumnTypes, Each, Flag, Pattern
from rlm_dsl.language.operators.core.lowering import Lowering, is_own
from rlm_dsl.language.operators.core.nullability import known_present, needed
from rlm_dsl.language.operators.core.operator import Example, Operator
from rlm_dsl.language.operators.core.parameters import ONLY_TEXT, Arguments, Parameter, Refused
from rlm_dsl.language.operators.core.relation import HI, LO, ORD, ROW, Relation
from rlm_dsl.language.patterns.prefilters import matching
from rlm_dsl.language.patterns.tree import begins_text, stands_alone
from rlm_dsl.language.patterns.validate import named_groups
from rlm_dsl.language.program import Column, Step, known_value
from rlm_dsl.language.sql import Sql, bound, joined, name, names, sql
from rlm_dsl.language.types import TEXT, Field, Type


def groups(pattern: str) -> Mapping[str, int]:
    """The pattern's named groups and their numbers."""
    return named_groups(pattern)


def result(arguments: Arguments) -> Type:
    found = groups(known_value(arguments["pattern"]))
    types = dict(arguments["types"])
    if not found:
        raise Refused("pattern", "the pattern names no group", 'name what you want: r"user=(?P<user>\\w+)"')
    for column, type_ in types.items():
        if column not in found:
            raise Refused("types", f"the pattern has no group `{column}`", f"its groups: {', '.join(found)}")
        if not is_convertible(type_):
            raise Refused("types", f"a group cannot be read as {type_}", CONVERTIBLE_WORDS)
    kept = known_present(arguments.table, needed(arguments["on"]))
    return kept.with_columns(Field(g, converted_type(types.get(g, TEXT))) for g in found)


def lower(lowering: Lowering) -> Sql:
    return every_match(lowering) if lowering["all"] else first_match(lowering)


def made(lowering: Lowering, texts: Mapping[str, Sql]) -> Sql:
    """The new columns, converted, each under its name."""
    types, version = dict(lowering["types"]), lowering.step.version
    read = {g: converted(text, types.get(g, TEXT), version) for g, text in texts.items()}
    return joined(", ", (sql("{v} AS {n}", v=value, n=name(g)) for g, value in read.items()))


WHOLE = re.compile(r"\^(?!.*(?:\||\(\?[a-zA-Z]*m))(?:[^\\]|\\.)*\$", re.DOTALL)
"""A pattern that can only match a text whole: anchored at both ends, with no choice and no flag that moves the ends."""


def first_match(lowering: Lowering) -> Sql:
    """One row a matching row. Its byte range narrows to the match where the text is the source's own. The match and its
    groups come from one look: the pattern in brackets, the match its first group."""
    on, pattern = lowering.value("on"), known_value(lowering["pattern"])
    found = groups(pattern)
    numbered = ", ".join(f"'g{number}'" for number in range(max(found.values()) + 1))
    texts = {g: sql(f'"#m".g{number}') for g, number in found.items()}
    t = lowering.t
    return sql(
        f'SELECT {{kept}}, {{made}}, {{hidden}} FROM (SELECT *, regexp_extract({{on}}, {{p}}, [{numbered}]) AS "#m" '
        "FROM {t} WHERE {matches})",
        kept=names(t.type.names),
        made=made(lowering, texts),
        hidden=narrowed(lowering),
        on=on,
        p=bound(f"({pattern})", f"{lowering.expression.prefix}pattern"),
        matches=matching(on, pattern, f"{lowering.expression.prefix}matching"),
        t=t.sql,
    )


def narrowed(lowering: Lowering) -> Sql:
    """The hidden columns, `#lo` and `#hi` moved to the match's bytes where the row's text is its source's bytes."""
    t, pattern, on = lowering.t, known_value(lowering["pattern"]), lowering.value("on")
    if not is_own(lowering) or WHOLE.fullmatch(pattern):
        return names(t.hidden)
    if begins_text(pattern):
        before = sql("0")
    elif stands_alone(pattern):
        before = sql('CASE WHEN "#m".g0 = \'\' THEN 0 ELSE strlen(split_part({on}, "#m".g0, 1)) END', on=on)
    else:
        before = sql(
            "strlen(regexp_extract({on}, {p}, 1))", on=on, p=bound(f"^((?s:.*?))(?:{pattern})", "before_match")
        )
    own = sql("strlen({on}) = {hi} - {lo}", on=on, hi=name(HI), lo=name(LO))
    return sql(
        '{ord}, "#row", CASE WHEN {own} THEN {lo} + {before} ELSE {lo} END AS {lo}, '
        'CASE WHEN {own} THEN {lo} + {before} + strlen("#m".g0) ELSE {hi} END AS {hi}',
        ord=name(ORD),
        own=own,
        lo=name(LO),
        hi=name(HI),
        before=before,
    )


def every_match(lowering: Lowering) -> Sql:
    """A row a match. The lists of a row's matches are zipped and unnested, so that no row carries a list."""
    found, t = groups(known_value(lowering["pattern"])), lowering.t
    on, pattern = lowering.value("on"), lowering.value("pattern")
    numbers = sorted({0, *found.values()})
    lists = [sql(f'regexp_extract_all({{on}}, {{p}}, {n}) AS "#g{n}"', on=on, p=pattern) for n in numbers]
    zipped = [*(f'"#g{n}"' for n in numbers), 'range(1, len("#g0") + 1)']
    texts = {g: sql(f"coalesce(\"#m\"[{numbers.index(n) + 1}], '')") for g, n in found.items()}
    exact = sql("false")
    if is_own(lowering):
        lists.append(sql(f'{PIECES} AS "#pieces"', on=on, p=pattern))
        zipped.append('list_slice("#pieces", 1, 2 * len("#g0") - 1, 2)')
        own = sql("strlen({on}) = {hi} - {lo}", on=on, hi=name(HI), lo=name(LO))
        exact = sql('{own} AND list_slice("#pieces", 2, -1, 2) = "#g0"', own=own)
    place = sql(f'"#m"[{len(numbers) + 1}]')
    matching = sql('(SELECT *, {lists} FROM {t}) WHERE len("#g0") > 0', lists=joined(", ", lists), t=t.sql)
    compared = sql('{exact} AS "#exact"', exact=exact)
    if lowering.step.version >= COMPARED_ONCE:
        matching, compared = sql("(SELECT *, {c} FROM {m})", c=compared, m=matching), sql('"#exact"')
    return sql(
        "SELECT {kept}, {made}, row_number() OVER (ORDER BY {ord}, {place}) AS {ord}, {origin} "
        f'FROM (SELECT {{kept}}, {{hidden}}, {{compared}}, unnest(list_zip({", ".join(zipped)})) AS "#m" '
        "FROM {matching})",
        place=place,
        kept=names(t.type.names),
        made=made(lowering, texts),
        ord=name(ORD),
        origin=names(t.origin) if t.united else match_ranges(len(numbers) + 2 if len(zipped) > len(numbers) + 1 else 0),
        hidden=names(t.hidden),
        compared=compared,
        matching=matching,
    )


COMPARED_ONCE = 3
"""The version from which on it is found once a text, and not once a match, whether the pieces are the matches."""
PIECES = r"string_split_regex(regexp_replace({on}, {p}, chr(1) || '\0' || chr(2), 'g'), '[\x01\x02]')"
"""What stands between the matches and the matches, in turn: the text cut where each match begins and ends."""


def match_ranges(between: int) -> Sql:
    """`#row`, and `#lo` and `#hi` of each match: its end is the bytes of everything up to it. Where the pieces are not
    the matches (the text holds a mark of ours) or are not known, the row's own range is kept."""
    if not between:
        return names((ROW, LO, HI))
    end = sql(
        f'sum(strlen("#m"[{between}]) + strlen("#m"[1])) '
        f'OVER (PARTITION BY {{ord}} ORDER BY "#m"[{between - 1}] ROWS UNBOUNDED PRECEDING)',
        ord=name(ORD),
    )
    return sql(
        '{row}, CASE WHEN "#exact" THEN ({lo} + {end} - strlen("#m"[1]))::BIGINT ELSE {lo} END AS {lo}, '
        'CASE WHEN "#exact" THEN ({lo} + {end})::BIGINT ELSE {hi} END AS {hi}',
        row=name(ROW),
        lo=name(LO),
        hi=name(HI),
        end=end,
    )


def own(step: Step, inputs: tuple[Relation, ...]) -> str:
    """A row that was narrowed to its match no longer has the bytes of the whole text."""
    on, held = step.arguments["on"], inputs[0].own
    kept = WHOLE.fullmatch(known_value(step.arguments["pattern"])) and not step.arguments["all"]
    return held if kept or not (isinstance(on, Column) and on.name == held) else ""


extract = Operator(
    name="extract",
    version=3,
    summary="the named groups become columns; rows without a match are dropped; all=true gives a row for each match",
    words="cuts {on|the text} by {pattern} into columns[types: ({types})], leaving out what fails to match"
    "[all:, a row for each match]",
    told="signature",
    parameters=(
        Parameter("pattern", Pattern(), shown='r"(?P<name>..)"'),
        Parameter("on", Each("text"), ONLY_TEXT),
        Parameter("types", ColumnTypes(), (), shown="types={name: int}"),
        Parameter("all", Flag(), False),
    ),
    result=result,
    lower=lower,
    own=own,
    most_rows=lambda arguments, rows: None if arguments["all"] else rows[0],
    origin="narrowed to the match",
    manual="A group that took no part in the match is ''. A text that does not fit its type in `types` is null.",
    over_parts=lambda arguments: "numbered" if arguments["all"] else "kept",
    examples=(
        Example(
            't | extract(r"(?P<k>\\w+)=(?P<v>\\d+)", on=x, types={v: int})',
            {"x": ["a=1", "oops", "b=22 c=3"]},
            [["a=1", "a", 1], ["b=22 c=3", "b", 22]],
        ),
        Example(
            't | extract(r"(?P<k>\\w)=(?P<v>\\d+)?", on=x, all=true)',
            {"x": ["a=1 b=", "", "c=3"]},
            [["a=1 b=", "a", "1"], ["a=1 b=", "b", ""], ["c=3", "c", "3"]],
        ),
    ),
)
