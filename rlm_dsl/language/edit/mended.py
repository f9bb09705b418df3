"""A program that does not check, mended as its problems say: what can be sent as it stands.

In: a program's text, what is bound. Out: a text that checks, or None. Law: each edit is one that a problem's own hint
names, and is kept only where it leaves less wrong; what comes of it is checked whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlm_dsl.common.diagnostics import Diagnostic
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.edit.from_sql import from_sql
from rlm_dsl.language.operators.core.registry import functions, table_operators
from rlm_dsl.language.syntax.parse import parse_prefix
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import quoted_name

MOST = 8
"""Edits of one program."""
TRIED = 60
"""Texts that are checked on the way."""
CONSTANT = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|(?<![\w.])\d+(?:\.\d+)?(?![\w.])")
WORD = re.compile(r"""`[^`]*`|[\w.]+|"[^"]*"|'[^']*'""")
LONGEST = 2_000
"""Characters of a program that is mended: it is checked once an edit."""
Wrong = tuple[int, int, int]
"""How much is wrong with a text: whether its form is, problems, and how much of it stands before the first."""

NEAREST = re.compile(r"^did you mean `([^`]+)`\?$")
TABLE = re.compile(r"^the table is called `.*`; write `(.*) \| \.\.\.`$")
TEXT = re.compile(r'^(?:for the text itself write|write) (".*")$')
CALLED = re.compile(r"\b(?:write |: |\| )([a-z_]\w*)\(")
AS_WRITTEN = re.compile(r"^write (?:it bare: |the (?:name bare|number): )?`?([^`\s]+)`?$")
SIGNS = re.compile(r"^to compare, write two signs")
PIPED = re.compile(r"^pipe one into it: (.*) \| ")
NAMED_ANEW = re.compile(r"^use another name, such as (\w+)")
OTHERS = re.compile(r"""(?<![=!<>])=(?!=)""")
METHOD = re.compile(r"(?<=[\w`)\]])\.(?=[A-Za-z_]\w*\()")
COLUMN = re.compile(r"^([\w`]+)\[\s*[\"'](\w+)[\"']\s*\]$")
CHOSEN = re.compile(r"^([\w`]+)\[(.+)\]$", re.DOTALL)
COUNTED = re.compile(
    r"(?:\|\s*count\(\s*|\bcount\(\s*(?P<table>[\w`]+)\s*,\s*)(?P<where>[^()]*(?:\([^()]*\))?[^()]*[=<>][^()]*)\)"
)
"""A condition within `count`."""
SYMBOLS = {"&&": "and", "&": "and", "||": "or", "|>": "|", "%>%": "|", ":=": "=", "===": "==", "!==": "!=", "<>": "!="}


def mended(text: str, environment: Environment) -> str | None:
    """The text with its problems mended, laid out as programs are; None where one is left, or a constant would be
    lost."""
    if len(text) > LONGEST:
        return None
    if (read := from_sql(text, environment)) is not None:
        text = read
    found = search(text, environment, {text}, MOST)
    told = None if found is None else laid_out(found)
    return told if told is not None and all(each in told for each in constants(text)) else None


def search(text: str, environment: Environment, tried: set[str], most: int) -> str | None:
    """The first text without a problem, edit by edit; each leaves less wrong than there was."""
    found = problems(text, environment)
    if not found or most == 0:
        return None if found else text
    wrong = how_wrong(text, found, environment)
    for new in edits(text, found[0], environment):
        if new in tried or len(tried) > TRIED:
            continue
        tried.add(new)
        if less(new, wrong, environment) and (whole := search(new, environment, tried, most - 1)) is not None:
            return whole
    return None


def constants(text: str) -> set[str]:
    """The texts and numbers that stand in a program."""
    return {found.strip("\"'") for found in CONSTANT.findall(text)}


def laid_out(text: str) -> str | None:
    prefix = parse_prefix(Source("reply", text))
    return None if prefix.unfinished or not prefix.tree.statements else show(prefix.tree).strip("\n")


def problems(text: str, environment: Environment) -> list[Diagnostic]:
    """What is wrong with a text: with its form, else with its meaning."""
    prefix = parse_prefix(Source("reply", text))
    return list(prefix.problems or check(prefix.tree, environment).problems)


def how_wrong(text: str, found: list[Diagnostic], environment: Environment) -> Wrong:
    form = bool(parse_prefix(Source("reply", text)).problems)
    return int(form), len(found), min((len(text) - problem.span.start for problem in found), default=0)


def less(text: str, wrong: Wrong, environment: Environment) -> bool:
    found = problems(text, environment)
    return not found or how_wrong(text, found, environment) < wrong


def edits(text: str, problem: Diagnostic, environment: Environment) -> Iterator[str]:
    """What the problem's hints and its place suggest, the likeliest first."""
    start, end = problem.span.start, problem.span.end
    written = text[start:end]

    def put(new: str) -> str:
        return text[:start] + new + text[end:]

    for hint in problem.hints:
        for pattern in (NEAREST, TABLE, TEXT):
            if found := pattern.match(hint):
                yield put(quoted(found[1]) if pattern is NEAREST else found[1])
        if SIGNS.match(hint):
            yield text[:start] + OTHERS.sub("==", text[start:], count=1)
        if (found := PIPED.match(hint)) and (opening := re.compile(r"\s*\(\s*").match(text, end)):
            yield text[:start] + f"{found[1]} | " + text[start:]
            more = "" if text[opening.end() :].startswith(")") else ", "
            yield text[: opening.end()] + found[1] + more + text[opening.end() :]
        if found := NAMED_ANEW.match(hint):
            yield text[:start] + re.sub(rf"\b{re.escape(written)}\b", found[1], text[start:])
        if (found := AS_WRITTEN.match(hint)) and WORD.fullmatch(written):
            yield put(found[1])
        if "small letters" in hint:
            yield put(written.lower())
        if hint.startswith("leave "):
            yield put("")
        for name in CALLED.findall(hint) if WORD.fullmatch(written) else ():
            if name in table_operators() or name in functions():
                yield put(name)
    yield from by_its_look(text, start, end, environment)


def by_its_look(text: str, start: int, end: int, environment: Environment) -> Iterator[str]:
    """Habits of other languages, by how they look."""
    written, tables = text[start:end], list(environment.contexts)
    if written in SYMBOLS:
        yield text[:start] + SYMBOLS[written] + text[end:]
    if METHOD.search(text):
        yield METHOD.sub(" | ", text)
    if found := COLUMN.match(written):
        yield text[:start] + f"{found[1]} | values({found[2]})" + text[end:]
    if found := CHOSEN.match(written):
        yield text[:start] + f"{found[1]} | where({found[2]})" + text[end:]
    if written == "*":
        yield text[:start] + text[end:]
    if re.match(r"\s*is\s*$", text[:start][-4:]) or text[:start].rstrip().endswith(" is"):
        yield re.sub(r"\bis\s*$", "== ", text[:start]) + text[start:]
    if (order := re.search(r"([\w`]+)\s+(?:desc|DESC|descending)\b", text)) is not None:
        yield f"{text[: order.start()]}-{order[1]}{text[order.end() :]}"
    if found := re.fullmatch(r"\s*@?(\d{4}-\d\d-\d\d)\s*", written.strip("\"'")):
        yield text[:start] + f"@{found[1]}" + text[end:]
    if (date := re.search(r"[\"'](\d{4}-\d\d-\d\d)[\"']", text)) is not None:
        yield f"{text[: date.start()]}@{date[1]}{text[date.end() :]}"
    if (number := re.search(r"[\"'](\d+(?:\.\d+)?)[\"']", written)) is not None:
        yield text[:start] + written.replace(number[0], number[1], 1) + text[end:]
    if (counted := COUNTED.search(text)) is not None:
        table = f"{counted['table']} " if counted["table"] else ""
        yield f"{text[: counted.start()]}{table}| where({counted['where']}) | count(){text[counted.end() :]}"
    bare = re.match(r"[\w`]+\s*\|", text[start:])
    if bare and len(tables) and not re.match(r"\s*(?:show|answer)\b|\s*[\w`]+\s*=", text[start:]):
        yield f"{text[:start]}answer {text[start:]}"


def quoted(name: str) -> str:
    """A name as programs write it; a call's or a pattern's as it is."""
    return name if not re.fullmatch(r"[^`()|]+", name) else quoted_name(name)
