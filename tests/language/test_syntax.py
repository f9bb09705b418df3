"""The syntax: what parses, what is refused and how, and that the canonical text says the same as the tree."""

from __future__ import annotations

import functools
import time
from collections import Counter
from itertools import pairwise

import lark
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lark import Lark

from rlm_dsl.common.diagnostics import ProgramError, render_all
from rlm_dsl.common.source import Source, Span
from rlm_dsl.language.syntax.grammar import grammar_text, language
from rlm_dsl.language.syntax.literals import spell_text
from rlm_dsl.language.syntax.parse import LIMIT, MOST_PROBLEMS, Prefix, parse, parse_prefix
from rlm_dsl.language.syntax.scan import scan
from rlm_dsl.language.syntax.show import show, show_expression
from rlm_dsl.language.syntax.tokens import CLOSER, OPENER, STATEMENT_WORDS, Token
from rlm_dsl.language.syntax.tree import (
    Applied,
    Argument,
    Between,
    Binary,
    Binding,
    Call,
    Constant,
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
    Pipe,
    Text,
    Tree,
    Unary,
)
from rlm_dsl.language.syntax.walk import walk
from tests.support.cases import accept, corpus_cases
from tests.support.paths import CORPUS
from tests.support.strategies import expressions, mutated, program_like, trees

PROGRAMS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((CORPUS / "programs").glob("*.rlm"))}
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def read(text: str) -> Tree:
    return parse(Source("program.rlm", text))


def read_value(text: str) -> Expression:
    (statement,) = read(f"x = {text}").statements
    assert isinstance(statement, Binding)
    return statement.value


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ProgramError) as caught:
        read(text)
    return tuple(problem.code for problem in caught.value.diagnostics)


def comments(tree: Tree) -> Counter[str]:
    return Counter(comment.text for comment in tree.comments)


def assert_settled(text: str) -> None:
    """The canonical text of `text` means the same, has every comment, and is its own canonical text."""
    tree = read(text)
    canonical = show(tree)
    again = read(canonical)
    assert again == tree
    assert comments(again) == comments(tree)
    assert show(again) == canonical


# ---- single forms ----

A, B, C = Name("a"), Name("b"), Name("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1_000", Number(1000)),
        ("1e6", Number(1000000.0)),
        (r'"a\n\x41\u00e9\U0001F600\0\""', Text('a\nAé😀\0"')),
        (r"'it\'s'", Text("it's")),
        ('"""a "b"\nc"""', Text('a "b"\nc')),
        (r'r"\d\""', Text(r"\d\"", True)),
        ("r'''\\d\n'''", Text("\\d\n", True)),
        ("null", Constant(None)),
        ("@2024-03-01", Moment("2024-03-01")),
        ("@2024-03-01T10:00:00.25", Moment("2024-03-01T10:00:00.25")),
        ("`a``b c`", Name("a`b c")),
        ("matches", Name("matches")),
        ("-a.b?", Unary("-", Maybe(Dot(A, "b")))),
        ("not a == b", Unary("not", Binary("==", A, B))),
        ("a - b - c", Binary("-", Binary("-", A, B), C)),
        ("a or b and c", Binary("or", A, Binary("and", B, C))),
        ("a // b % c", Binary("%", Binary("//", A, B), C)),
        ("a not in [b]", Binary("not in", A, Items((Argument(None, B),)))),
        ("a between b and c and c", Binary("and", Between(A, B, C), C)),
        ("a not between b and c", Between(A, B, C, True)),
        ("a is not null", IsNull(A, True)),
        ("a matches r'x'", Binary("matches", A, Text("x", True))),
        ("list[text]", Applied("list", (Name("text"),))),
        ('enum["a", "b",]', Applied("enum", (Text("a"), Text("b")))),
        ("[b=a, c,]", Items((Argument("b", A), Argument(None, C)))),
        ("{a: b, `c d`: c,}", Entries((Entry("a", B), Entry("c d", C)))),
        ("{'e f': a, answer: b}", Entries((Entry("e f", A), Entry("answer", B)))),
        ("table(a: b?, in: c)", Call("table", (), (Entry("a", Maybe(B)), Entry("in", C)))),
        ("f(a, answer=b, c)", Call("f", (Argument(None, A), Argument("answer", B), Argument(None, C)))),
        ("a | f() | f(b | f())", Pipe(A, (Call("f", ()), Call("f", (Argument(None, Pipe(B, (Call("f", ()),))),))))),
        ("(a | f()).b", Dot(Pipe(A, (Call("f", ()),)), "b")),
    ],
)  # fmt: skip
def test_expression(text: str, tree: Expression) -> None:
    assert read_value(text) == tree
    assert read_value(show_expression(tree)) == tree


def test_statements_end_where_the_next_begins() -> None:
    one_line = read("context t: table(a: int) param p: int param q: text? = null x = t y = x show y answer y")
    assert one_line == read(show(one_line))
    assert [type(statement).__name__ for statement in one_line.statements] == [
        "ContextStatement", "ParamStatement", "ParamStatement", "Binding", "Binding", "Show", "Answer",
    ]  # fmt: skip


def test_an_empty_program() -> None:
    assert read("") == Tree(()) and show(read("\ufeff \n")) == ""
    assert show(read("# only this")) == "# only this\n"


def test_line_ends_of_other_systems() -> None:
    assert_settled("x = a # one\r\n\r\n\r\ny = b\r\n  | f() # two\r\n")


def test_spans_are_exact() -> None:
    text = "x = (a + b) * c | f(k=d.e, {`g h`: i?})"
    (statement,) = read(text).statements
    spelled = [text[node.span.start : node.span.end] for node, _ in walk(statement)]
    assert spelled == [
        text, text[4:], "(a + b) * c", "a + b", "a", "b", "c", "f(k=d.e, {`g h`: i?})", "k=d.e", "d.e", "d",
        "{`g h`: i?}", "{`g h`: i?}", "`g h`: i?", "i?", "i",
    ]  # fmt: skip


def test_names_and_operators_have_places() -> None:
    text = "mine = a not in b | f(k=c.d)"
    (statement,) = read(text).statements
    assert isinstance(statement, Binding) and isinstance(statement.value, Pipe)
    (call,) = statement.value.calls
    head, argument = statement.value.head, call.arguments[0]
    assert isinstance(head, Binary) and isinstance(argument.value, Dot)
    places = [statement.name_span, head.operator_span, call.operator_span, argument.name_span, argument.value.name_span]
    assert [text[place.start : place.end] for place in places] == ["mine", "not in", "f", "k", "d"]


# ---- the corpus ----


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_settles(name: str) -> None:
    assert_settled(PROGRAMS[name])


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_grammar_alone_reads_it(name: str) -> None:
    """The grammar file is whole: a plain Lark takes it, with its own lexer."""
    plain_parser().parse(PROGRAMS[name])


@functools.cache
def plain_parser() -> Lark:
    return Lark(grammar_text(), parser="lalr")


WORDS = sorted(word.lower() for word in STATEMENT_WORDS)


def with_words(text: str, chosen: st.DataObject) -> tuple[str, str]:
    """A program with words of statements for names, bare and in backticks, where those are neither bound nor called."""
    words = [*scan(text, language()).tokens, Token("$END", "", len(text), len(text))]
    bare, quoted, at, depth = "", "", 0, 0
    for word, after in pairwise(words):
        depth += (word.type in CLOSER) - (word.type in OPENER)
        free = after.type not in ("LPAR", "LSQB") and (depth or after.type != "EQUAL")
        if word.type == "NAME" and free and chosen.draw(st.booleans()):
            name = chosen.draw(st.sampled_from(WORDS))
            bare, quoted = f"{bare}{text[at : word.start]}{name}", f"{quoted}{text[at : word.start]}`{name}`"
            at = word.end
    return bare + text[at:], quoted + text[at:]


@given(st.data(), st.sampled_from(sorted(PROGRAMS)))
def test_words_of_statements_are_names_wherever_no_statement_begins(data: st.DataObject, name: str) -> None:
    bare, quoted = with_words(PROGRAMS[name], data)
    tree = read(quoted)
    assert read(bare) == tree == read(show(tree))
    plain_parser().parse(bare)
    for text, unfinished in ((bare, False), (f"{bare}\nlast = x | where(", True)):
        found = parse_prefix(Source("reply", text))
        assert (found.tree.statements, found.unfinished) == (tree.statements, unfinished)


@pytest.mark.parametrize(
    "text",
    [
        "x = answer answer 3",
        "x = a +\nanswer\ny = 3",
        "x = r.show show param",
        "x = r.in answer 3",
        "x = matches answer 3",
        "answer answer",
        "show show\nshow answer\nanswer [answer, show]",
        "x = answer\nanswer (x)",
        "x = y\nanswer -x",
    ],
)
def test_where_a_statement_ends_and_the_next_begins(text: str) -> None:
    """Read alike by the grammar alone, as a whole, and piece by piece."""
    statements = read(text).statements
    assert len(statements) == len(plain_parser().parse(text).children)
    assert parse_prefix(Source("reply", text)).tree.statements == statements
    assert read(show(read(text))).statements == statements


def test_no_two_readings() -> None:
    """An LALR parser takes the first of two: Lark says so to its log alone."""
    with pytest.MonkeyPatch.context() as patch:
        told: list[str] = []
        patch.setattr(lark.logger, "warning", lambda message, *_: told.append(message))
        Lark(grammar_text(), parser="lalr", debug=True)
    assert told == []


ERRORS = CORPUS / "syntax_errors.txt"
LAYOUTS = CORPUS / "layouts.txt"


@pytest.mark.parametrize("title", corpus_cases(ERRORS))
def test_error(title: str, request: pytest.FixtureRequest) -> None:
    program, expected = corpus_cases(ERRORS)[title]
    with pytest.raises(ProgramError) as caught:
        read(program)
    got = render_all(caught.value.diagnostics, caught.value.source)
    if request.config.getoption("--accept"):
        accept(ERRORS, title, "error", got)
    else:
        assert got == expected


@pytest.mark.parametrize("title", corpus_cases(LAYOUTS))
def test_layout(title: str, request: pytest.FixtureRequest) -> None:
    program, expected = corpus_cases(LAYOUTS)[title]
    got = show(read(program)).rstrip("\n")
    assert_settled(program)
    if request.config.getoption("--accept"):
        accept(LAYOUTS, title, "canonical", got)
    else:
        assert got == expected


# ---- hostile and long texts ----


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("x = " + "(" * 10_000 + "a" + ")" * 10_000, ("S10",)),
        ("x = " + "[" * 10_000, ("S10",)),
        ("x = " + "not " * 10_000 + "a", ("S10",)),
        ("x = " + "a + " * 10_000 + "a", ("S10",)),
        ("x = a" + ".b" * 10_000, ("S10",)),
        ("x = " + "f(" * (LIMIT + 1) + "a" + ")" * (LIMIT + 1), ("S10",)),
        ("x = " + "9" * 5000, ("S04",)),
        ("x = 1e999", ("S04",)),
        ("x = 'a\0b'", ("S06",)),
        ("\0", ("S06",)),
        ("x = '\ud800'", ("S06",)),
        ("x = a \ud800", ("S06",)),
        ("x = a\u00a0+ b", ("S06",)),
        ("x = {'a\\nb': 1}", ("S08",)),
        ("x = `a", ("S02",)),
        ("x = '''a", ("S02",)),
        ("; " * 1000, ("S07",) * MOST_PROBLEMS),
        ("x = )\n" * 1000, ("S09",) * MOST_PROBLEMS),
    ],
)
def test_hostile_text(text: str, codes: tuple[str, ...]) -> None:
    assert problems(text) == codes


def test_nesting_up_to_the_limit() -> None:
    """The deepest program allowed is compared and shown without trouble."""
    for before, after in (("f(", ")"), ("[", "]"), ("{a: ", "}"), ("- (", ")"), ("", " + a"), ("a and (", ")")):
        assert_settled("x = " + before * (LIMIT - 1) + "a" + after * (LIMIT - 1))


def test_a_long_program_is_quick() -> None:
    text = "\n".join(f"step_{n} = t | where(a == {n} and b in [1, 2]) | group(by=a, n=count())" for n in range(1000))
    language()
    start = time.process_time()
    tree = read(text)
    assert len(tree.statements) == 1000
    assert time.process_time() - start < 2


# ---- replies that were cut off ----


def prefix(text: str) -> Prefix:
    return parse_prefix(Source("reply", text))


def test_a_whole_reply() -> None:
    whole = prefix("x = a\nanswer x\n# done")
    assert whole == Prefix(read("x = a answer x"), (), False, len("x = a\nanswer x"))


CUTS = [
    "answer x | cou",
    "answer f(x",
    'answer "abc',
    "answer",
    "y",
    "y = @2024-0",
    "y = x ==",
    "y = f(a and b =",
    "y = x !",
]


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_reply_loses_its_last_statement(cut: str) -> None:
    found = prefix(f"x = a # one\n{cut}")
    assert found == Prefix(read("x = a"), (), True, len("x = a"))


def test_a_fault_is_not_a_cut() -> None:
    found = prefix("x = a\ny = x | count\nanswer y")
    assert found.tree == read("x = a") and not found.unfinished
    assert [problem.code for problem in found.problems] == ["S13"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_cut_of_a_program(name: str) -> None:
    text = PROGRAMS[name]
    whole = read(text).statements
    for end in range(0, len(text), 7):
        found = prefix(text[:end])
        count = len(found.tree.statements)
        assert found.problems == ()
        assert found.tree.statements[: count - 1] == whole[: max(0, count - 1)]


# ---- laws ----


@RELAXED
@given(trees())
def test_parse_undoes_show(tree: Tree) -> None:
    text = show(tree)
    assert read(text) == tree
    assert show(read(text)) == text


@RELAXED
@given(st.text(alphabet='ab "\\\n\t', max_size=20), st.integers(0, 5))
def test_long_texts_are_read_as_they_are_spelled(text: str, quotes: int) -> None:
    text = "words and" * 7 + "\n" + text + '"' * quotes
    assert read_value(spell_text(Text(text, False, Span(0, 0)))) == Text(text, False, Span(0, 0))


@pytest.mark.proof
@settings(parent=RELAXED, max_examples=5000)
@given(trees())
def test_parse_undoes_show_in_thousands(tree: Tree) -> None:
    text = show(tree)
    assert read(text) == tree
    assert show(read(text)) == text


@RELAXED
@given(expressions(40))
def test_parse_undoes_show_expression(expression: Expression) -> None:
    assert read_value(show_expression(expression)) == expression


def commented(data: st.DataObject, text: str) -> str:
    """`text` with comments, on lines of their own or not, and blank lines put before some of its words."""
    starts = [word.start for word in scan(text, language()).tokens if word.text != "//"] + [len(text)]
    chosen = data.draw(st.lists(st.sampled_from(starts), unique=True, max_size=6))
    for number, at in enumerate(sorted(chosen, reverse=True)):
        note = data.draw(st.sampled_from([" # {}\n", "\n# {}\n", "\n\n# {}\n\n", "\n#{}\n# again\n", "\n\n"]))
        text = text[:at] + note.format(number) + text[at:]
    return text


@RELAXED
@given(st.data(), st.sampled_from(sorted(PROGRAMS)))
def test_comments_are_kept(data: st.DataObject, name: str) -> None:
    text = commented(data, PROGRAMS[name])
    assert read(text) == read(PROGRAMS[name])
    assert_settled(text)


@RELAXED
@given(st.data(), trees())
def test_comments_are_kept_anywhere(data: st.DataObject, tree: Tree) -> None:
    text = commented(data, show(tree))
    assert read(text) == tree
    assert_settled(text)


@pytest.mark.proof
@settings(parent=RELAXED, max_examples=5000)
@given(st.data(), trees())
def test_comments_are_kept_anywhere_in_thousands(data: st.DataObject, tree: Tree) -> None:
    assert_settled(commented(data, show(tree)))


def assert_tree_or_problems(text: str) -> None:
    source = Source("program.rlm", text)
    try:
        parse(source)
    except ProgramError as error:
        assert error.diagnostics
        assert all(0 <= problem.span.start <= problem.span.end <= len(text) for problem in error.diagnostics)
    else:
        assert_settled(text)
    parse_prefix(source)


ANY_TEXT = st.one_of(program_like(), mutated(tuple(PROGRAMS.values())), st.text())


@RELAXED
@given(ANY_TEXT)
@example("x = " + "(" * 500)
def test_any_text_gives_a_tree_or_problems(text: str) -> None:
    assert_tree_or_problems(text)


@pytest.mark.proof
@settings(parent=RELAXED, max_examples=20_000)
@given(ANY_TEXT)
def test_any_text_gives_a_tree_or_problems_in_thousands(text: str) -> None:
    assert_tree_or_problems(text)


def test_a_problem_has_its_place() -> None:
    with pytest.raises(ProgramError) as caught:
        read("x = a\ny = b | count\n")
    (problem,) = caught.value.diagnostics
    assert problem.span == Span(14, 19)
