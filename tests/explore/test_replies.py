"""What real root models reply, case by case: what each is told, and how it ends."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.loop import Told, explore
from rlm_dsl.explore.reply import program_text
from rlm_dsl.explore.session import Session
from rlm_dsl.language.check import Environment
from rlm_dsl.models.request import Answer, Request
from tests.support.cases import accept, corpus_cases
from tests.support.paths import CORPUS
from tests.support.roots import TICKETS, Root
from tests.support.small import calls_of, loaded

REPLIES = CORPUS / "replies.txt"


class Judge:
    """Calls what has money in it billing; told to invent labels, it does."""

    async def answer(self, request: Request) -> Answer:
        text = request.messages[-1].content if len(request.messages) == 2 else request.messages[1].content
        label = "billing" if "money" in text else "other"
        return Answer(json.dumps({"label": "made up" if "invent" in request.messages[0].content else label}))


def reply(text: str) -> Answer:
    flag, _, rest = text.partition(" ")
    match flag.strip():
        case "!empty":
            return Answer("")
        case "!refusal":
            return Answer("", refusal=rest)
        case "!length":
            return Answer(rest, finish="length")
        case "!windows":
            return Answer(rest.replace("\n", "\r\n"))
        case "!mac":
            return Answer(rest.replace("\n", "\r"))
        case _:
            return Answer(text)


@pytest.mark.parametrize("title", corpus_cases(REPLIES))
def test_what_a_reply_is_told_and_how_it_ends(title: str, request: pytest.FixtureRequest) -> None:
    replies, expected = corpus_cases(REPLIES)[title]
    told: list[Told] = []
    with Warehouse(2) as warehouse:
        types = {"tickets": loaded(warehouse, "tickets", TICKETS)}
        session = Session(Runner(warehouse, calls_of(Judge()), NoProgress(), digests=False), Environment(types))
        root = Root([reply(each.strip("\n")) for each in replies.split("\n%%\n")])
        turns = len(replies.split("\n%%\n")) if title == "no answer at all" else 9
        found = explore("How many?", session, root, turns=turns, tell=lambda kind, fields: None, shown=told.append)
    lines = [f"turn {turn.number}\n{turn.observation}" for turn in told]
    got = "\n\n".join([*lines, f"{found.outcome}: {json.dumps(found.value)}"])
    if request.config.getoption("--accept"):
        accept(REPLIES, title, "outcome", got)
        return
    assert got == expected
    assert all(turn.observation.strip() for turn in told), "no turn is silent"
    assert max(prompt.prompt_tokens for prompt in root.prompts) <= 8_000


# ---- what is the program, and what is not ----

MARKS = ["<think>", "</think>", "</thought>", "[THINK]", "[/THINK]", "<|im_end|>", "</s>", "◁/think▷", "[INST]",
         "<|channel|>final<|message|>", "<|channel>thought", "<|end_of_thought|>", "assistantfinal"]  # fmt: skip
QUOTED = ['"{}"', "'{}'", 'r"{}"', "r'{}'", 'r"({})+"', '"{} and \\"{}\\""', '"""\n{}\n"""', "'''{}\n'''", "`{}`"]


@pytest.mark.parametrize("quotes", QUOTED)
@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_in_a_literal_cuts_no_program(mark: str, quotes: str) -> None:
    literal = quotes.replace("{}", mark)
    program = f"a = t | where(body == {literal} and matches(body, {literal}))\nanswer a | group(\n  by={literal},\n)"
    assert program_text(program) == program
    assert program_text(f"```rlm\n{program}\n```") == program
    assert program_text(f"<think>answer 5\n{literal}\nanswer {literal}</think>{program}") == program
    assert program_text(f'The rows have a 5" screen.\n</think>\n```\n{program}\n```<|im_end|>') == program


@pytest.mark.parametrize("path", sorted((CORPUS / "programs").glob("*.rlm")), ids=lambda path: path.stem)
def test_a_program_is_found_whatever_stands_around_it(path: Path) -> None:
    program = path.read_text(encoding="utf-8").strip("\n")
    around = [
        "```rlm\n{}\n```",
        "```\n{}```",
        "~~~\n{}\n~~~\nanswer 5",
        "````\n```\n{}\n```\n````",
        "<think>answer 5</think>\n```\n{}\n```</s>",
        "Let me see.\n```\nanswer 5\n```\n</think>\n```\n{}\n```\nThis is it: it's so.",
        "<|channel|>analysis<|message|>answer 5<|end|><|channel|>final<|message|>\n```\n{}\n```<|return|>",
    ]
    for each in around:
        reply = each.replace("{}", program)
        assert program_text(reply) == program
        assert program_text(reply.replace("\n", "\r\n")) == program
        assert program_text(reply.replace("\n", "\r")) == program


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        ("```\na = t```\n\n```\nSo answer it", "a = t"),
        ("```\na = t```\n```\nanswer a\n```", "a = t\nanswer a"),
        ("```\na = t```\n```rlm\nanswer a", "a = t\nanswer a"),
        ("```\na = t```\nThen:\n```\nanswer a\n", "a = t\nanswer a"),
        ("```\na = t\n``` and then I go on\nanswer 5", "a = t"),
        ("```\na = t | sort(`b c````\nanswer 5", "a = t | sort(`b c`"),
        ("~~~rlm\na = t~~~\nanswer 5", "a = t"),
        ("```rlm\na = t\n", "a = t"),
        ("```rlm a = t\nanswer a", "a = t\nanswer a"),
        ('```rlm title="a = t"\nanswer a\n```', "answer a"),
        ("```sql SELECT 1```", "SELECT 1"),
        ("```tickets``` is the table", ""),
        ("Do not ```answer 5```", ""),
        ("````\n```\na = t\n```\nb = a\n````", "a = t\nb = a"),
        ("`from date` = t | take(1)\nanswer `from date`", "`from date` = t | take(1)\nanswer `from date`"),
        ("`total` = the number of rows", ""),
        ('answer "a\u2028b\x0bc"', 'answer "a\u2028b\x0bc"'),
        ("```\nanswer 'a\x0cb'\n```", "answer 'a\x0cb'"),
        ("<think>\nanswer 5", ""),
        ("answer 5\n</think>", ""),
        ("answer 5\n<think>or not", ""),
        ("analysisA = t\nanswer analysisA", "analysisA = t\nanswer analysisA"),
        ("final = t\nanswer final", "final = t\nanswer final"),
        ("a = t | select(think, thought)\nanswer a | where(x < 5 and think > 3)",
         "a = t | select(think, thought)\nanswer a | where(x < 5 and think > 3)"),
        ("a = t | group(\n  by=[think],\n)\nanswer a", "a = t | group(\n  by=[think],\n)\nanswer a"),
        ("a = t | group(\n  by=\n[think],\n)\nanswer a", "a = t | group(\n  by=\n[think],\n)\nanswer a"),
    ],
)  # fmt: skip
def test_statements_are_run_and_nothing_else_is(reply: str, program: str) -> None:
    assert program_text(reply) == program


@given(st.lists(st.sampled_from(["`", "```", "~~~", "\n", "x", " ", "```rlm", "a = t", '"', "<think>", "</think>"])))
def test_any_reply_is_read(pieces: list[str]) -> None:
    program = program_text("".join(pieces))
    assert program_text(f"<think>{''.join(piece for piece in pieces if piece != '</think>')}") == ""
    assert "think>" not in program or {'"', "`", "```", "```rlm"} & set(pieces), "only a literal holds such a mark"


@pytest.mark.parametrize(
    "piece", ["`", "```", "```\n", "```\nx```\n", "````x", "~~~", "\n", " ", "show t\n", "x = (\n", "<"]
)
@pytest.mark.parametrize("before", ["", "```\n", "<think>"])
def test_a_long_reply_is_read_in_time_that_grows_as_it_does(before: str, piece: str) -> None:
    began = time.process_time()
    for size in (10_000, 90_000):
        program_text(before + piece * (size // len(piece)) + "x")
    assert time.process_time() - began < 10, "a tenth of it is usual; in the square of the length it takes minutes"
