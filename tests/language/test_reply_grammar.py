"""The grammar of a reply: it takes every program of the corpora and no name that is unknown; what it takes, parses."""

from __future__ import annotations

import random
import re
from pathlib import Path
from statistics import median

import pytest

from benchmarks.reply_grammar import turns
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.check.type_expressions import parse_table_type
from rlm_dsl.language.edit.corrections import corrections_in
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.reply_grammar.notation import NAME, definition, ebnf
from rlm_dsl.language.reply_grammar.replies import reply_grammar
from rlm_dsl.language.reply_grammar.steps import BY_HAND
from rlm_dsl.language.reply_grammar.vocabulary import MADE, NEW, Vocabulary, vocabulary_of
from rlm_dsl.language.syntax.grammar import language
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.scan import scan
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import Table
from tests.support.guidance import Taken
from tests.support.paths import CORPUS, DOCS, EXAMPLES, ROOT
from tests.support.reply_walk import Walk, grammar_of

pytest.importorskip("llguidance")

FILES = [*CORPUS.glob("programs/*.rlm"), *EXAMPLES.glob("*/program.rlm"), *ROOT.glob("traces/*/program.rlm")]
PAGES = {
    path: re.findall(r"^```rlm\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE) for path in DOCS.glob("*.md")
}
PROGRAMS = {
    **{path.relative_to(ROOT).as_posix(): path.read_text() for path in sorted(FILES)},
    **{f"{path.name} {at}": text for path, texts in sorted(PAGES.items()) for at, text in enumerate(texts)},
}
ENVIRONMENT = Environment(
    {
        "tickets": parse_table_type("table(id: int, user: text, sent: date, body: text)"),
        "people": parse_table_type("table(name: text, age: int?, `home town`: text, tags: list[text], paid: bool)"),
    }
)
QUESTION = "How many billing questions did u17 send?"


def names_in(text: str) -> list[str]:
    """The names that stand in a program, those of a pattern's groups too."""
    tokens = scan(text, language()).tokens
    names = [token.text.strip("`") for token in tokens if token.type in ("NAME", "QUOTED_NAME")]
    return [*names, *(name for t in tokens if t.type == "RAW" for name in re.findall(r"\(\?P<(\w+)>", t.text))]


def by_contexts() -> list[list[str]]:
    """The names of programs that declare the same contexts: these have one vocabulary."""
    found: dict[str, list[str]] = {}
    for name, text in PROGRAMS.items():
        found.setdefault(str(contexts_of(text)), []).append(name)
    return list(found.values())


def contexts_of(text: str) -> dict[str, Table]:
    return dict(check(parse(Source("program.rlm", text)), Environment()).environment.contexts)


def without_comments(text: str) -> str:
    """A program as it stands but for its comments, which no reply has, and the lines that were theirs alone."""
    rest = text
    for comment in reversed(scan(text, language()).comments):
        begin = text.rfind("\n", 0, comment.offset) + 1 if comment.own_line else comment.offset
        end = text.find("\n", comment.offset) + comment.own_line
        rest = rest[:begin].rstrip(" ") + rest[end:]
    return rest.strip("\n")


@pytest.mark.parametrize("together", by_contexts(), ids=lambda names: str(names[0]))
def test_every_program_is_taken(together: list[str]) -> None:
    """As it stands, and in its canonical form. Values are corrected by people alone: such a program is refused."""
    contexts = contexts_of(PROGRAMS[together[0]])
    names = dict.fromkeys(name for each in together for name in names_in(PROGRAMS[each]) if name not in contexts)
    taken = Taken(reply_grammar(Vocabulary(contexts, {}, tuple(names), frozenset(contexts)), 24))
    for name in together:
        tree = parse(Source(name, PROGRAMS[name]))
        forms = [without_comments(text) for text in (show(tree), PROGRAMS[name])]
        if any(corrections_in(tree)):
            assert ["correct" in taken.refused(text) for text in forms] == [True, True]
            continue
        needless = re.search(r"`[a-z_]+`", PROGRAMS[name]) is not None  # which the canonical form does not have
        assert [taken.refused(text) for text in forms[: 2 - needless]] == [""] * (2 - needless), name


def test_a_turn_s_names_are_taken_and_no_others() -> None:
    bound = check(parse(Source("t", 'billing = tickets | grep("x", on=body)\nmost = tickets | count()')), ENVIRONMENT)
    taken = Taken(reply_grammar(vocabulary_of(bound.environment, QUESTION), 6))
    for reply in (
        "show billing | take(3)",
        'answer tickets | where(user == "u17" and sent >= @2024-01-31) | count()',
        "questions = billing | group(by=user, n=count()) | sort(-n)\nanswer {first: questions | first(user), of: most}",
        "answer people | where(paid and `home town` is not null) | count_if(age > most)",
        'answer tickets | classify(on=body, labels=["a", "b"], into=name) | where(name == "a") | count()',
    ):
        assert taken(reply), reply
    for reply in (
        "show biling | take(3)",
        "show tickets | where(usr == 1)",
        "show tickets | where(age > 3)",
        "answer people | sum(id)",
        "answer tickets | filter(id > 3)",
        "answer tickets | where(len(body) > 3) | count()",
        "answer tickets | take(rows=3)",
        "made_up = tickets | count()",
        "Let me look at the tickets first.",
        'answer tickets | where(user == "u17"',
        'answer tickets | correct(user, to="u17", where=id == 3)',
        "\n".join(["show tickets"] * 7),
    ):
        assert not taken(reply), reply
    assert not Taken(reply_grammar(vocabulary_of(ENVIRONMENT, models=False)))('answer tickets | keep("x", on=body)')


def test_every_operator_stands_in_it() -> None:
    text = reply_grammar(vocabulary_of(ENVIRONMENT))
    for operator in table_operators().values():
        assert (f'"{operator.name}"' in text) == (operator.name not in BY_HAND)


def test_names_that_operators_make_by_themselves_are_known() -> None:
    made = {p.default for o in table_operators().values() for p in o.parameters if p.name == "into" and p.default}
    assert {name for name in made if isinstance(name, str)} <= {*MADE, *NEW}


def test_nothing_in_it_goes_on_without_end() -> None:
    """No rule leads to itself, and nothing is repeated without a bound."""
    text = reply_grammar(vocabulary_of(ENVIRONMENT, QUESTION))
    rules = dict(definition(line) for line in text.splitlines() if line)
    outside = {name: re.sub(r'"(?:[^"\\]|\\.)*"', "", body) for name, body in rules.items()}
    plain = {name: re.sub(r"\[[^\]]*\]|\\.", "", body) for name, body in outside.items()}
    assert [name for name, body in plain.items() if re.search(r"[*+]|,\}", body)] == []
    leads = {name: [each for each in re.findall(r"\w+", body) if each in rules] for name, body in outside.items()}
    done: dict[str, bool] = {}

    def ends(name: str) -> bool:
        if name not in done:
            done[name] = False
            done[name] = all(map(ends, leads[name]))
        return done[name]

    assert ends("start") and set(done) >= {name for name in rules if NAME.fullmatch(name)}


def drawn(count: int, seed: int) -> tuple[int, int]:
    """Draw so many replies: each is taken, and parses. How many check, and the longest of them."""
    grammar = reply_grammar(vocabulary_of(ENVIRONMENT, QUESTION), 6)
    taken, draw = Taken(grammar), Walk(grammar_of(grammar), random.Random(seed))
    checked, longest = 0, 0
    for number in range(count):
        text = draw.text()
        assert not parsing(text), text
        if number % 20 == 0:
            assert taken(text), taken.refused(text)
        checked += not check(parse(Source("reply", text)), ENVIRONMENT).problems
        longest = max(longest, len(text))
    return checked, longest


def parsing(text: str) -> str:
    from rlm_dsl.common.diagnostics import ProgramError

    try:
        parse(Source("reply", text))
    except ProgramError as failure:
        return str(failure)
    return ""


def test_what_it_takes_parses() -> None:
    assert drawn(120, 1)[0] > 60


@pytest.mark.proof
def test_what_it_takes_parses_ten_thousand_times() -> None:
    checked, longest = drawn(10_000, 2)
    print(f"of 10,000 replies drawn {checked} check; the longest has {longest} characters")
    assert checked > 5_000


def test_a_turn_s_grammar_is_written_quickly_and_is_no_book() -> None:
    """The bounds are lenient, for a machine that is busy; `benchmarks/reply_grammar.py` says what it takes."""
    _, *later = turns()
    assert median(each.seconds for each in later) < 0.04
    assert max(each.signs for each in later) < 250_000


def test_in_ebnf_it_takes_the_same_but_for_what_it_says() -> None:
    text = ebnf(reply_grammar(vocabulary_of(ENVIRONMENT, QUESTION), 3))
    assert text.startswith("# left out: a line that begins with `|`")
    taken = Taken(text, "ebnf")
    counts = "found = tickets | group(by=user, n=count()) | sort(-n)\nanswer found | first(user)"
    assert taken(counts) and taken('answer people | where(`home town` == "Rom") | count()')
    assert not taken("answer peple | count()") and not taken("answer people | where(sent > 3) | count()")
    assert not taken("found = tickets\n  | take(3)")


def test_data_s_names_are_texts_in_it() -> None:
    """Names of data end no literal and begin no rule; those that must not be told are left out."""
    odd = parse_table_type('table(`say "hi" \\\\ | x`: text, `a/b ~ c`: int, secret: text)')
    environment = Environment({"odd": odd})
    taken = Taken(reply_grammar(vocabulary_of(environment, told=lambda name: name != "secret")))
    assert taken('answer odd | where(`a/b ~ c` > 3) | first(`say "hi" \\\\ | x`)')
    assert not taken("answer odd | first(secret)") and not taken("answer odd | first(x)")


def test_the_file_of_terminals_is_what_the_package_ships() -> None:
    told = Path(ROOT / "pyproject.toml").read_text()
    for name in ("rlm.lark", "reply.lark"):
        assert f'"grammar/{name}" = "rlm_dsl/grammar/{name}"' in told
