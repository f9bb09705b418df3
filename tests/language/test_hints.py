"""What problems advise, run: each call that a hint names stands in the language and checks where it would be written.

In: every hint of the corpora of wrong programs and of the tables of other languages' words. Out: nothing but a verdict.
Law: a placeholder of a hint (`col`, `n`, `..`) is filled in; nothing else of it is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest

from rlm_dsl.common.diagnostics import Diagnostic, ProgramError
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check, habits
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.types import DATE, INT, TEXT, Nullable, table
from tests.support.cases import corpus_cases
from tests.support.paths import CORPUS

TICKETS = table(id=INT, user=TEXT, sent=DATE, body=TEXT, note=Nullable(TEXT))
TYPES = ("text", "int", "date", "timestamp", "list[text]", "text?", "float")
COLUMNS = ("col", "x", "y", "a", "b", "c", "id", "user", "body", "note", "key", "expr", "old", "part")
BOUND = dict.fromkeys(("n", "m", "start", "count", "size", "before", "low", "amount", "value", "hours"), "1")
BOUND |= {"high": "2", "total": "2", "separator": '","', "format": '"%Y"', "new": '"x"'}
DEFAULTS = {"text": '"x"', "text?": '"x"', "date": "@2024-03-01", "timestamp": "@2024-03-01T10:00:00"}
OF_TABLES, OF_VALUES = ("answer t | {}", "answer {}"), ("answer t | derive(zz={})", "answer t | group(by=key, zz={})")
SIGNATURES = re.compile(r"^usage: |^the data: context ")  # they tell a form, not something to write
OPEN = re.compile(r"(?<=[(=])\.\.\.?(?=[,)])|(?<=, )\.\.\.?(?=[,)])")  # `..` or `...` as an argument
FORMS_ALONE = {"operator(arguments)", "summarize()"}  # the parser, which knows no operators, tells the form of a step


def hints() -> dict[str, str]:
    """Every hint with the title of a case that gives it."""
    found = {
        hint: title
        for corpus in ("errors.txt", "syntax_errors.txt", "errors_to_improve/errors.txt")
        for title, (_, expected) in corpus_cases(CORPUS / corpus).items()
        for hint in re.findall(r"= hint: (.*)", expected)
    }
    for words in (habits.OPERATORS, habits.FUNCTIONS, habits.TYPES, habits.ARGUMENTS, habits.CHOICES):
        found |= {written: word for word, written in words.items()}
    return {hint: title for hint, title in found.items() if not SIGNATURES.search(hint)}


def calls(hint: str) -> Iterator[str]:
    """The calls that stand in a hint: `name(` up to the bracket that closes it, quotes respected."""
    read_to = 0
    for begun in re.finditer(r"(?<![\w.])[a-z_]\w*\(", hint):
        if begun.start() >= read_to:
            read_to = end_of_call(hint, begun.end())
            yield hint[begun.start() : read_to]


def end_of_call(text: str, at: int) -> int:
    depth = 1
    for part in re.finditer(r"""r"[^"]*"|"(?:\\.|[^"])*"|[()\[\]{}]""", text[at:]):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(part[0], 0)
        if not depth:
            return at + part.end()
    raise AssertionError(f"a call without an end in the hint: {text}")


def filled(call: str) -> Iterator[str]:
    """What a reader would write for a call's placeholders, one form after another."""
    call = re.sub(r"\[\.\.\.?\]", '["a", "b"]', call).replace("[cols]", "[key]")
    call = re.sub(r"\btype\b", "text", call)
    call = re.sub(r"labels=\.\.", 'labels=["a", "b"]', call)
    call = re.sub(r"by=\.\.\.?", "by=key", call)
    if re.search(r"(?<![\"'])\.\.\.?(?![\"'])", call):
        for content in ("", "x", "id", 'r"x"', "x > 1", "n=count()", "other, on=id"):
            yield OPEN.sub(content.replace("\\", r"\\"), call).replace("(, ", "(")
    yield call


@cache
def environments(type_: str) -> tuple[Environment, ...]:
    """Contexts with each column that hints speak of, with fewer, and with one text."""
    whole, without_part = (", ".join(f"{name}: {type_}" for name in names) for names in (COLUMNS, COLUMNS[:-1]))
    one_text = f"table(id: {type_}, body: {type_}, condition: bool, key: text)"
    texts = (f"table({whole}, condition: bool)", f"table({without_part})", one_text, one_text.replace("body", "Body"))
    tables = [table for table in map(parse_table_type, texts) if table is not None]
    assert len(tables) == len(texts)
    return tuple(Environment({"t": table, "other": table, "x": table}) for table in tables)


def checks(program: str, type_: str) -> bool:
    named = set(re.findall(r"\w+", program))
    bound = {**BOUND, "default": DEFAULTS.get(type_, "1")}
    lines = [f"{name} = {value}" for name, value in bound.items() if name in named]
    try:
        tree = parse(Source("p", "\n".join([*lines, program])))
    except ProgramError:
        return False
    return any(
        not any(problem.severity == "error" for problem in check(tree, environment).problems)
        for environment in environments(type_)
    )


def stands(call: str) -> bool:
    forms = (*OF_TABLES, OF_VALUES[1]) if call.split("(")[0] in table_operators() else OF_VALUES
    return any(checks(form.format(program), type_) for program in filled(call) for form in forms for type_ in TYPES)


def test_every_call_that_a_hint_advises_checks() -> None:
    advised = {call: hint for hint in hints() for call in calls(hint) if call not in FORMS_ALONE}
    assert len(advised) > 150
    assert {call: hint for call, hint in advised.items() if not stands(call)} == {}


@pytest.mark.parametrize("ghost", ["squish(col)", "take(col)", "group(col=by)", 'split(x, ",", 3)', "count(x, y)"])
def test_a_call_that_the_language_does_not_take_is_noticed(ghost: str) -> None:
    assert list(calls(f"write {ghost}, or nothing")) == [ghost] and not stands(ghost)


def test_a_name_that_is_meant_mends_its_problem() -> None:
    """`did you mean` in place of what was written: that problem is gone."""
    mended = 0
    for program, _ in corpus_cases(CORPUS / "errors.txt").values():
        for problem in problems_of(program):
            for meant in re.findall(r"did you mean `([^`]+)`", " ".join(problem.hints)):
                written = program[: problem.span.start] + meant + program[problem.span.end :]
                assert problem.message not in {each.message for each in problems_of(written)}, (program, meant)
                mended += 1
    assert mended >= 6


def problems_of(program: str) -> tuple[Diagnostic, ...]:
    try:
        return check(parse(Source("p", program)), Environment({"tickets": TICKETS})).problems
    except ProgramError as refused:
        return refused.diagnostics
