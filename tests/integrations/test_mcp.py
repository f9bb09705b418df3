"""The MCP server as an agent meets it: the mcp package's own client, in memory and, once, over stdio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rlm_dsl.api import verify
from rlm_dsl.testing import serve
from tests.support.commands import command, environment
from tests.support.optional import needs

if TYPE_CHECKING:
    from mcp.client.client import Client

pytestmark = needs("mcp")

ROWS = "id,user,body\n" + "".join(
    f"{n},u{n % 3},{'charged twice' if n % 4 == 0 else 'log in'} {n}\n" for n in range(40)
)
GOLD = [{"text": f"{'charged twice' if n % 4 == 0 else 'log in'} {n}", "label": "billing" if n % 4 == 0 else "other"}
        for n in range(40)]  # fmt: skip
Call = Callable[..., Awaitable[tuple[str, bool]]]
Work = Callable[[Call, "Client"], Awaitable[Any]]


async def worked(work: Work, transport: Any) -> Any:
    """What some work comes to with a client at the other end of a transport."""
    from mcp.client.client import Client

    async with Client(transport) as client:

        async def call(tool: str, **given: Any) -> tuple[str, bool]:
            result = await client.call_tool(tool, given)
            return "".join(getattr(part, "text", "") for part in result.content), bool(result.is_error)

        return await work(call, client)


def over_stdio(work: Work, folder: Path, *options: str) -> Any:
    """Do some work with a client of a server that may read `folder`, in a process of its own."""
    from mcp.client.stdio import StdioServerParameters, stdio_client

    given = ["-c", "from rlm_dsl.cli import main; main()", "mcp", "--allow", str(folder), *options]
    env = environment(folder.parent, PYTHONPATH=str(Path.cwd()))
    return asyncio.run(worked(work, stdio_client(StdioServerParameters(command=sys.executable, args=given, env=env))))


def with_server(work: Work, folder: Path, *options: str) -> Any:
    """The same in this process, with the server that the command makes."""
    from rlm_dsl.integrations.mcp import server

    results = []
    with pytest.MonkeyPatch.context() as patched:
        served = lambda workspace: results.append(asyncio.run(worked(work, server.server(workspace))))  # noqa: E731
        patched.setattr(server, "serve", served)
        ran = command(folder.parent, "mcp", "--allow", str(folder), *options, RLM_DSL_DEBUG="1")
    assert ran.code == 0 and ran.out == "", ran
    (result,) = results
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tickets.csv").write_text(ROWS)
    (tmp_path / "secret.txt").write_text("the secret\n")
    return tmp_path / "data"


def test_an_agent_explores_answers_and_verifies(folder: Path) -> None:
    traces = folder.parent / "traces"

    async def work(call: Call, client: Client) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == {
            *("load", "unload", "rename", "go_on", "look", "run", "answer", "verify", "manual")
        }
        assert (
            "classify" in (await call("manual"))[0] and "where(t, condition)" in (await call("manual", name="where"))[0]
        )
        assert "context tickets: table(id: int" in (await call("load", name="tickets", path=f"{folder}/tickets.csv"))[0]
        told, wrong = await call("run", statements="mine = tickets | where(usr == 'u1')\nn = tickets | count()")
        assert "did you mean `user`" in told and "n: int = 40" in told and wrong
        assert "mine: the columns of" in (await call("run", statements="mine = tickets | where(user == 'u1')"))[0]
        assert "mine: 13 rows" in (await call("look"))[0]
        told, wrong = await call("answer", expression="mine | count()")
        assert told.startswith("answer: 13\n") and "mine = tickets" in told and "n = tickets" not in told and not wrong
        assert f"trace: {traces / '0001.trace'}" in told
        told, wrong = await call("answer", expression="mine | where(usr == 1)")
        assert wrong and "did you mean `user`" in told
        (listed,) = (await client.read_resource("rlm://traces")).contents
        assert listed.text == "rlm://traces/0001.trace"
        (read,) = (await client.read_resource("rlm://traces/0001.trace")).contents
        assert "data: tickets from" in read.text and "answer : 13" in read.text
        assert {"question", "overview", "topics"} <= {prompt.name for prompt in (await client.list_prompts()).prompts}
        asked = await client.get_prompt("question", {"question": "How many are billing?", "path": "t.csv"})
        assert asked.messages[0].content.text.startswith("How many are billing? The data lies at t.csv.")
        assert "verified: 9 levels hold" in (await call("verify", trace=str(traces / "0001.trace")))[0]

    over_stdio(work, folder, "--traces", str(traces))
    assert verify(traces / "0001.trace").ok


def test_more_data_is_loaded_beside_what_is_bound(folder: Path) -> None:
    (folder / "users.jsonl").write_text('{"user": "u1", "city": "Oslo"}\n')

    async def work(call: Call, client: Client) -> None:
        await call("load", name="tickets", path=f"{folder}/tickets.csv")
        await call("run", statements="mine = tickets | where(user == 'u1')")
        await call("load", name="users", path=f"{folder}/users.jsonl")
        assert "answer: 13" in (await call("answer", expression="mine | join(users, on=user) | count()"))[0]
        told, wrong = await call("load", name="users", path=f"{folder}/users.jsonl")
        assert wrong and "is there already" in told

    with_server(work, folder)


def test_data_is_called_what_programs_can_write(folder: Path) -> None:
    async def work(call: Call, client: Client) -> None:
        told, wrong = await call("load", name="1 bad", path=f"{folder}/tickets.csv")
        assert wrong and "call it by another name: data_1_bad" in told
        await call("load", name="answer", path=f"{folder}/tickets.csv")
        told, wrong = await call("run", statements="show answer | take(1)\nanswer = answer | take(3)")
        assert "charged twice 0" in told and "bind another name: the_answer = expression" in told
        assert "answer: 40" in (await call("answer", expression="answer | count()"))[0]

    with_server(work, folder)


def test_nothing_outside_the_folders_is_read_by_any_way(folder: Path) -> None:
    secret = folder.parent / "secret.txt"
    (folder / "link.txt").symlink_to(secret)
    (folder / "sub").mkdir()
    (folder / "sub" / "inner.txt").symlink_to(secret)

    async def work(call: Call, client: Client) -> None:
        ways = (secret, folder / ".." / "secret.txt", folder / "link.txt", folder / "sub", f"{folder}/../*.txt",
                f"{folder}/*.txt", "/etc/hostname", "/etc/*", "-", f"{secret}::table")  # fmt: skip
        for path in ways:
            for form in (None, "documents"):
                told, wrong = await call("load", name="x", path=str(path), **({"format": form} if form else {}))
                assert wrong and "the secret" not in told, path
                assert "outside the folders" in told or "standard input" in told, (path, told)
        for path in ("s3://bucket/a.csv", "https://127.0.0.1:1/a.csv", "postgresql://127.0.0.1:1/d::t"):
            told, wrong = await call("load", name="x", path=path)
            assert wrong and "lies elsewhere" in told, path
        told, wrong = await call("verify", trace="/etc")
        assert wrong and "outside the folders" in told
        assert "Nothing is loaded yet" in (await call("look"))[0]

    with_server(work, folder)


def test_a_trace_that_names_other_data_is_not_followed(folder: Path) -> None:
    import json

    from rlm_dsl.api import run

    run(
        "answer t | count()",
        {"t": str(folder.parent / "secret.txt")},
        trace=folder / "made.trace",
        store=str(folder.parent / "s.sqlite"),
    )
    assert json.loads((folder / "made.trace" / "trace.json").read_text())["contexts"][0]["name"] == "t"

    async def work(call: Call, client: Client) -> None:
        told, wrong = await call("verify", trace=str(folder / "made.trace"))
        assert wrong and "outside the folders" in told

    with_server(work, folder)


def test_no_model_is_asked_that_was_not_named(folder: Path) -> None:
    step = "t = tickets | classify(on=body, labels=['billing', 'other'], into=topic)"

    async def without(call: Call, client: Client) -> str:
        await call("load", name="tickets", path=f"{folder}/tickets.csv")
        return (await call("run", statements=step))[0]

    assert "none is named" in with_server(without, folder)

    async def named(call: Call, client: Client) -> str:
        await without(call, client)
        return (await call("answer", expression="t | where(topic == 'billing') | count()"))[0]

    with serve(gold=GOLD) as server:
        model = ("--model", "m", "--base-url", server.base_url)
        assert "answer: 10" in with_server(named, folder, *model) and server.calls == 40
    with serve(gold=GOLD) as server:
        told = with_server(without, folder, "--model", "m", "--base-url", server.base_url, "--budget", "calls=20")
        assert "needs 40 new model calls" in told and server.calls == 0


def test_an_agent_goes_on_from_a_run_and_nothing_is_asked_again(folder: Path) -> None:
    from rlm_dsl.api import run

    program = "t = tickets | classify(on=body, labels=['billing', 'other'], into=topic)\nanswer t | count()"
    contexts = {"tickets": f"{folder}/tickets.csv"}
    with serve(gold=GOLD) as server:
        given = {"model": "m", "base_url": server.base_url, "store": str(folder.parent / "s.sqlite")}
        run(program, contexts, trace=folder / "made.trace", **given)
        asked = server.calls

        async def work(call: Call, client: Client) -> None:
            told, wrong = await call("go_on", trace=str(folder / "made.trace"))
            assert "topic: other 30, billing 10" in told and not wrong
            assert "t: 40 rows" in (await call("look"))[0]
            assert "answer: 10" in (await call("answer", expression="t | where(topic == 'billing') | count()"))[0]
            told, wrong = await call("go_on", trace=str(folder / "made.trace"))
            assert wrong and "loaded already" in told

        model = ("--base-url", server.base_url, "--store", str(folder.parent / "other.sqlite"))
        with_server(work, folder, "--model", "m", *model, "--traces", str(folder.parent / "traces"))
        assert server.calls == asked and verify(folder.parent / "traces" / "0001.trace").ok

        async def other(call: Call, client: Client) -> None:
            told, wrong = await call("go_on", trace=str(folder / "made.trace"))
            assert wrong and "asked m at" in told and "--model m" in told

        with_server(other, folder, "--model", "n", *model)


def test_data_is_let_go_of_and_called_otherwise(folder: Path) -> None:
    (folder / "users.csv").write_text("user,tickets\nu1,many\n")

    async def work(call: Call, client: Client) -> None:
        await call("load", name="tickets", path=f"{folder}/tickets.csv")
        await call("run", statements="mine = tickets | where(user == 'u1')\nn = mine | count()\nfree = 1 + 1")
        told, wrong = await call("rename", name="tickets", to="mail")
        assert "tickets is called mail now" in told and not wrong
        assert "answer: 13" in (await call("answer", expression="mine | join(mail, on=id) | count()"))[0]
        for bad, says in (("a b", "call it by another name: a_b"), ("mine", "bound to a statement")):
            told, wrong = await call("rename", name="mail", to=bad)
            assert wrong and says in told
        await call("load", name="users", path=f"{folder}/users.csv")
        told, wrong = await call("unload", name="mail")
        assert told == "unloaded mail; no longer bound: mine, n" and not wrong
        told, wrong = await call("run", statements="show n")
        assert wrong
        assert "answer: 3" in (await call("answer", expression="free + count(users)"))[0]
        told, wrong = await call("unload", name="mails")
        assert wrong and "no context is called mails" in told
        await call("load", name="tickets", path=f"{folder}/tickets.csv")
        told, wrong = await call("rename", name="tickets", to="t")
        assert wrong and "a column is called tickets too" in told

    with_server(work, folder)


def test_what_cannot_be_loaded_is_told_in_terms_of_tools(folder: Path) -> None:
    (folder / "bad.json").write_text('{"a": 1}\n{"a": ')

    async def work(call: Call, client: Client) -> None:
        for name, path in (
            ("t", "a\0b"),
            ("t", ""),
            ("t\0", "tickets.csv"),
            ("", "x"),
            ("t", "x" * 5000),
            ("null", "x"),
        ):
            told, wrong = await call("load", name=name, path=path)
            assert wrong and "error: " in told and "Traceback" not in told and "hint" in told, (name, path[:9], told)
        told, wrong = await call("load", name="t", path=f"{folder}/bad.json", format="json")
        assert wrong and 'load(name=.., path="' in told and 'format="jsonl"' in told and "NAME:" not in told
        await call("load", name="t", path=f"{folder}/tickets.csv")
        told, wrong = await call("run", statements="k = t | keep('odd', on=body)")
        assert wrong and "for the person who started this server: name one: --model" in told

    with_server(work, folder)


OWNER = "for the person who started this server"
HINTS = {
    "  hint: say which: NAME:csv=a.csv takes those": (
        '  hint: say which: load(name=.., path="a.csv", format="csv") takes those'
    ),
    "error: x\n  hint: load what is new: rlm-dsl load kept.rlmctx": (
        'error: x\n  hint: load what is new: load(name=.., path="kept.rlmctx")'
    ),
    "  = hint: give one: --param x=...": "  = hint: give one in its statement: param x: type = value",
    "  hint: finish it: rlm-dsl resume a.trace": f"  hint: {OWNER}: finish it: rlm-dsl resume a.trace",
    "  hint: NAME:lines(encoding=cp1252)=a.txt": (
        '  hint: load(name=.., path="a.txt", format="lines", options={"encoding": "cp1252"})'
    ),
    "  --model m | rlm-dsl load x": "  --model m | rlm-dsl load x",
}


@pytest.mark.parametrize(("written", "told"), HINTS.items())
def test_hints_speak_of_tools_and_data_is_left_alone(written: str, told: str) -> None:
    from rlm_dsl.integrations.mcp.hints import for_tools

    assert for_tools(written) == told


@pytest.mark.parametrize("text", ["東京" * 9000, "a" * 19_000, "🙂" * 2000, "short", "12 " * 6000])
def test_what_a_tool_says_is_bounded_by_tokens(text: str) -> None:
    from rlm_dsl.integrations.mcp.hints import MOST_TOKENS, bound_text
    from rlm_dsl.models.request import estimated_tokens

    told = bound_text(text)
    assert estimated_tokens(told) <= MOST_TOKENS and (told == text or told.endswith(" characters)"))
    assert told == text or estimated_tokens(told) > MOST_TOKENS - 60 or len(told) > 19_000


def test_what_a_tool_says_is_bounded_and_steers_no_terminal(folder: Path) -> None:
    (folder / "odd.txt").write_text("\x1b[31mred\x1b[0m " + "x" * 100_000 + "\n" + "y\n" * 50_000)

    async def work(call: Call, client: Client) -> None:
        asked = (
            call("load", name="odd", path=f"{folder}/odd.txt"),
            call("run", statements="show odd"),
            call("answer", expression="odd | values(text)"),
        )
        told = [(await each)[0] for each in asked]
        assert all(len(text) < 20_200 and "\x1b" not in text for text in told)
        assert "more characters" in told[2] or "characters)" in told[2]

    with_server(work, folder)


def test_it_starts_only_with_a_folder_that_is_there(tmp_path: Path) -> None:
    for options, says in (((), "no folder may be read"), (("--allow", "missing"), "there is no folder missing")):
        done = command(tmp_path, "mcp", *options)
        assert done.code == 2 and says in done.err
