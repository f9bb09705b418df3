"""Random tables, and random programs over them.

In: nothing. Out: strategies. Law: every table has the same columns, so that every program fits every table; every
program is one that the checker takes.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from rlm_dsl.language.syntax.literals import spell_text
from rlm_dsl.language.syntax.tree import Text
from tests.naive.engine import Given
from tests.naive.values import LARGEST, SMALLEST, Kind

Strings = st.SearchStrategy[str]

COLUMNS: tuple[tuple[str, Kind], ...] = (
    ("s", "text"),
    ("w", "text"),
    ("k", "text"),
    ("f", "text"),
    ("j", "text"),
    ("n", "int"),
    ("m", "int"),
    ("x", "float"),
    ("b", "bool"),
    ("d", "date"),
    ("z", "timestamp"),
    ("l", ("list", "text")),
)
"""`s` is the source's own text; `k` and `m` have few values; `f` holds forms of numbers and dates, `j` JSON."""

# ---- values ----

LETTERS = "abABx$12 \n\r\t-#.,=éßİΣ日٣\u0301\u05d0\u200b\u200d\u00a0\u2028🙂"
WORDS = [
    "",
    "a",
    "b",
    "ab",
    "A",
    "é",
    "e\u0301",
    "🙂",
    "שלום",
    "a b",
    "a\nb\n",
    "\n\n",
    " ",
    "x=1 y=22",
    "# a\n# b\n",
    "a$b",
]
PROSE = [
    "One two. Three\n\n\nFour, five!\n",
    "\n \nhead\r\n\r\ntail",
    "# one\n\n## two\n# three",
    "a,b,,c,",
    "1234567 abcdefgh",
]
DAYS = [
    (1, 1, 1),
    (1582, 10, 15),
    (1969, 12, 31),
    (1970, 1, 1),
    (2000, 2, 29),
    (2024, 2, 29),
    (2024, 12, 30),
    (9999, 12, 31),
]
TIMES = [(0, 0, 0, 0), (10, 20, 30, 0), (23, 59, 59, 999999), (12, 0, 0, 500000)]
FORMS = [
    *[
        "12",
        "-7",
        "+3",
        "007",
        "1.5",
        "-.5",
        "5.",
        "1e3",
        "1E-2",
        "abc",
        "",
        " ",
        " 42 ",
        "\t42\n",
        "1_000",
        "0x10",
        "--1",
    ],
    *["9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e400", "nan", "inf", "٣", "1 2"],
    *[
        "true",
        "TRUE",
        " false",
        "yes",
        "2024-02-29",
        "2023-02-29",
        "2024-2-9",
        " 2024-01-01",
        "2024-01-01 ",
    ],
    *["Feb 29, 2024", "29.02.2024", "20240229", "0001-01-01", "9999-12-31", "10000-01-01", "2024-02-29 10:00:00"],
    *["2024-02-29T10:00:00", "2024-02-29 10:00:00.25", "2024-02-29 25:00:00", "2024-02-29 10:00", "2024-13-01"],
    *[
        "2024-02-29T10:00:00Z",
        "2024-02-29T23:00:00+02:00",
        "2024-02-29 10:00-0530",
        "2024-02-29T10:00:00+02",
        "infinity",
        "epoch",
    ],
]
JSONS = [
    *["", "oops", "null", "3", '"a"', "[]", "{}", "[1, 2]", '{"a": 1', "{'a': 1}", "{} {}"],
    *['{"a": 1}', '{"a": "1"}', '{"a": 1.0}', '{"a": 1.5, "b": "x"}', '{"a": null}', '{"a": true, "b": false}'],
    *[
        '{"a": [1, "2", null, "x"]}',
        '{"a": {"b": 7, "c": [true]}}',
        '{"a": [{"b": 1}, {"c": 2}, null, 3]}',
        '{"b": "é🙂\\n"}',
    ],
    *['{"a": "2024-02-29", "b": "2024-02-29T10:00:00"}', '{"a": 12345678901234567890}', ' {"a" : 1e2 } ', '{"a b": 1}'],
    *[
        '{"a": ""}',
        '{"a": " 1 "}',
        '{"a": "true"}',
        '{"a": []}',
        '{"a": [[1], [2]]}',
        '{"A": 5}',
        '{"a": -0}',
        '{"a": "null"}',
    ],
]
NUMBERS = [0, 1, -1, 2, 3, -3, 7, 10, 100, 15, -15]
FLOATS = [0.0, -0.0, 0.5, -0.5, 1.0, 1.5, 2.5, -2.5, 0.1, 0.2, 3.75, 1e16, -1e16, 1e-7, 123456.789]

texts = st.one_of(st.sampled_from(WORDS), st.sampled_from(PROSE), st.text(LETTERS, max_size=10))
ints = st.one_of(
    st.sampled_from(NUMBERS), st.sampled_from(NUMBERS), st.integers(-50, 50), st.sampled_from([LARGEST, SMALLEST])
)
floats = st.one_of(st.sampled_from(FLOATS), st.integers(-400, 400).map(lambda n: n / 8))
dates = st.one_of(st.sampled_from(DAYS).map(lambda d: datetime.date(*d)), st.dates())
timestamps = st.one_of(
    st.builds(lambda d, t: datetime.datetime(*d, *t), st.sampled_from(DAYS), st.sampled_from(TIMES)), st.datetimes()
)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "s": st.none() | texts | texts,
    "w": st.none() | st.sampled_from(WORDS) | st.text(LETTERS, max_size=4),
    "k": st.sampled_from(["a", "b", "B", None]),
    "f": st.none() | st.sampled_from(FORMS) | st.sampled_from(FORMS),
    "j": st.none() | st.sampled_from(JSONS) | st.sampled_from(JSONS),
    "n": st.none() | ints | ints,
    "m": st.integers(-2, 3),
    "x": st.none() | floats | floats,
    "b": st.none() | st.booleans() | st.booleans(),
    "d": st.none() | dates | dates,
    "z": st.none() | timestamps | timestamps,
    "l": st.none() | st.lists(st.none() | st.sampled_from(WORDS), max_size=3),
}
rows = st.tuples(*(VALUES[name] for name, _ in COLUMNS))


@st.composite
def givens(draw: st.DrawFn) -> dict[str, Given]:
    """A table `t`, and a table `other` that shares some of its rows. Empty tables and those of one row are few."""
    count = draw(st.sampled_from([3, 4, 5, 6, 7, 8, 2, 1, 0]))
    found = draw(st.lists(rows, min_size=count, max_size=count))
    found += [found[i] for i in draw(st.lists(st.integers(0, len(found) - 1), max_size=2))] if found else []
    shared = st.sampled_from(found) | rows if found else rows
    others = draw(st.lists(shared, max_size=4))
    return {"t": given(draw, found), "other": given(draw, others)}


def given(draw: st.DrawFn, found: Sequence[tuple[Any, ...]]) -> Given:
    """Rows in rising sources; columns without a null are not nullable."""
    sources = sorted(draw(st.lists(st.integers(0, 3), min_size=len(found), max_size=len(found))))
    return Given(COLUMNS, tuple(found), tuple(sources), "s" if draw(st.booleans()) else None)


# ---- expressions ----

PATTERNS = [
    "a",
    "^a",
    "b$",
    "(?i)AB",
    r"\d+",
    r"\w+\s",
    "é|🙂",
    "^$",
    "",
    r"(?m)^#",
    r"(a)(b)?",
    r"x=(\d)",
    r"[^a]",
    r"(?s)a.b",
    r"\bb",
]
SEPARATORS = [r"(?m)^# ", "^# ", "^#", "#", r"\n\n", "a", "[ab]", "b$", r"\s+", "a|ab", r",", r"(?m)$\n", "🙂"]
EXTRACTS = [
    r"(?P<p>\w)",
    r"(?P<p>\d+)",
    r"(?P<p>[a-z])=?(?P<q>\d)?",
    r"^(?P<p>.)$",
    r"(?P<p>a*)",
    r"(?i)(?P<q>b).?(?P<p>.)",
    r"(?P<p>é|🙂|\n)",
    r"(?m)^(?P<p>.*)$",
    r"(?P<p>a)|(?P<q>b)",
    r"(?P<p>.+)",
    r"^(?P<p>a)\$",
    r"^(?m)(?P<p>a)$",
    r"(?P<p>\b|x)",
    r"(?P<p>\b)",
]
DATE_CODES = ["%Y-%m-%d", "%b %d, %Y", "%d.%m.%Y", "%Y%m%d"]
MOMENT_CODES = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]
PATHS = ["$", "$.a", "$.b", "$.a.b", "$.a[0]", "$.a[1]", "$.a[0].b", '$."a b"']


def spelled(value: Any) -> str:
    """A value as the language writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return spell_text(Text(value))
        case datetime.datetime() | datetime.date():
            return f"@{value.isoformat()}"
        case int() | float() if value < 0:
            return f"({value!r})"
        case list():
            return "[" + ", ".join(map(spelled, value)) + "]"
        case _:
            return repr(value)


def chosen(values: Sequence[Any]) -> Strings:
    return st.sampled_from(values).map(spelled)


def raw(values: Sequence[str]) -> Strings:
    return st.sampled_from(values).map(lambda value: spell_text(Text(value, True)))


dates_written = st.sampled_from(DAYS).map(lambda d: spelled(datetime.date(*d)))
moments_written = st.sampled_from(DAYS[:-1]).map(lambda d: spelled(datetime.datetime(*d, 10, 20, 30)))
LEAVES: Mapping[str, Strings] = {
    "text": st.sampled_from(["s", "w", "k", "f"]) | chosen(WORDS),
    "int": st.sampled_from(["n", "m", "m"]) | chosen(NUMBERS),
    "float": st.just("x") | floats.map(spelled),
    "number": st.sampled_from(["n", "m", "x"]) | chosen([0, 2, -3, 0.5, -1.5]),
    "bool": st.just("b") | chosen([True, False]),
    "date": st.just("d") | dates_written,
    "timestamp": st.just("z") | moments_written,
    "moment": st.sampled_from(["d", "z"]) | dates_written,
    "scalar": st.sampled_from(["s", "n", "x", "b", "d", "z", "null", "f"]),
    "list": st.just("l") | st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(spelled),
    "ints": st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3).map(spelled) | st.just("[m, 1]"),
    "scale": chosen([0, 1, 2, 5, 20]),
    "pattern": raw(PATTERNS),
    "grouped": raw([r"(a)(b)?", r"(?P<x>\w)|(\s)", r"(^|,)([^,]*)", r"()(a*)"]),
    "regrouped": raw([r"<\2\1>", r"\2", r"\1\1\0"]),
    "replacement": raw(["", "#", r"<\0>", r"\0\0", r"\\", "🙂", "$1"]),
    "separator": chosen([",", "a", "\n", "ab", " ", "🙂"]),
    "json": st.just("j"),
    "path": chosen(PATHS),
    "date_code": chosen(DATE_CODES),
    "moment_code": chosen(MOMENT_CODES),
    "form": st.just("f"),
    "few": chosen([0, 1, 2, 5]) | st.just("abs(m)"),
    "place": chosen([1, 2, 3, 100]) | st.just("(abs(m) + 1)"),
    "digits": chosen([0, 1, 2, -1]),
    "exponent": chosen([0, 1, 2, 3, -1, 0.5, 65, -64]),
    "any_place": chosen([1, 2, 3, 0, -1, -2, 100]) | st.just("m"),
    "unicode_form": chosen(["NFC", "NFD", "NFKC", "NFKD"]),
    "day_unit": chosen(["year", "quarter", "month", "week", "day"]),
    "unit": chosen(["year", "quarter", "month", "week", "day", "hour", "minute", "second"]),
    "written_form": chosen(
        ["%Y-%m-%d", "%-d. %B %y", "%a %A %b %j %p %I", "%G-W%V-%u %w", "%H:%M:%S.%f", "week %W, %U %%", "%-m/%-d %-H"]
    ),
    "day_count": chosen([0, 1, -1, 31, 365]) | st.just("m"),
}

FORMULAS: Sequence[tuple[str, str, str]] = [
    *(("text", name, f"{name}({{text}})") for name in ("lower", "upper", "trim")),
    ("int", "length", "length({text})"),
    ("text", "substring", "substring({text}, {place})"),
    ("text", "substring", "substring({text}, {place}, {few})"),
    ("text", "left", "left({text}, {few})"),
    ("text", "right", "right({text}, {few})"),
    ("text", "replace", "replace({text}, {separator}, {text})"),
    ("list", "split", "split({text}, {separator})"),
    *(("bool", name, f"{name}({{text}}, {{text}})") for name in ("contains", "starts_with", "ends_with")),
    ("text", "regex_extract", "regex_extract({text}, {pattern})"),
    ("text", "regex_extract", "regex_extract({text}, {pattern}, 0)"),
    ("text", "regex_replace", "regex_replace({text}, {pattern}, {replacement})"),
    ("text", "regex_replace", "regex_replace({text}, {grouped}, {regrouped})"),
    ("int", "count_matches", "count_matches({text}, {pattern})"),
    ("bool", "matches", "({text} matches {pattern})"),
    ("text", "normalize", "normalize({text}, {unicode_form})"),
    ("int", "length", "length({list})"),
    ("text", "item", "item({list}, {any_place})"),
    ("int", "item", "item({ints}, {any_place})"),
    ("text", "join_list", "join_list({list}, {separator})"),
    ("text", "join_list", "join_list({ints}, {separator})"),
    ("text", "concat", "concat({scalar}, {scalar})"),
    ("text", "format", 'format("<{}|{}{{}}>", {scalar}, {scalar})'),
    ("text", "json", "json({json}, {path})"),
    *(("int", name, f"({{int}} {name} {{int}})") for name in ("+", "-", "*", "//", "%")),
    *(("float", name, f"({{number}} {name} {{float}})") for name in ("+", "-", "*", "//", "%")),
    ("float", "/", "({number} / {number})"),
    ("float", "sqrt", "sqrt({number})"),
    ("float", "power", "power({number}, {exponent})"),
    ("float", "power", "power({float}, {number})"),
    ("float", "log", "log({number})"),
    ("float", "log", "log({number}, {number})"),
    ("int", "negate", "-({int})"),
    ("float", "negate", "-({float})"),
    ("int", "abs", "abs({int})"),
    ("float", "abs", "abs({float})"),
    ("float", "round", "round({float}, {digits})"),
    ("int", "round", "round({int}, {digits})"),
    ("float", "round", "round({float})"),
    ("int", "floor", "floor({number})"),
    ("int", "ceil", "ceil({number})"),
    ("int", "to_int", "to_int({form})"),
    ("int", "to_int", "to_int({number})"),
    ("int", "to_int", "to_int({bool})"),
    ("text", "to_decimal", "concat(to_decimal({form}))"),
    ("text", "to_decimal", "concat(to_decimal({form}, {scale}))"),
    ("text", "to_decimal", "concat(to_decimal({number}, {scale}))"),
    ("float", "to_float", "to_float({form})"),
    ("float", "to_float", "to_float({number})"),
    ("date", "to_date", "to_date({form})"),
    ("date", "to_date", "to_date({form}, {date_code})"),
    ("timestamp", "to_timestamp", "to_timestamp({form})"),
    ("timestamp", "to_timestamp", "to_timestamp({form}, {moment_code})"),
    *(
        ("int", name, f"{name}({{moment}})")
        for name in ("year", "quarter", "month", "day", "weekday", "hour", "minute")
    ),
    ("float", "seconds_between", "seconds_between({moment}, {moment})"),
    ("int", "days_between", "days_between({moment}, {moment})"),
    *(("int", name, f"{name}({{moment}})") for name in ("second", "week", "iso_week", "iso_year")),
    *(("text", name, f"{name}({{moment}})") for name in ("month_name", "weekday_name")),
    ("date", "date", "date({moment})"),
    ("date", "date_trunc", "date_trunc({day_unit}, {date})"),
    ("timestamp", "date_trunc", "date_trunc({unit}, {timestamp})"),
    ("date", "add_months", "add_months({date}, {day_count})"),
    ("timestamp", "add_months", "add_months({timestamp}, {day_count})"),
    ("text", "format_date", "format_date({moment}, {written_form})"),
    ("date", "add_days", "add_days({date}, {day_count})"),
    ("timestamp", "add_days", "add_days({timestamp}, {day_count})"),
    ("timestamp", "add_seconds", "add_seconds({moment}, {day_count})"),
    ("timestamp", "add_seconds", "add_seconds({timestamp}, 0.25)"),
    *(
        ("bool", name, f"({{{kind}}} {name} {{{kind}}})")
        for name in ("==", "!=", "<", "<=", ">", ">=")
        for kind in ("text", "number", "bool", "moment", "list")
    ),
    ("bool", "and", "({bool} and {bool})"),
    ("bool", "or", "({bool} or {bool})"),
    ("bool", "not", "(not {bool})"),
    ("bool", "in", "({text} in {list})"),
    ("bool", "in", "({number} not in {ints})"),
    ("bool", "between", "({number} between {number} and {number})"),
    ("bool", "between", "({text} not between {text} and {text})"),
    ("bool", "between", "({moment} between {moment} and {moment})"),
    ("bool", "is null", "({scalar} is null)"),
    ("bool", "is null", "({scalar} is not null)"),
    *(
        (kind, name, f"{name}({{{kind}}}, {{{kind}}}, {{{kind}}})")
        for name in ("coalesce", "least", "greatest")
        for kind in ("text", "int", "float", "date", "timestamp")
    ),
    ("float", "coalesce", "coalesce({int}, {float})"),
    ("float", "least", "least({int}, {float})"),
    ("text", "coalesce", "coalesce(null, {text})"),
    ("text", "if", "if({bool}, {text}, {text})"),
    ("float", "if", "if({bool}, {int}, {float})"),
    ("int", "if", "if({bool}, {int}, null)"),
]
"""Kind, function, and the function's use; a hole is an expression of that kind."""

HOLE = re.compile(r"\{(" + "|".join(LEAVES) + r")\}")
MOST_KINDS = ("text", "int", "float", "bool", "date", "timestamp", "list")


def expressions(kind: str, depth: int = 1) -> Strings:
    """Expressions of a kind, with functions in one another at most `depth` deep."""
    made = [formula(text, depth - 1) for of, _, text in FORMULAS if of == kind]
    return LEAVES[kind] if depth == 0 or not made else LEAVES[kind] | st.one_of(made)


def formula(text: str, depth: int = 0) -> Strings:
    """A use of a function with its holes filled."""
    holes = HOLE.findall(text)
    filled = st.tuples(*(expressions(hole, depth) if depth > 0 else LEAVES[hole] for hole in holes))
    return filled.map(lambda values: with_values(text, values))


def with_values(text: str, values: Sequence[str]) -> str:
    left = iter(values)
    return HOLE.sub(lambda _: next(left), text)


def uses(function: str, depth: int = 1) -> Strings:
    return st.one_of([formula(text, depth) for _, name, text in FORMULAS if name == function])


# ---- aggregates ----

any_value = st.sampled_from(["s", "k", "n", "m", "x", "b", "d", "z", "l", "m % 2", "upper(k)"])
ordered_value = st.sampled_from(["s", "k", "n", "m", "x", "b", "d", "z", "length(s)"])
numeric_value = st.sampled_from(["n", "m", "x", "m * 2", "x / 2"])
AGGREGATE_USES: Mapping[str, Strings] = {
    "count": st.just("count({})"),
    "count_if": expressions("bool").map("count_if({{}}{})".format),
    "count_distinct": any_value.map("count_distinct({{}}{})".format),
    **{name: numeric_value.map((name + "({{}}{})").format) for name in ("sum", "avg", "variance", "stddev")},
    "median": (numeric_value | st.sampled_from(["d", "z"])).map("median({{}}{})".format),
    **{name: ordered_value.map((name + "({{}}{})").format) for name in ("min", "max", "mode")},
    "quantile": st.builds(
        "quantile({{}}{}, {})".format, numeric_value, st.sampled_from(["0", "0.25", "0.5", "0.9", "1"])
    ),
    **{name: any_value.map((name + "({{}}{})").format) for name in ("first", "last", "list", "values")},
    "text": st.sampled_from(["s", "k", "n", "x", "b", "d", "z"]).flatmap(
        lambda c: st.sampled_from([f"text({{}}{c})", f'text({{}}{c}, sep=", ")'])
    ),
}
"""An aggregate's use; the hole is for the table, with a comma, where it is over a whole table."""


def aggregates(names: Sequence[str] = (), *, most: int = 3) -> Strings:
    """`a1=..., a2=...`, as `group` and `running` take them."""
    one = st.sampled_from(sorted(names or AGGREGATE_USES)).flatmap(lambda name: AGGREGATE_USES[name])
    return st.lists(one, min_size=1, max_size=most).map(
        lambda uses: ", ".join(f"a{i}={use.format('')}" for i, use in enumerate(uses, 1))
    )


# ---- operators ----

few = st.integers(0, 3)
text_columns = st.sampled_from(["s", "s", "w", "k"])
text_inputs = text_columns | st.sampled_from(["upper(s)", "concat(s, w)", "f"])
plain_conditions = ["m >= 0", "m > 0", 'k == "a"', "n is not null", "s is not null", "b"]
conditions = expressions("bool", 2) | st.sampled_from(plain_conditions)
keys = st.sampled_from(
    ["k", "m", "[k]", "[k, m]", "[odd=m % 2]", "[b, y=year(d)]", "[l]", "[x]", "[i=upper(k), m]", "s"]
)
maybe_by = st.just("") | keys.map(", by={}".format)
sort_keys = st.lists(
    st.sampled_from(
        ["n", "-n", "s", "-s", "k", "-k", "x", "-x", "d", "-d", "-z", "b", "-b", "m % 2", "-length(s)", "-l"]
    ),
    min_size=1,
    max_size=3,
    unique=True,
).map(", ".join)
column_lists = st.lists(st.sampled_from([name for name, _ in COLUMNS]), min_size=1, max_size=4, unique=True).map(
    ", ".join
)
NAMED_TYPES = ["text", "int", "float", "bool", "date", "timestamp"]
JSON_TYPES = [
    *NAMED_TYPES,
    "text?",
    "list[text]",
    "list[int]",
    "list[list[int]]",
    "{b: int, c: list[bool]}",
    "list[{b: int, c: text}]",
]


def extract_uses(pattern: str) -> Strings:
    groups = re.findall(r"\?P<(\w+)>", pattern)
    types = st.fixed_dictionaries({}, optional={g: st.sampled_from(NAMED_TYPES) for g in groups}).map(
        lambda found: "{" + ", ".join(f"{name}: {type_}" for name, type_ in found.items()) + "}"
    )
    return st.builds(
        lambda on, types, every: (
            f"extract({spell_text(Text(pattern, True))}, on={on}"
            + (f", types={types}" if types != "{}" else "")
            + (", all=true)" if every else ")")
        ),
        text_inputs,
        types,
        st.booleans(),
    )


def sizes() -> Strings:
    return st.integers(1, 4).flatmap(
        lambda size: st.integers(0, size - 1).map(
            lambda overlap: f"size={size}" + (f", overlap={overlap}" if overlap else "")
        )
    )


def selections() -> Strings:
    made = st.builds(
        lambda kept, made: ", ".join([*([kept] if kept else []), *(f"c{i}={e}" for i, e in enumerate(made))]),
        st.just("") | column_lists,
        st.lists(st.sampled_from(MOST_KINDS).flatmap(lambda kind: expressions(kind)), max_size=2),
    )
    return made.filter(bool)


REPLACING = [
    "derive(n=n + 1, m=n)", "derive(q=m, m=m + 1, p=m + q)", "derive(s=upper(s))", "derive(k=n, n=k)",
    'derive(s=length(s), w="x") | derive(w=s)', 'derive(s=upper(s)) | partition(by="chars", size=2, on=s)',
]  # fmt: skip


def derived() -> Strings:
    first = st.sampled_from(["int", "text"]).flatmap(lambda kind: expressions(kind).map(lambda e: (kind, e)))
    later = {"int": ["p + 1", "p is null", "-p"], "text": ["upper(p)", "concat(p, m)", "length(p)"]}
    added = first.flatmap(
        lambda made: st.sampled_from(later[made[0]]).map(lambda second: f"derive(p={made[1]}, q={second})")
    )
    return added | st.sampled_from(REPLACING)


ON = [
    "k", "m", "[k, m]", "[x]", "[d]", "[k, n]", "left.m < right.m", "left.m == right.m and left.k != right.k",
    "left.x == right.n", "left.d <= right.z", "contains(left.s, right.w)", "left.l == right.l",
    "left.b", "right.m between left.m and 2",
]  # fmt: skip
joins = st.builds("join(other, on={}, how={})".format, st.sampled_from(ON), chosen(["inner", "left", "semi", "anti"]))

STAGES: Mapping[str, Strings] = {
    "grep": st.builds(
        "grep({}, on={}, invert={}, before={}, after={})".format,
        raw(PATTERNS), text_inputs, chosen([False, True]), st.just(0) | few, st.just(0) | few,
    ),
    "around": st.builds("around({}, before={}, after={})".format, conditions, few, few),
    "where": conditions.map("where({})".format),
    "derive": derived(),
    "extract": st.sampled_from(EXTRACTS).flatmap(extract_uses),
    "parse_json": st.builds(
        "parse_json(types={{a: {}, b: {}}}, on={})".format,
        st.sampled_from(JSON_TYPES), st.sampled_from(JSON_TYPES), st.sampled_from(["j", "j", "j", "s"]),
    ).map(lambda text: f"drop(b) | {text}"),
    "select": selections().map("select({})".format),
    "drop": column_lists.map("drop({})".format),
    "partition": st.builds(
        "partition(by={}, {}, on={})".format,
        chosen(["lines", "chars", "tokens", "tokens", "paragraphs"]) | raw(SEPARATORS), sizes(), text_inputs,
    ),
    "group": st.builds("group(by={}, {})".format, keys, aggregates()) | aggregates().map("group({})".format),
    "sort": sort_keys.map("sort({})".format),
    "take": st.builds("take({}, skip={}{})".format, st.sampled_from([2, 1, 3, 0]), st.integers(0, 2), maybe_by),
    "sample": st.builds("sample({}, seed={}{})".format, few, st.integers(-2, 5), maybe_by),
    "distinct": st.just("distinct()") | column_lists.map("distinct({})".format),
    "number": st.just("number()") | keys.map("number(into=nr, by={})".format),
    "shift": st.builds(
        "shift({}, offset={}, into=was{})".format,
        st.sampled_from(["s", "n", "x", "m + 1", "l", "upper(k)"]), st.integers(-3, 3), maybe_by,
    ),
    "describe": st.just("describe()") | column_lists.map("describe({})".format),
    "explode": st.sampled_from([
        "explode(l)", "explode(l, keep_empty=true)",
        "drop(b) | parse_json(types={a: list[{b: int, c: text}]}, on=j) | explode(a, keep_empty=true)",
        'derive(p=split(coalesce(s, ""), " ")) | explode(p)',
        "drop(b) | parse_json(types={a: list[{b: int, c: text}]}, on=j) | explode(a)",
        "drop(b) | parse_json(types={a: list[list[int]]}, on=j) | explode(a) | explode(a)",
    ]),
    "fill": st.builds("fill({}{})".format, column_lists, maybe_by),
    "correct": st.builds(
        "correct({}, where={})".format,
        st.sampled_from(['s, to="by hand"', "m, to=7", "x, to=2", "n, to=-1", "k, to='\u00e9'"]), conditions,
    ),
    "running": st.builds("running({}{})".format, aggregates(), maybe_by),
    "join": joins,
    "union": st.sampled_from([
        "union(other)", "union(other | sort(-n))", "select(s, n) | union(other | select(n=x, s=w))",
        "select(m, k) | union(group(other, by=k, m=count()))",
    ]),
    "except": st.sampled_from([
        "except(other)", "select(k, m) | except(other | select(m, k))", "select(l, d) | except(other | select(l, d))",
    ]),
    "pairs": st.just("pairs()"),
    "search": st.builds(
        "search({}, top={}, on={}{})".format,
        chosen(["a", "a b", "AB é two", "x y 22 one", "b 🙂 four", "a a", "שלום one", "ß 日", "i ssa 日日", "σ ٣"]),
        st.integers(1, 4), text_inputs, maybe_by,
    ),
}  # fmt: skip
"""Uses of each operator over a table with the columns of COLUMNS."""

VALUE_FORMS: Mapping[str, Strings] = {
    **{name: uses.map(lambda use: use.format("given, ").replace(", )", ")")) for name, uses in AGGREGATE_USES.items()},
    "first": st.sampled_from(["first(given)", "first(given, n)", "first(given, s)", "first(given, upper(k))"]),
    "last": st.sampled_from(["last(given)", "last(given, n)", "last(given, s)", "last(given, l)"]),
}

BEFORE = [
    "", "", "", "sort(-n)", "sort(k, -x)", "where(m > 0)", "take(4, skip=1)", "union(other)", "distinct(k)",
    "except(other)", 'grep(r"a", on=s, after=1)', "join(other, on=m)", "sort(m) | take(5)", "where(m > 99)",
    'extract(r"(?P<p1>a.?)", on=s) | drop(p1)', 'partition(by="lines", on=upper(s)) | drop(chunk, chunk_no)',
    'partition(by="lines", on=s) | drop(chunk_no) | select(s=chunk, w, k, f, j, n, m, x, b, d, z, l)',
    "around(m > 0, before=1, after=1) | drop(hit, is_hit)", "fill(s, n, by=k)", "number() | drop(number)",
]  # fmt: skip
"""Stages that may stand before: they keep the columns, and leave other orders, other places and united rows."""


def fits(before: str, operator: str, stage: str) -> bool:
    """Whether a stage may follow: which rows `sample` draws is known for a context's rows alone, and what compares
    whole rows wants the columns of `other`."""
    if operator == "sample":
        return before in ("", "where(m > 0)")
    return not (before.startswith("join") and stage.startswith(("union(other", "except(other")))


@st.composite
def programs(draw: st.DrawFn, operator: str) -> str:
    """A program whose answer is a table made by the operator, with a little before it."""
    stage = draw(STAGES[operator])
    before = draw(st.sampled_from([b for b in BEFORE if fits(b, operator, stage)]))
    stages = " | ".join(part for part in ("t", before, stage) if part)
    shape = draw(
        st.sampled_from(
            [
                "answer {}",
                "answer {}",
                "made = {}\nanswer made | take(3, skip=1)",
                "first = {}\nanswer first | union(first)",
            ]
        )
    )
    if before and draw(st.booleans()):
        return f"given = t | {before}\n" + shape.format(f"given | {stage}")
    return shape.format(stages)


def givens_before() -> Strings:
    """A table by the name of `given`, which value forms are over."""
    return st.sampled_from(BEFORE).map(lambda before: "given = " + " | ".join(part for part in ("t", before) if part))
