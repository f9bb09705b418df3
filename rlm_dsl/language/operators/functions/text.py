"""Scalar functions on text. Positions count characters (code points) from 1.

A position below 1 counts as 1, a number of characters below 0 as 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rlm_dsl.language.operators.core.function import Function
from rlm_dsl.language.patterns.prefilters import matching
from rlm_dsl.language.sql import Sql, bound, joined, sql

BLANKS = "concat(' ', chr(9), chr(10), chr(11), chr(12), chr(13))"
"""What counts as blank: space, tab, line feed, vertical tab, form feed, carriage return."""

FUNCTIONS = [
    Function("lower(value: text) -> text", "lower case", "lower({value})", examples=(('lower("ÄB")', "äb"),)),
    Function("upper(value: text) -> text", "upper case", "upper({value})", examples=(('upper("äb")', "ÄB"),)),
    Function(
        "trim(value: text) -> text",
        "without blanks, tabs and line ends at both ends",
        f"trim({{value}}, {BLANKS})",
        examples=(('trim("  a b\\n")', "a b"),),
    ),
    Function(
        "length(value: sized) -> int",
        "number of characters of a text, of elements of a list",
        "length({value})",
        examples=(('length("aé")', 2), ("length([3, 4])", 2)),
    ),
    Function(
        "substring(value: text, start: int, count: int = null) -> text",
        "`count` characters from position `start` (the first is 1), or all the rest",
        "substring({value}, greatest({start}, 1)::BIGINT, greatest(coalesce({count}, 4294967295), 0)::BIGINT)",
        examples=(('substring("abcd", 2, 2)', "bc"), ('substring("abcd", 3)', "cd")),
    ),
    Function(
        "left(value: text, count: int) -> text",
        "the first `count` characters",
        "left({value}, greatest({count}, 0))",
        examples=(('left("abc", 2)', "ab"),),
    ),
    Function(
        "right(value: text, count: int) -> text",
        "the last `count` characters",
        "right({value}, greatest({count}, 0))",
        examples=(('right("abc", 2)', "bc"),),
    ),
    Function(
        "replace(value: text, old: text, new: text) -> text",
        "every `old` replaced by `new`",
        "replace({value}, {old}, {new})",
        examples=(('replace("a-b-c", "-", "+")', "a+b+c"),),
    ),
    Function(
        "split(value: text, separator: text) -> list[text]",
        "the parts between separators",
        "string_split({value}, {separator})",
        examples=(('split("a,b", ",")', ["a", "b"]),),
    ),
    Function(
        "contains(value: text, part: text) -> bool",
        "whether `part` occurs in it",
        "contains({value}, {part})",
        examples=(('contains("abc", "bc")', True),),
    ),
    Function(
        "starts_with(value: text, part: text) -> bool",
        "whether it begins so",
        "starts_with({value}, {part})",
        examples=(('starts_with("abc", "ab")', True),),
    ),
    Function(
        "ends_with(value: text, part: text) -> bool",
        "whether it ends so",
        "ends_with({value}, {part})",
        examples=(('ends_with("abc", "ab")', False),),
    ),
]


def extracted(arguments: Mapping[str, Any]) -> Sql:
    """The wanted group of the first match; null, and not '', where the pattern does not match."""
    return sql(
        "CASE WHEN regexp_matches({value}, {pattern}) THEN regexp_extract({value}, {pattern}, {group}) END",
        value=arguments["value"],
        pattern=arguments["pattern"],
        group=arguments["group"],
    )


def concatenated(arguments: Mapping[str, Any]) -> Sql:
    return sql("concat({all})", all=joined(", ", (as_text(value) for value in arguments["values"])))


def as_text(value: Sql) -> Sql:
    return sql("CAST({value} AS VARCHAR)", value=value)


def template_pieces(template: str) -> list[str]:
    """The texts between a template's `{}`; `{{` and `}}` are braces."""
    pieces, at = [""], 0
    for mark in re.finditer(r"\{\{|\}\}|\{\}", template):
        pieces[-1] += template[at : mark.start()] + (mark[0][0] if mark[0] != "{}" else "")
        if mark[0] == "{}":
            pieces.append("")
        at = mark.end()
    pieces[-1] += template[at:]
    return pieces


def formatted(arguments: Mapping[str, Any]) -> Sql:
    """The template's pieces with the values between them; the checker has counted the `{}`."""
    pieces: list[Sql] = []
    for index, piece in enumerate(arguments["pieces"]):
        pieces += [piece] if index == 0 else [as_text(arguments["values"][index - 1]), piece]
    return sql("concat({all})", all=joined(", ", pieces))


regex_extract = Function(
    "regex_extract(value: text, pattern: pattern, group: int = null) -> text?",
    "group 1 of the first match if the pattern has groups, else the whole match; null without a match",
    extracted,
    examples=(
        ('regex_extract("id=42;", r"id=(\\d+)")', "42"),
        ('regex_extract("id=42;", r"\\d+")', "42"),
        ('regex_extract("id", r"\\d+")', None),
    ),
)

regex_replace = Function(
    "regex_replace(value: text, pattern: pattern, new: fixed) -> text",
    r"every match of the RE2 pattern replaced by `new`, in which \1 to \9 are groups, \0 the match and \\ a backslash",
    "regexp_replace({value}, {pattern}, {new}, 'g')",
    examples=(
        ('regex_replace("12 of 400", r"[0-9]+", "#")', "# of #"),
        ('regex_replace("Doe, Jane", r"(\\w+), (\\w+)", r"\\2 \\1")', "Jane Doe"),
        ('regex_replace("a\\tb  c", r"\\s+", " ")', "a b c"),
    ),
)

count_matches = Function(
    "count_matches(value: text, pattern: pattern) -> int",
    "how many times the RE2 pattern matches in it, one match after the other",
    "len(regexp_extract_all({value}, {pattern}))",
    examples=(('count_matches("a1 b22", r"[0-9]+")', 2), ('count_matches("aaa", r"aa")', 1)),
)

concat = Function(
    "concat(values...: scalar) -> text",
    "all values as text, one after the other; null counts as ''",
    concatenated,
    takes_null=True,
    examples=(('concat("a", 1, null)', "a1"),),
)

format_text = Function(
    "format(template: fixed, values...: scalar) -> text",
    "the template with each {} replaced by a value",
    formatted,
    takes_null=True,
    examples=(('format("{}: {}", "a", 1)', "a: 1"), ('format("{{{}}}", 1)', "{1}")),
)

WRITTEN_OTHERWISE = r"[0-9][.eE]|-0|[0-9]{16}"
ESCAPED_KEYS = r"\\[u/]"
PATH_NAMES = re.compile(r'\.(?:"([^"]+)"|(\w+))')


def json_found(arguments: Mapping[str, Any]) -> Sql:
    """The value as the engine finds it."""
    return sql(
        "CASE WHEN json_valid({value}) THEN json_extract_string({value}, {path}) END",
        value=arguments["value"],
        path=arguments["path"],
    )


def json_as_loaded(arguments: Mapping[str, Any]) -> Sql:
    """What the engine finds, where that is no object, list or number that it may write otherwise, and no name of the
    path may stand twice; else the text is read as loading reads it."""
    value = arguments["value"]
    names = [quoted or plain for quoted, plain in PATH_NAMES.findall(arguments["known"])]
    doubled = joined(
        "",
        (
            sql(
                f" OR length({{v}}) - length(replace({{v}}, {{n}}, '')) > {len(name) + 2}",
                v=value,
                n=bound(f'"{name}"', "name"),
            )
            for name in dict.fromkeys(names)
        ),
    )
    found = sql("json_extract_string({v}, {p})", v=value, p=arguments["path"])
    return sql(
        "CASE WHEN json_valid({v}) THEN CASE WHEN regexp_matches({f}, '^[{[]') OR (regexp_matches({f}, '^-?[0-9]') AND "
        "regexp_matches({v}, {numbers})) OR regexp_matches({v}, {keys}){doubled} THEN "
        "nullif(json_at({v}, {p}, coalesce('=' || {f}, '')), '')[2:] ELSE {f} END END",
        v=value,
        f=found,
        p=arguments["path"],
        numbers=bound(WRITTEN_OTHERWISE, "numbers"),
        keys=bound(ESCAPED_KEYS, "keys"),
        doubled=doubled,
    )


json_value = Function(
    "json(value: text, path: fixed) -> text?",
    'the value at a path such as "$.user.id" of a JSON text, as text; null if absent or no JSON',
    json_as_loaded,
    version=2,
    earlier=json_found,
    examples=(
        ('json("{\\"a\\": {\\"b\\": 3}}", "$.a.b")', "3"),
        ('json("{\\"a\\": 1.50, \\"a\\": 2.50}", "$.a")', "2.50"),
        ('json("oops", "$.a")', None),
    ),
)

matches = Function(
    "matches(value: text, pattern: pattern) -> bool",
    "whether the RE2 pattern matches somewhere in it",
    lambda arguments: matching(arguments["value"], arguments["known"], arguments["hint"]),
    symbol="matches",
    examples=(('"abc" matches r"b."', True),),
)

normalize = Function(
    'normalize(value: text, form: fixed = "NFC") -> text',
    "composed or taken apart by Unicode: NFC, NFD, NFKC or NFKD",
    "normalized_text({value}, {form})",
    examples=(('length(normalize("e\u0301"))', 1), ('normalize("Ａ①", "NFKC")', "A1")),
)
