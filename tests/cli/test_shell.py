"""The shell as a person meets it: through a pipe, and at a terminal with its keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_dsl.api import run
from rlm_dsl.cli.shell.completion import completions
from rlm_dsl.cli.shell.entries import Lines, entries
from rlm_dsl.cli.shell.terminal import wants_more
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.language.check import Environment
from rlm_dsl.testing import serve
from tests.support import runs
from tests.support.processes import Process, command_started
from tests.support.terminal import Terminal


class Folder:
    """A folder with data, a store and a history of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "tickets.csv").write_text(runs.csv(40))
        self.env = {
            "XDG_DATA_HOME": str(path / "data"),
            "HOME": str(path),
            "TERM": "xterm",
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }

    def started(self, *more: str, **streams: str) -> Process:
        return command_started(self.path, "shell", "--context", "tickets=tickets.csv", *more, env=self.env, **streams)

    def piped(self, text: str, *more: str) -> tuple[int, str, str]:
        with self.started(*more, stdin=text) as process:
            ran = process.ended()
        return ran.code, ran.out, ran.err


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


SESSION = """\
tickets | take(2)
mine = tickets
     | where(
           user == "u1",
       )
     # the last
     | take(3)
broken = tickets | wher(id > 3)
asked = mine | classify(on=body, labels=["billing", "other"])
n = count(mine)
mine = tickets | take(1)
n
param least: int = 39
show tickets | where(id >= least) | select(id) n2 = n + 1
lost = "abc
:names
answer {n: n, mine: mine}
:program
:save p.rlm
:save tickets.csv
:help gre
:help grep
:nam
quote = \"\"\"two
lines\"\"\"
mine | take(1
"""


def test_a_session_through_a_pipe(folder: Folder) -> None:
    """Statements of many lines, errors that keep what was bound, and a program that runs."""
    code, out, err = folder.piped(SESSION)
    assert code == 2
    assert out.startswith(
        "show: table(id: int, user: text, body: text), 2 rows\n  1 | u1 | how do I log in (1)\n  2 | u2 |"
    )
    assert "\nmine: 3 rows (id: int, user: text, body: text)\n" in out and "\nshow: int = 3\n" in out
    assert "\nleast: int = 39\nshow: table(id: int), 2 rows\n  39\n  40\nn2: int = 4\n" in out
    names = out[out.index("context tickets: 40 rows") :]
    assert "\nmine: 3 rows" in names and "\nn: int = 3\nleast: int = 39\nn2: int = 4\nanswer.n: int = 3\n" in names
    program = """\
context tickets: table(id: int, user: text, body: text)
param least: int = 39

mine = tickets | where(user == "u1") | take(3)
n = count(mine)
n2 = n + 1
answer {n: n, mine: mine}
"""
    assert f"\n{program}saved p.rlm\n" in out and (folder.path / "p.rlm").read_text() == program
    assert 'grep(t, r"..", on=, invert=false, before=0, after=0)' in out and "Order of rows: kept." in out
    assert out.endswith('\nquote: text = "two\\nlines"\n')
    told = [
        "did you mean `where`?",
        "asks a model, and none is named",
        "`mine` is bound already",
        "the text does not end",
        "there is a file tickets.csv already",
        "did you mean `grep`?",
        "no command is called :nam",
        "`(` is not closed",
    ]
    places = [err.index(part) for part in told]
    assert places == sorted(places) and err.count("error") == len(told)
    result = run(program, {"tickets": str(folder.path / "tickets.csv")})
    assert result.value["n"] == 3 and result.value["mine"][0]["id"] == 1


def test_what_a_pipe_may_hold_that_is_no_program(folder: Folder) -> None:
    (folder.path / "tickets.csv").write_text('id,body\n1,"red \x1b[31m alarm \x07"\n')
    long = f"long = tickets{' | take(3)' * 1500}\n"
    odd = f"# nothing\n\n{long}tickets\ntickets | grep('\x1b[31m', on=body) | foo()\n:\x1b[2J\n:help \x1b[2J\n"
    code, out, err = folder.piped(f"{odd}:quit\nshow nothing\n")
    assert code == 2 and "\x1b" not in out + err and "red \\x1b[31m alarm \\x07" in out and "nothing" not in err
    with (folder.path / "odd").open("w+b") as stream:
        stream.write(b"\xef\xbb\xbfshow 1\r\nshow '\xff'\n")
        stream.seek(0)
        lines = Lines(stream=stream)
        found = entries(lines, lines.following)
        assert next(found) == "show 1\n"
        with pytest.raises(UserError, match="no UTF-8"):
            next(found)


def test_a_model_step_says_its_bound_and_keeps_to_the_budget(folder: Folder) -> None:
    """A step that cannot be paid for is refused whole, twice alike; a smaller one of the same name then runs."""
    labels = "classify(on=body, labels=['billing', 'other'])"
    refused = f"topics = tickets | where(id > 0) | {labels}\n"
    program = f"topics = tickets | where(user == 'u1') | {labels}\ntopics | where(label == 'billing') | count()\n"
    with serve(gold=runs.gold(40)) as server:
        model = ("--model", "m", "--base-url", server.base_url)
        code, out, err = folder.piped(refused + refused + program, *model, "--budget", "calls=20")
        assert (code, server.calls) == (2, 14) and "14 calls, " in err
        assert err.count("needs 40 new model calls") == 2
        assert "topics: at most 2 model calls for each of 40 rows, 80 in all. Model calls left: 20." in err
        assert out.startswith("topics: 14 rows") and out.endswith("show: int = 4\n")


def test_lines_become_entries() -> None:
    text = "a = t |\n  take(1)\n:names\nb = t\n # c\n | take(2)\nx\nc = [1,\n2]\n\nd = 'open\nd\nlast = ("
    lines = Lines(text)
    assert list(entries(lines, lines.following)) == [
        "a = t |\n  take(1)\n",
        ":names",
        "b = t\n # c\n | take(2)\n",
        "x\n",
        "c = [1,\n2]\n",
        "d = 'open\n",
        "d\n",
        "last = (\n",
    ]
    assert [wants_more(text) for text in ("t |", "t | take(", "t", "x =", ":help (", "", "t | take(\n")] == [
        True, True, False, True, False, False, False,
    ]  # fmt: skip


def test_completion_of_commands() -> None:
    def texts(text: str) -> list[str]:
        return [candidate.text for candidate in completions(text, len(text), Environment())[1]]

    assert texts(":n") == ["names"] and texts(":save x") == [] and texts("  :pro") == ["program"]
    assert "grep" in texts(":help ") and texts(":help gre") == ["greatest", "grep"]
    assert completions(":help gre", 9, Environment())[0] == 6


# ---- at a terminal ----


class ShellTerminal(Terminal):
    """The shell at a terminal of its own."""

    def enter(self, text: str, wanted: str) -> str:
        self.type(f"{text}\r")
        seen = self.expect(wanted)
        self.expect("rlm>")
        return seen

    def leave(self) -> int:
        self.type("\x04")
        return self.ended()


@pytest.fixture
def terminal(folder: Folder) -> Iterator[ShellTerminal]:
    pytest.importorskip("termios")
    many = "id,body\n" + "".join(f"{n},x\n" for n in range(20_000))
    (folder.path / "many.csv").write_text(many)
    with serve(gold=runs.gold(40), latency=20.0) as server:
        more = ("--context", "many=many.csv", "--model", "m", "--base-url", server.base_url)
        started = ShellTerminal(lambda terminal: folder.started(*more, terminal=terminal))
        with started.process:
            yield started


def test_a_session_at_a_terminal(terminal: ShellTerminal, folder: Folder) -> None:
    """Tab completes, Enter goes on inside brackets, Ctrl-C cancels a line and a running step, Ctrl-D leaves."""
    assert "context tickets: 40 rows" in terminal.expect("rlm>")
    terminal.type("mine = tickets | wh\t")
    terminal.expect("ere")
    terminal.enter("(user == 'u1')", "mine: 14 rows")
    terminal.enter("bad = mine | where(usr == 1)", "did you mean `user`?")
    terminal.type("top = mine | take(\r")
    terminal.expect("...>")
    terminal.enter("2)", "top: 2 rows")
    terminal.type("half a line")
    terminal.expect("line")
    terminal.type("\x03")
    terminal.expect("rlm>")
    terminal.type("big = many | join(many, on=left.id * right.id % 7 == 3 and left.id % 1000 != right.id % 999)\r")
    terminal.expect("999)")
    time.sleep(0.3)
    started = time.monotonic()
    terminal.type("\x03")
    terminal.expect("interrupted")
    assert time.monotonic() - started < 5
    terminal.expect("rlm>")
    terminal.enter("big = many | take(7)", "big: 7 rows")
    terminal.type("topics = mine | classify(on=body, labels=['billing', 'other'])\r")
    terminal.expect("28 in all")
    terminal.expect("0/14")
    terminal.type("\x03")
    terminal.expect("interrupted")
    terminal.expect("rlm>")
    names = terminal.enter(":names", "big: 7 rows")
    assert "mine: 14 rows" in names and "top: 2 rows" in names and "bad" not in names and "topics" not in names
    assert terminal.leave() == 0
    kept = (folder.path / "data" / "rlm-dsl" / "shell_history").read_text()
    assert "top = mine" in kept and "half a line" not in kept
