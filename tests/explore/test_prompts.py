"""The root's prompts: each is the one before it with something added, until they do not fit; and turns that run out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from rlm_dsl import api
from rlm_dsl.context.loading import load
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.first_look import first_look, main_text
from rlm_dsl.explore.loop import NoAnswer
from rlm_dsl.explore.prompt import Exchange, Situation, closing, messages
from rlm_dsl.language.types import TEXT, Field, Table
from rlm_dsl.models.request import Message, estimated_tokens
from rlm_dsl.testing import serve
from rlm_dsl.trace.reader import Trace
from tests.support.paths import DOCS

TABLES: Mapping[str, Table] = {"log": Table((Field("text", TEXT),))}


def prompts(turns: int, size: int, limit: int) -> list[tuple[Message, ...]]:
    """The prompts of so many turns, each of which came to `size` words."""
    exchanges: list[Exchange] = []
    found = []
    for number in range(1, turns + 1):
        last = closing(number, turns, "Model calls left: 9.")
        found.append(messages(Situation("How many?", "context log", TABLES, list(exchanges), last), limit))
        seen = " ".join(f"w{number}" for _ in range(size))
        bound = {f"n{n}": f"n{n}: int = {n}" for n in range(1, number + 1)}
        program = "".join(f"n{n} = log | count()\n" for n in range(1, number + 1))
        exchanges.append(Exchange(last, f"n{number} = log | count()", seen, f"line of {number}", program, bound))
    return found


def text_of(prompt: tuple[Message, ...]) -> str:
    return "\n".join(message.content for message in prompt)


def test_a_prompt_is_the_one_before_it_with_something_added() -> None:
    for before, after in pairwise(found := prompts(9, 20, 8_000)):
        assert after[: len(before)] == before and len(after) == len(before) + 2
    assert [message.role for message in found[-1]] == ["system", *["user", "assistant"] * 8, "user"]


def test_what_does_not_fit_is_folded_seldom_and_nothing_of_the_program_is_lost() -> None:
    limit, folds = 4_000, 0
    found = prompts(60, 120, limit)
    for number, (before, after) in enumerate(pairwise(found), 2):
        assert sum(estimated_tokens(message.content) + 4 for message in after) <= limit
        folds += after[: len(before)] != before
        assert f"w{number - 1} w{number - 1}" in text_of(after), "the last turn stands whole"
        if "Your program so far" in text_of(after):
            assert all(f"n{n} = log | count()" in text_of(after) for n in range(1, number))
    assert 3 <= folds <= 20


def test_where_turns_run_out_what_was_bound_last_stands_for_an_answer(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,body\n1,a\n2,b\n3,b\n")
    given = {"model": "m", "store": str(tmp_path / "s.sqlite")}
    with serve(script=["n = t | where(body == 'b') | count()", "show t | take(1)"]) as server:
        found = api.ask(
            "How many?", {"t": tmp_path / "t.csv"}, base_url=server.base_url, turns=2, trace=tmp_path / "x", **given
        )
    assert (found.value, found.not_answered) == (2, 2) and api.verify(tmp_path / "x").ok
    assert Trace.open(tmp_path / "x").header["not_answered"] == 2
    with serve(script=["n = t | count()", "answer n"]) as server:
        given["base_url"] = server.base_url
        assert not api.ask("How many?", {"t": tmp_path / "t.csv"}, turns=2, **given).not_answered


@pytest.mark.parametrize("bound", ["show t | take(1)", "n = 7", "rows = t | where(id > 0)", "x = t | count("])
def test_nothing_stands_for_an_answer_that_rests_on_no_data_or_is_a_whole_table(tmp_path: Path, bound: str) -> None:
    (tmp_path / "t.csv").write_text("id,body\n" + "".join(f"{n},a\n" for n in range(30)))
    with serve(script=[bound]) as server, pytest.raises(NoAnswer):
        given = {"model": "m", "base_url": server.base_url, "store": str(tmp_path / "s.sqlite")}
        api.ask("How many?", {"t": tmp_path / "t.csv"}, turns=1, **given)


PAGE = DOCS / "exploring.md"
PART = re.compile(r"(<!-- generated: prompt -->\n).*?(<!-- end -->)", re.DOTALL)


def test_the_prompt_in_the_page_is_the_programs(request: pytest.FixtureRequest) -> None:
    """The example's first prompt, message by message, as a root model reads it."""
    context = load("tickets", str(DOCS.parent / "examples" / "tickets" / "tickets.csv"))
    with Warehouse(2, contexts=[context]) as warehouse:
        look = first_look("tickets", warehouse.contexts["tickets"], warehouse)
        longest = main_text(warehouse.contexts["tickets"], warehouse)
    question = "How many billing questions did u17, u42 and u88 send?"
    said = closing(1, 20, "Model calls left: 1,000.")
    made = messages(Situation(question, look, {"tickets": context.schema}, [], said, main_text=longest))
    told = "\n\n".join(f"[{message.role}]\n{message.content}" for message in made)
    page = PAGE.read_text(encoding="utf-8")
    wanted = PART.sub(lambda found: f"{found[1]}\n````text\n{told}\n````\n{found[2]}", page)
    if request.config.getoption("--accept"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert page == wanted or request.config.getoption("--accept"), "write it anew: add --accept"
