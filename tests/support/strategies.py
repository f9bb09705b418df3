"""Hypothesis strategies: trees that the language can spell, and texts that look like programs.

In: nothing. Out: strategies. Law: every tree from `trees()` has a spelling that parses to an equal tree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import strategies as st

from rlm_dsl.language.syntax.literals import LARGEST_INT, spell_text
from rlm_dsl.language.syntax.tree import (
    Answer,
    Applied,
    Argument,
    Between,
    Binary,
    Binding,
    Call,
    Constant,
    ContextStatement,
    Dot,
    Entries,
    Entry,
    Expression,
    IsNull,
    Items,
    Maybe,
    Moment,
    Name,
    Number,
    ParamStatement,
    Pipe,
    Show,
    Statement,
    Text,
    Tree,
    Unary,
)
from rlm_dsl.language.types import RESERVED

OPERATORS = [*"or and == != < <= > >= in matches + - * / // %".split(), "not in"]
PLAIN = ["a", "body", "text", "count", "left", "n_2", "_x", "on", "if", "from", "r", "f"]
RESERVED_WORDS = sorted(RESERVED)
FRAGMENTS = [
    *"context param show answer and or not in between is matches true false null".split(),
    *"| = : , . ? + - * / // % == != < <= > >= ( ) [ ] { }".split(),
    *"&& || ! |> := <> => -> ; ``` -- /* $ \\ ** :: ?? ~ ^ @".split(),
    *"a b where count table list enum None SELECT lambda for if let return import x.y f( g() [0]".split(),
    *"1 0.5 1e6 1e999 007 1_0 1_ 12px .5 2024-03-01 @2024-03-01 @2024-13-01".split(),
    *r"""'b' "a" "open '"' "\d" r"\d" "\ud800" f"{x}" “x” `odd` `open""".split(),
    *["9" * 5000, "'''", '"""', '"""c\nd"""', "`odd name`", "\n", "\n\n", "  ", "\t", "\r\n", "# note\n"],
    *["\0", "\ud800", "\u00a0", "\ufeff", "é", "日本", "🙂"],
]


def names() -> st.SearchStrategy[str]:
    """Plain names mostly; now and then a reserved word or one that needs backticks."""
    odd = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
    awkward = st.sampled_from([*RESERVED_WORDS, "None", "True", "`", "``a", "a b", "größe"])
    return st.one_of(st.sampled_from(PLAIN), st.sampled_from(PLAIN), awkward, odd)


def texts() -> st.SearchStrategy[Text]:
    spelled = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    prose = st.lists(st.text("ab\"'\\ ", max_size=40), max_size=4).map("\n".join)
    raw = st.one_of(st.text("ab\"'\\d(|)\n ", max_size=12), spelled.filter(lambda text: "\0" not in text))
    raws = raw.map(lambda value: Text(value, True)).filter(lambda text: spell_text(text).startswith("r"))
    return st.one_of(spelled.map(Text), prose.map(Text), raws)


def moments() -> st.SearchStrategy[Moment]:
    return st.one_of(st.dates(), st.datetimes()).map(lambda when: Moment(when.isoformat()))


def leaves() -> st.SearchStrategy[Expression]:
    floats = st.floats(0, allow_infinity=False, allow_nan=False).map(math.fabs)
    numbers = st.one_of(st.integers(0, LARGEST_INT), floats).map(Number)
    constants = st.sampled_from([True, False, None]).map(Constant)
    return st.one_of(names().map(Name), numbers, texts(), moments(), constants)


def _arguments(values: st.SearchStrategy[Expression]) -> st.SearchStrategy[tuple[Argument, ...]]:
    return st.lists(st.builds(Argument, st.none() | names(), values), max_size=4).map(tuple)


def _entries(values: st.SearchStrategy[Expression]) -> st.SearchStrategy[tuple[Entry, ...]]:
    return st.lists(st.builds(Entry, names(), values), max_size=4).map(tuple)


def _calls(values: st.SearchStrategy[Expression]) -> st.SearchStrategy[Call]:
    operators = st.sampled_from(["where", "count", "f", "if", "text"])
    columns = _entries(values).filter(bool)
    return st.one_of(
        st.builds(Call, operators, _arguments(values)),
        st.builds(Call, st.just("table"), st.just(()), columns),
    )


def _inner(values: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    calls = _calls(values)
    return st.one_of(
        calls,
        st.builds(Pipe, values, st.lists(calls, min_size=1, max_size=4).map(tuple)),
        st.builds(Items, _arguments(values)),
        st.builds(Entries, _entries(values)),
        st.builds(Unary, st.sampled_from(["-", "not"]), values),
        st.builds(Binary, st.sampled_from(OPERATORS), values, values),
        st.builds(Between, values, values, values, st.booleans()),
        st.builds(IsNull, values, st.booleans()),
        st.builds(Dot, values, names()),
        st.builds(Applied, st.sampled_from(["list", "enum"]), st.lists(values, min_size=1, max_size=3).map(tuple)),
        st.builds(Maybe, values),
    )


def expressions(leaf_count: int = 20) -> st.SearchStrategy[Expression]:
    return st.recursive(leaves(), _inner, max_leaves=leaf_count)


def statements() -> st.SearchStrategy[Statement]:
    values = expressions()
    return st.one_of(
        st.builds(ContextStatement, names(), values),
        st.builds(ParamStatement, names(), values, st.none() | values),
        st.builds(Binding, names(), values),
        st.builds(Show, values),
        st.builds(Answer, values),
    )


def trees() -> st.SearchStrategy[Tree]:
    return st.lists(statements(), max_size=5).map(lambda found: Tree(tuple(found)))


def program_like() -> st.SearchStrategy[str]:
    """Words of the language and of its neighbours in any order."""
    blanks = st.sampled_from(["", " ", " ", "\n"])
    return st.lists(st.tuples(st.sampled_from(FRAGMENTS), blanks), max_size=30).map(
        lambda pairs: "".join(word + blank for word, blank in pairs)
    )


@st.composite
def mutated(draw: st.DrawFn, programs: Sequence[str]) -> str:
    """A program with a few slices cut out, doubled or replaced by other words."""
    text = draw(st.sampled_from(list(programs)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        patch = draw(st.one_of(st.just(""), st.just(text[start:end] * 2), st.sampled_from(FRAGMENTS)))
        text = text[:start] + patch + text[end:]
    return text
