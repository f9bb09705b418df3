"""Every family of servers, played: rows, typed answers, trees and root turns come out right, whatever is refused.

In: the personas of `rlm_dsl.testing`. Out: nothing but a verdict. Law: finding out how a server wants to be asked costs
a few refused requests once; a second run with the same store costs none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import rlm_dsl
from rlm_dsl.models.settings import Server as Address
from rlm_dsl.testing import serve
from rlm_dsl.testing.persona import personas_by_name
from rlm_dsl.testing.server import Server

LABELS = ("billing", "technical", "account")
ROWS = 200
FEW = 6
AT_ONCE = 16
MOST_TRIED = 5
"""Requests that finding out about a server may cost for one step, however many are asked at once; a server's troubles
come on top."""
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "openai-reasoning": {"temperature": 0, "max_tokens": 500},
    "litellm": {"temperature": 0},
    "xai": {"presence_penalty": 0.5},
    "mistral": {"max_tokens": 500},
}
"""What a user of such a server may well have set."""
PROGRAM = """\
fine = log | keep(on=text, "Does it speak of a number?")
found = log | ask("What is said?", on=text, returns={number: int, who: text?, tags: list[text]})
whole = log | reduce(on=text, "Sum it up in a line.", returns={line: text})
answer {kept: count(fine), numbers: found | sum(number), known: found | where(who is not null) | count(), whole: whole}
"""
TURNS = ["I look first.\n```\nshow log | take(2)\n```", "```\nanswer log | count()\n```"]


def text(number: int) -> str:
    return f"ticket {number}: it does not work"


def gold(shown: str, schema: Any) -> dict[str, Any] | None:
    """What is known of a row, and of the texts of a tree."""
    if "result" in schema.get("properties", {}):
        return {"result": {"line": "a line"}}
    head, _, rest = shown.partition(": ")
    number = head.removeprefix("ticket ")
    if rest != "it does not work" or not number.isdigit():
        return None
    n = int(number)
    who = f"u{n}" if n % 2 else None
    return {"label": LABELS[n % 3], "holds": n % 3 > 0, "number": n, "who": who, "tags": ["a", "b"][: n % 3]}


def log(folder: Path, rows: int) -> dict[str, str]:
    path = folder / f"log{rows}.txt"
    path.write_text("".join(f"{text(n)}\n" for n in range(rows)))
    return {"log": str(path)}


def served(name: str, **more: Any) -> Server:
    return serve(gold=gold, script=TURNS, persona=name, key="key-of-a-test-0001", **more)


def options(name: str, server: Server, folder: Path, **more: Any) -> dict[str, Any]:
    persona = personas_by_name()[name]
    address = Address(server.base_url, key_header=persona.key_header, query=persona.query)
    return {
        "model": "m",
        "base_url": server.base_url,
        "api_key": "key-of-a-test-0001",
        "servers": (address,),
        "store": str(folder / "s.sqlite"),
        "parameters": PARAMETERS.get(name, {}),
        "concurrency": AT_ONCE,
        **more,
    }


def extra(name: str) -> int:
    """Requests more than the rows that a server may be sent: to find out how to ask, and for its troubles."""
    return MOST_TRIED + len(personas_by_name()[name].troubles)


TABLE = re.compile(r"^\| `([\w-]+)` \|.*\| (.*) \|$", re.MULTILINE)
FORMS = {"json_schema": "schema", "json_object": "JSON mode"}


def documented() -> dict[str, str]:
    """How each persona is asked, by the table in docs/models.md."""
    return dict(TABLE.findall(Path("docs/models.md").read_text(encoding="utf-8")))


def asked_by(body: Mapping[str, Any]) -> str:
    """How a request asks, in the table's words."""
    if "grammar" in body:
        return "grammar"
    form = (
        "grammar"
        if "structured_outputs" in body
        else "tool"
        if "tools" in body
        else FORMS.get(body.get("response_format", {}).get("type"), "words")
    )
    head = body["messages"][0]
    in_words = form in ("schema", "tool") and "JSON Schema" in head["content"]
    more = [
        "told in words too" if in_words else "",
        "system words in the user's" if head["role"] == "user" else "",
        "`max_tokens`" if "max_tokens" in body else "",
    ]
    return ", ".join([form, *filter(None, more)])


def test_the_table_in_the_docs_is_of_these_personas() -> None:
    assert set(documented()) == set(personas_by_name())


CLASSIFY = f'answer log | classify(on=text, {list(LABELS)}, into=topic, guide="Which?")'.replace("'", '"')


@pytest.mark.parametrize("name", personas_by_name())
def test_200_rows_are_classified_right_to_the_row(name: str, tmp_path: Path) -> None:
    context = log(tmp_path, ROWS)
    with served(name) as server:
        found = rlm_dsl.run(CLASSIFY, context, **options(name, server, tmp_path))
        topics = [row["topic"] for row in found.value]
        assert topics == [LABELS[n % 3] for n in range(ROWS)]
        assert server.calls <= ROWS + extra(name), server.stats()
        assert asked_by(server.requests[-1].body) == documented()[name]
        before = server.calls
        again = rlm_dsl.run(CLASSIFY, context, **options(name, server, tmp_path))
        assert again.value == found.value and server.calls == before


@pytest.mark.parametrize("name", personas_by_name())
def test_typed_answers_trees_and_a_root_come_out_right(name: str, tmp_path: Path) -> None:
    context = log(tmp_path, FEW)
    with served(name) as server:
        found = rlm_dsl.run(PROGRAM, context, **options(name, server, tmp_path))
        assert found.value["kept"] == 4 and found.value["numbers"] == 15 and found.value["known"] == 3
        assert found.value["whole"] == {"line": "a line"}
        used = server.calls
        assert used <= 2 * FEW + 2 + 3 * extra(name), server.stats()
        assert rlm_dsl.run(PROGRAM, context, **options(name, server, tmp_path)).value == found.value
        assert server.calls == used
        asked = rlm_dsl.ask("How many lines?", context, **options(name, server, tmp_path))
        assert asked.value == FEW and server.calls <= used + 2 + extra(name)


@pytest.mark.parametrize("name", [name for name, persona in personas_by_name().items() if persona.batches])
def test_a_batch_comes_to_the_same(name: str, tmp_path: Path) -> None:
    """What the batch does not answer, since it was not known yet how to ask, is asked in the ordinary way."""
    context = log(tmp_path, FEW)
    with served(name) as server:
        found = rlm_dsl.run(CLASSIFY, context, batch=True, trace=tmp_path / "t", **options(name, server, tmp_path))
        assert [row["topic"] for row in found.value] == [LABELS[n % 3] for n in range(FEW)]
        assert server.calls <= 2 * FEW + extra(name)
        used = server.calls
        rlm_dsl.run(CLASSIFY, context, batch=True, **options(name, server, tmp_path))
        assert server.calls == used
    assert rlm_dsl.verify(tmp_path / "t", context).ok


def test_a_trace_of_such_servers_verifies(tmp_path: Path) -> None:
    context = log(tmp_path, FEW)
    with served("openrouter") as server:
        rlm_dsl.run(PROGRAM, context, trace=tmp_path / "t", **options("openrouter", server, tmp_path))
    assert rlm_dsl.verify(tmp_path / "t", context).ok


@pytest.mark.proof
@pytest.mark.parametrize("at_once", [1, 2, 16, 64])
@pytest.mark.parametrize("name", personas_by_name())
def test_rows_are_right_however_many_are_asked_at_once(name: str, at_once: int, tmp_path: Path) -> None:
    context = log(tmp_path, ROWS)
    with served(name, rate_500=0.02, rate_drop=0.02, seed=at_once) as server:
        found = rlm_dsl.run(CLASSIFY, context, **{**options(name, server, tmp_path), "concurrency": at_once})
        assert [row["topic"] for row in found.value] == [LABELS[n % 3] for n in range(ROWS)]
