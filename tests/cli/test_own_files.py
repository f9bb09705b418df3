"""What commands write over: their own files, and none of anyone else's.

In: commands with a place to write to, and what lies there. Out: nothing but a verdict. Law: a file of another kind
stays as it was; the same command twice gives the same file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_dsl import cli

MINE = "a letter that nobody has a copy of\n"


def writing(trace: Path, to: Path) -> dict[str, list[str]]:
    return {
        "export": ["export", str(trace), "--otlp", "--to", str(to)],
        "lineage": ["export", str(trace), "--openlineage", "--to", str(to)],
        "prove": ["prove", str(trace), "--event", "0", "--to", str(to)],
        "pack": ["pack", str(trace), "--to", str(to)],
        "view": ["view", str(trace), "--no-verify", "--out", str(to)],
        "diff": ["diff", str(trace), str(trace), "--html", str(to)],
        "test": ["test", str(trace), "--junit", str(to)],
    }


@pytest.mark.parametrize("name", writing(Path(), Path()))
def test_a_command_writes_over_its_own_files_alone(
    recorded_trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    to = tmp_path / "out"
    command = writing(recorded_trace, to)[name]
    to.write_text(MINE)
    assert cli.run(command) == 2 and "is no file that this command wrote" in capsys.readouterr().err
    assert to.read_text() == MINE
    assert cli.run([*command, "--force"]) == 0 and MINE not in to.read_text("utf-8", "replace")
    assert cli.run(command) == 0
    (tmp_path / "folder").mkdir()
    assert cli.run([str(tmp_path / "folder") if part == str(to) else part for part in command]) == 2


def test_prompts_are_shown_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-of-the-environment-91b2")
    (tmp_path / "t.csv").write_text("id,user,body\n1,u1,it says canary-of-the-environment-91b2 here\n")
    (tmp_path / "p.rlm").write_text('answer t | ask("What?", on=body, returns={said: text})\n')
    assert cli.run(["explain", str(tmp_path / "p.rlm"), "--context", f"t={tmp_path}/t.csv", "--prompts"]) == 0
    told = capsys.readouterr().out
    assert "canary" not in told and "‹secret:env:" in told
