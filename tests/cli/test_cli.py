"""The command line as a user meets it: each command, each clear refusal, each exit code."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest

from rlm_dsl.testing import serve
from rlm_dsl.testing.server import Server
from tests.support import runs
from tests.support.commands import Ran, command
from tests.support.processes import command_run, command_started


class Shell:
    """Runs rlm-dsl in a folder of its own, with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tickets.csv").write_text(runs.csv(40))
        (folder / "p.rlm").write_text(runs.OF_ONE)

    def __call__(self, *arguments: str, stdin: str = "", **env: str) -> Ran:
        return command(self.folder, *arguments, stdin=stdin, **env)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(gold=runs.gold(40), script=runs.TURNS_OF_ONE) as started:
        yield started


def test_ask_explores_answers_and_leaves_a_trace_that_verifies(shell: Shell, server: Server) -> None:
    asked = command_run(
        shell.folder,
        "ask",
        "How many billing questions did u1 send?",
        "--context",
        "tickets=tickets.csv",
        "--model",
        "m",
        "--base-url",
        server.base_url,
        "--trace",
        "t.trace",
    )
    assert asked.code == 0, asked.err
    assert "turn 1" in asked.err and "turn 3" in asked.err
    expected = sum(1 for n in range(1, 41) if n % 3 == 1 and n % 4 == 0)
    assert f"answer\n  {expected}\n" in asked.out and "tickets.csv:" in asked.out
    server.stop()
    verified = shell("verify", "t.trace")
    assert verified.code == 0 and verified.out.count("✓") == 9 and "0 model calls" in verified.out
    told = shell("show", "t.trace")
    assert told.code == 0 and "turn 2" in told.out and "not a model" in told.out
    again = shell("run", "t.trace/program.rlm", "--context", "tickets=tickets.csv", "--answers", "t.trace", "--json")
    assert (again.code, again.out) == (0, f"{expected}\n")


def test_a_program_runs_and_a_second_run_asks_nothing(shell: Shell, server: Server) -> None:
    arguments = (
        "run",
        "p.rlm",
        "--context",
        "tickets=tickets.csv",
        "--model",
        "m",
        "--base-url",
        server.base_url,
        "--json",
    )
    first, calls = shell(*arguments), server.calls
    second = shell(*arguments)
    assert first.code == second.code == 0 and first.out == second.out
    assert calls == 14 and server.calls == calls


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "nowhere.rlm", "--context", "t=tickets.csv"), 2, "there is no file nowhere.rlm"),
        (("run", "p.rlm", "--context", "tickets=ticket.csv"), 2, "did you mean tickets.csv?"),
        (("run", "p.rlm", "--context", "tickets"), 2, "write tickets=tickets.csv"),
        (("run", "p.rlm"), 2, "no data is named"),
        (("run", "p.rlm", "--context", "tickets=tickets.csv"), 2, "asks a model, and none is named"),
        (("run", "p.rlm", "--context", "tickets:nope=tickets.csv"), 2, "no format is called 'nope'"),
        (("run", "p.rlm", "--context", "tickets=tickets.csv", "--budget", "calls=x"), 2, "write --budget"),
        (("run", "p.rlm", "--context", "tickets=tickets.csv", "--memory", "lots"), 2, "write it as 2GB"),
        (("run", "p.rlm", "--context", "tickets=tickets.csv", "--param", "x=1", "--model", "m"), 2, "no param `x`"),
        (
            ("ask", "", "--context", "tickets=tickets.csv", "--model", "m", "--base-url", "http://x"),
            2,
            "question is empty",
        ),
        (("ask", "q", "--context", "tickets=tickets.csv"), 2, "no model is named"),
        (("ask", "q", "--context", "tickets=tickets.csv", "--model", "gpt-5-mini"), 2, "set OPENAI_API_KEY"),
        (("verify", "none.trace"), 2, "there is no trace none.trace"),
        (("verify", "tickets.csv"), 2, "is no trace"),
        (("show", "p.rlm"), 2, "is no trace"),
        (("explain",), 2, "Missing argument"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_bad_input_gives_one_clear_message(shell: Shell, arguments: tuple[str, ...], code: int, says: str) -> None:
    ran = shell(*arguments)
    assert (ran.code, ran.out) == (code, "") and says in ran.err


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("answer tickets | where(usr == 'u1') | count()", "did you mean `user`?"),
        ("answer tickets | where(id == 'x') | count()", "int and text cannot be compared"),
        ("answer tickets | grep(r'(?<=a)b', on=body) | count()", "RE2 has no look-around"),
        ("answer tickets |", "p.rlm:1"),
    ],
)
def test_a_wrong_program_is_told_with_its_place(shell: Shell, program: str, says: str) -> None:
    (shell.folder / "p.rlm").write_text(program)
    ran = shell("run", "p.rlm", "--context", "tickets=tickets.csv", "--model", "m")
    assert ran.code == 2 and says in ran.err and "^" in ran.err
    as_json = json.loads(shell("check", "p.rlm", "--context", "tickets=tickets.csv", "--json").out)
    assert as_json[0]["line"] == 1 and as_json[0]["code"]


def test_data_that_a_program_does_not_name_is_told_and_not_read(shell: Shell) -> None:
    (shell.folder / "n.rlm").write_text("context tickets: table(id: text)\nanswer count(tickets)\n")
    ran = shell("run", "n.rlm", "--context", "tickets=tickets.csv", "--context", "tiket=gone.csv", "--json")
    assert (ran.code, ran.out.strip()) == (0, "40")
    assert "the program names no context `tiket`, which is not read; did you mean `tickets`?" in ran.err
    ran = shell("run", "n.rlm", "--context", "tiket=tickets.csv")
    assert ran.code == 2 and "no data is bound to `tickets`" in ran.err and "names no context" not in ran.err


def test_a_wrong_key_and_an_unreachable_server(shell: Shell) -> None:
    arguments = ("run", "p.rlm", "--context", "tickets=tickets.csv", "--model", "m")
    with serve(gold=runs.gold(40), key="right-key") as server:
        ran = shell(*arguments, "--base-url", server.base_url, OPENAI_API_KEY="wrong-key-12345678")
    assert ran.code == 2 and "refuses the key (401)" in ran.err and "wrong-key" not in ran.err
    ran = shell(*arguments, "--base-url", server.base_url, "--timeout", "2")
    assert ran.code == 3 and "cannot be reached" in ran.err


def test_a_budget_stops_before_the_first_call_that_it_cannot_pay(shell: Shell, server: Server) -> None:
    ran = shell(
        "run",
        "p.rlm",
        "--context",
        "tickets=tickets.csv",
        "--model",
        "m",
        "--base-url",
        server.base_url,
        "--budget",
        "calls=13",
    )
    assert ran.code == 3 and "needs 14 new model calls" in ran.err and server.calls == 0


def test_turns_that_run_out_end_without_an_answer(shell: Shell) -> None:
    with serve(script=["show tickets | take(1)"]) as server:
        ran = shell(
            "ask",
            "q?",
            "--context",
            "tickets=tickets.csv",
            "--model",
            "m",
            "--base-url",
            server.base_url,
            "--turns",
            "2",
            "--trace",
            "u.trace",
        )
        assert ran.code == 3 and "no answer within 2 turns" in ran.err and server.calls == 2
    unfinished = shell("verify", "u.trace")
    assert unfinished.code == 1 and "unfinished" in unfinished.out and unfinished.out.count("not checked") == 7
    assert "stopped: no answer" in shell("show", "u.trace").out


def test_fmt_check_and_standard_input(shell: Shell) -> None:
    (shell.folder / "p.rlm").write_text("answer   tickets|count( )  # all")
    assert shell("fmt", "p.rlm", "--check").code == 1
    assert shell("fmt", "p.rlm", "--write").code == 0
    assert (shell.folder / "p.rlm").read_text() == "answer tickets | count()  # all\n"
    assert shell("fmt", "p.rlm", "--check").code == 0
    program = "show tickets | take(1)\nanswer tickets | count()"
    ran = shell("run", "-", "--context", "tickets=tickets.csv", stdin=program)
    assert ran.code == 0 and "40" in ran.out and "show tickets | take(1)\n  id  user  body\n  1   u1" in ran.out


def test_explain_shows_program_sql_and_bounds(shell: Shell) -> None:
    ran = shell("explain", "p.rlm", "--context", "tickets=tickets.csv")
    assert ran.code == 0
    assert "at most 112 calls for 40 rows" in ran.out and 'CREATE TABLE "mine" AS' in ran.out


def test_interrupted_a_run_ends_with_130_and_goes_on_where_it_was(shell: Shell) -> None:
    with serve(gold=runs.gold(40), latency=0.3) as server:
        given = ("run", "p.rlm", "--context", "tickets=tickets.csv", "--model", "m", "--base-url", server.base_url)
        with command_started(shell.folder, *given, "--concurrency", "4") as process:
            while server.calls < 6:
                assert process.running, process.ended()
                time.sleep(0.02)
            process.send(signal.SIGINT)
            ended = process.ended()
            assert ended.code == 130 and ended.err.split("interrupted\n")[1] == "answers so far are kept\n", ended.err
        before, kept = server.calls, answers_kept(shell.folder / "s.sqlite")
        assert shell(*given).code == 0
        assert 0 < kept <= before < 14 and server.calls - before == 14 - kept


def answers_kept(store: Path) -> int:
    with closing(sqlite3.connect(store)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM answers").fetchone()
        return int(count)


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, rlm_dsl, rlm_dsl.cli; rlm_dsl.cli.run(['--help']); print(sorted(m for m in sys.modules if m in "
        "{'openai', 'duckdb', 'pyarrow', 'dspy', 'numpy', 'lark', 'rich'}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]" and "verify" in done.stdout


def test_explain_says_what_was_made_of_a_program(shell: Shell) -> None:
    (shell.folder / "p.rlm").write_text(
        "context tickets: table(id: int, user: text, body: text)\n"
        'a = tickets | grep(r".*charged.*twice.*", on=body) | classify(on=body, labels=["x", "y"], into=k)\n'
        'b = a | where(user == "u1") | sort(-id)\n'
        "unused = tickets | take(3)\n"
        "answer {n: count(b), last: max(b, id)}\n"
    )
    told = shell("explain", "p.rlm").out
    for line in (
        "where goes before classify: the rows that it leaves out are never asked about",
        "the idle .* of .*charged.*twice.* is taken off",
        "rows without 'wice' are passed over first",
        "b: computed once and read 2 times",
        "unused: not made, for nothing that is shown or answered needs it",
    ):
        assert line in told, told


def test_check_tells_several_programs_in_three_forms(shell: Shell) -> None:
    (shell.folder / "a.rlm").write_text("context t: table(x: text?)\nanswer t | where(x != 'a') | count()\n")
    (shell.folder / "b.rlm").write_text("context t: table(x: int)\nanswer t | filter(x > 1)\n")
    warned = shell("check", "a.rlm")
    assert warned.code == 0 and "warning[W01]" in warned.err and shell("check", "--strict", "a.rlm").code == 1
    both = shell("check", "a.rlm", "b.rlm", "--json")
    assert both.code == 2 and [problem["code"] for problem in json.loads(both.out)] == ["W01", "C02"]
    lines = shell("check", "a.rlm", "b.rlm", "--github").out.splitlines()
    assert lines[0].startswith("::warning file=a.rlm,line=2,endLine=2,col=18,endColumn=26,title=W01::`x` may be null")
    assert lines[1].startswith("::error file=b.rlm,line=2") and "%0Ahint: write where(condition)" in lines[1]
    sizes = [len(shell("card", "--size", size).out) for size in ("small", "medium", "full")]
    assert sizes == sorted(sizes)


def commands_of(group: click.Group, name: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for own, each in group.commands.items():
        found.append(((*name, own), each))
        if isinstance(each, click.Group):
            found += commands_of(each, (*name, own))
    return found


def example(command: click.Command) -> list[str]:
    """The words of the example that a command's help ends with."""
    told = re.search(r'Example: (?:eval "\$\()?(rlm-dsl .*)', command.help or "")
    assert told, f"{command.name} has no example"
    return shlex.split(told[1].removesuffix(')"'))


def test_every_command_has_an_example_that_it_takes() -> None:
    from rlm_dsl.cli.commands import group

    for name, each in commands_of(group):
        words = example(each)
        assert tuple(words[1 : 1 + len(name)]) == name
        if not isinstance(each, click.Group):
            each.make_context(name[-1], words[1 + len(name) :], resilient_parsing=True)


def test_the_examples_of_help_that_read_a_recorded_trace_run(shell: Shell) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from rlm_dsl.cli.commands import group

    recorded, data = Path("traces/tickets.trace"), Path("examples/tickets/tickets.csv")
    shutil.copytree(recorded, shell.folder / recorded)
    (shell.folder / data).parent.mkdir(parents=True)
    shutil.copy(data, shell.folder / data)
    pem = Ed25519PrivateKey.generate().private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (shell.folder / "key.pem").write_bytes(pem)
    ran = []
    for name, each in commands_of(group):
        words = example(each)
        if str(recorded) in words:
            ran.append(name[-1])
            done = shell(*words[1:])
            assert done.code == 0, done.err
        if name[-1] == "check-proof":
            head = json.loads((recorded / "seal.json").read_text())["predicate"]["head"]
            assert head.startswith(words[-1].removesuffix("..."))
    assert {"bless", "cite", "export", "pack", "prove", "show", "sign", "sql", "verify"} <= set(ran)


def test_quiet_leaves_results_and_problems(shell: Shell) -> None:
    (shell.folder / "q.rlm").write_text("answer tickets | where(id / 2 != 1) | count()\n")
    asked = ("run", "q.rlm", "--context", "tickets=tickets.csv", "--json")
    assert shell(*asked).out == shell(*asked, "--quiet").out == "39\n"
    assert shell("optimize", "q.rlm", "--context", "t=tickets.csv", "--examples", "none", "--quiet").code == 2
    assert shell(*asked, "--quiet").err == ""
    wrong = shell("run", "none.rlm", "--context", "t=tickets.csv", "--quiet")
    assert wrong.code == 2 and "none.rlm" in wrong.err


def test_a_shell_completes_commands_and_options() -> None:
    from click.shell_completion import BashComplete

    from rlm_dsl.cli.commands import group

    complete = BashComplete(group, {}, "rlm-dsl", "_RLM_DSL_COMPLETE")
    assert [item.value for item in complete.get_completions([], "ver")] == ["verify"]
    assert "--public-key" in [item.value for item in complete.get_completions(["verify", "x"], "--")]


def test_a_program_on_the_command_line(shell: Shell) -> None:
    (shell.folder / "n.csv").write_text("id\n1\n2\n3\n")
    lines = ("-e", "few = n | where(id > 1)", "-e", "answer few | count()")
    assert shell("run", *lines, "--context", "n=n.csv", "--json").out == "2\n"
    assert shell("run", "-e", "answer x", "--context", "n=n.csv").err.splitlines()[1] == " --> (command line):1:8"
    for words in (("run",), ("run", "p.rlm", "-e", "answer 1")):
        assert (ran := shell(*words)).code == 2 and "-e 'answer" in ran.err


def test_help_of_a_command_is_what_the_command_says_of_itself(shell: Shell) -> None:
    for words in ((), ("run",), ("cache", "gc")):
        assert shell("help", *words).out == shell(*words, "--help").out
    assert "did you mean `check`?" in shell("help", "chek").err and shell("help", "run", "x").code == 2


def test_several_traces_are_told_each_and_the_worst_decides(shell: Shell, recorded_trace: Path) -> None:
    good, one = str(recorded_trace), shell("verify", str(recorded_trace))
    bad = shutil.copytree(recorded_trace, shell.folder / "bad.trace")
    (bad / "plan.sql").write_text("")
    both = shell("verify", good, str(bad), "none.trace")
    assert both.code == 2 and one.out.splitlines()[0] in both.out and "NOT verified" in both.out
    assert "there is no trace none.trace" in both.err and both.out.endswith("3 traces, 2 not well\n")
    told = json.loads(shell("verify", good, "none.trace", "--json").out)
    assert [each.get("ok") for each in told] == [True, None] and told[1]["error"]
    assert shell("verify", str(bad)).code == 1 and shell("show", good, good).out.count("=== ") == 2


def test_data_that_is_not_declared_is_told_how_to_once(shell: Shell) -> None:
    """And hints name no option that their command has not."""
    (shell.folder / "bare.rlm").write_text("a = t | take(1)\nb = t | take(2)\nanswer {a: count(t), b: count(b)}\n")
    told = shell("check", "bare.rlm").err
    assert told.count("unknown name `t`") == 3 and told.count("`context t: table(column: type)`") == 1
    for words in (("load", "tickets.csv"), ("load", "t:csv(quot=1)=x.csv"), ("peek", "a:csv(quot=1)=x.csv")):
        assert (ran := shell(*words)).code == 2 and "--context" not in ran.err
    wrong = shell("ask", "x", "--context", "t=bare.rlm", "--model", "m", "--returns", "tabl(a: int)")
    assert "table(a: int, b: int)" in wrong.err and "`a=" not in wrong.err
