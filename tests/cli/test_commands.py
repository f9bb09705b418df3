"""A command is one file: put into the folder it runs, stands in the help, and has what every command has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rlm_dsl.cli import commands, run
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.runner import ignore_event
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings, read_models
from tests.support.paths import ROOT

TRACE = str(ROOT / "traces" / "tickets.trace")
HELLO = '''
import click

from rlm_dsl.cli.output import write

@click.command("hello")
@click.argument("name")
def command(name: str) -> None:
    """Greet somebody."""
    write(f"hello {name}")
'''


def test_a_file_in_the_folder_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hello.py").write_text(HELLO)
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    try:
        commands.add_commands([str(tmp_path)])
        assert run(["hello", "world", "--quiet"]) == 0
        assert capsys.readouterr().out.strip() == "hello world"
        assert run(["--help"]) == 0 and "Greet somebody." in capsys.readouterr().out
    finally:
        commands.group.commands.pop("hello", None)


def test_where_output_goes_is_called_to_by_every_command() -> None:
    """By its own name too: `--trace` of a run, `--out` of a page."""
    for name in ("ask", "run", "rerun", "what-if", "correct", "recheck", "load", "pack", "unpack", "prove", "export",
                 "view", "optimize", "eval", "report init", "cache export"):  # fmt: skip
        held: click.Command = commands.group
        for word in name.split():
            assert isinstance(held, click.Group)
            held = held.commands[word]
        named = [option for option in held.params if "--to" in option.opts]
        assert len(named) == 1 and (named[0].metavar or "").isupper(), name


RUN = ("run", "-e", "answer 1")
TWICE = [
    (*RUN, "--budget", "calls=60,calls=3"),
    (*RUN, "--budget", "calls=60", "--budget", "usd=1"),
    ("check", "p.rlm", "--param", "a=1", "--param", "a=2"),
    (*RUN, "--parameter", "seed=1", "--parameter", "seed=1"),
    (*RUN, "--model", "sub=a", "--model", "sub=b"),
    (*RUN, "--model", "a", "--model", "b"),
    (*RUN, "--context", "t=a.csv", "--context", "t=b.csv"),
    (*RUN, "--trace", "a.trace", "--to", "b.trace"),
    ("cache", "stats", "--store", "a", "--store=b"),
    ("report", "report.yaml", "--period", "2026", "--period", "2027"),
    ("what-if", "TRACE", "--at", "topics", "--set", 'guide="a"', "--set", 'classify.guide="b"'),
    ("correct", "TRACE", "--at", "topics", "--set", 'topic="a"', "--set", 'topic="b"', "--where", "id == 7"),
]


@pytest.mark.parametrize("words", TWICE, ids=lambda words: " ".join(words[-4:]))
def test_what_is_given_twice_is_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """The last one held in silence."""
    assert run([TRACE if word == "TRACE" else word for word in words]) == 2
    told = capsys.readouterr().err
    assert "given twice" in told or "set twice" in told, told


def test_a_model_of_an_alias_holds_wherever_it_stands_and_flags_may_be_said_again() -> None:
    wanted = {"root": "large", "sub": "small"}
    assert read_models(["sub=small", "large"]) == read_models(["large", "sub=small"]) == wanted
    assert run(["models", "--quiet", "--quiet", "--help"]) == 0


@pytest.mark.parametrize("loading", ["rlm_dsl.common.processes", "click", "rlm_dsl.cli.commands.verify"])
def test_ctrl_c_while_the_program_is_loaded_says_so_and_no_more(loading: str) -> None:
    code = (
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {loading!r}: raise KeyboardInterrupt\n"
        "from rlm_dsl.cli import main\n"
        "sys.meta_path.insert(0, Interrupts()); sys.argv = ['rlm-dsl', 'check', 'p.rlm']; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ})
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "interrupted")


def test_ctrl_c_tells_of_answers_only_where_some_were_asked_for(tmp_path: Path) -> None:
    settings = Settings({"sub": "m"}, store=str(tmp_path / "s.sqlite"))

    def interrupted(asked: bool) -> list[str]:
        with pytest.raises(KeyboardInterrupt) as raised, live_calls(settings, Keys({}), ignore_event) as calls:
            calls.models.spending.started = 1.0 if asked else None
            raise KeyboardInterrupt
        return getattr(raised.value, "__notes__", [])

    assert interrupted(asked=False) == [] and interrupted(asked=True) == ["answers so far are kept"]
