"""What real root models reply, case by case: what each is told, and how it ends."""

from __future__ import annotations

import json

import pytest

from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.loop import Told, explore
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
        turns = len(replies.split("\n%%\n")) - 1 if title == "no answer at all" else 9
        found = explore("How many?", session, root, turns=turns, tell=lambda kind, fields: None, shown=told.append)
    lines = [f"turn {turn.number}\n{turn.observation}" for turn in told]
    got = "\n\n".join([*lines, f"{found.outcome}: {json.dumps(found.value)}"])
    if request.config.getoption("--accept"):
        accept(REPLIES, title, "outcome", got)
        return
    assert got == expected
    assert all(turn.observation.strip() for turn in told), "no turn is silent"
    assert max(prompt.prompt_tokens for prompt in root.prompts) <= 8_000
