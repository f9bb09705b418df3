"""A command is one file: put into the folder it runs, stands in the help, and has what every command has."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from rlm_dsl.cli import commands, run

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
