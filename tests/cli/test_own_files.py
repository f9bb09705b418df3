"""What commands write over: their own files, and none of anyone else's.

In: commands with a place to write to, and what lies there. Out: nothing but a verdict. Law: a file of another kind
stays as it was; the same command twice gives the same file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rlm_dsl import cli
from tests.support.commands import command
from tests.support.forging import json_change, sealed_anew

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
    words = writing(recorded_trace, to)[name]
    to.write_text(MINE)
    assert cli.run(words) == 2 and "is no file that this command wrote" in capsys.readouterr().err
    assert to.read_text() == MINE
    assert cli.run([*words, "--force"]) == 0 and MINE not in to.read_text("utf-8", "replace")
    assert cli.run(words) == 0
    (tmp_path / "folder").mkdir()
    assert cli.run([str(tmp_path / "folder") if part == str(to) else part for part in words]) == 2


def test_prompts_are_shown_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary-of-the-environment-91b2")
    (tmp_path / "t.csv").write_text("id,user,body\n1,u1,it says canary-of-the-environment-91b2 here\n")
    (tmp_path / "p.rlm").write_text('answer t | ask("What?", on=body, returns={said: text})\n')
    assert cli.run(["explain", str(tmp_path / "p.rlm"), "--context", f"t={tmp_path}/t.csv", "--prompts"]) == 0
    told = capsys.readouterr().out
    assert "canary" not in told and "‹secret:env:" in told


def test_what_takes_long_looks_first_whether_it_may_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before a model is asked: of these two none is."""
    (tmp_path / "t.csv").write_text("id,body\n1,x\n")
    (tmp_path / "p.rlm").write_text('answer t | keep("good?", on=body) | count()\n')
    (tmp_path / "l.jsonl").write_text('{"id": 1, "label": true}\n' * 40)
    (tmp_path / "p.tuned.yaml").write_text(MINE)
    asked = ["optimize", "p.rlm", "--context", "t=t.csv", "--examples", "l.jsonl", "--model", "m"]
    refused = command(tmp_path, *asked, "--base-url", "http://127.0.0.1:9/v1")
    assert refused.code == 2 and "p.tuned.yaml is there, and is no file that this command wrote" in refused.err
    sections = 'sections:\n- text: "{answer} rows"\n'
    (tmp_path / "report.yaml").write_text(
        f"title: T\ncontexts: {{t: t.csv}}\nsteps: answer t | count()\nout: out\n{sections}"
    )
    (tmp_path / "out").mkdir()
    for name in ("report.html", "report.md", "report.json"):
        (tmp_path / "out" / name).write_text(MINE)
        refused = command(tmp_path, "report", "report.yaml")
        assert refused.code == 2 and f"{name} is there, and is no file" in refused.err
        assert (tmp_path / "out" / name).read_text() == MINE
        (tmp_path / "out" / name).unlink()
    assert command(tmp_path, "report", "report.yaml").code == 0
    assert command(tmp_path, "report", "report.yaml").code == 0
    (tmp_path / "out" / "report.md").write_text(MINE)
    assert command(tmp_path, "report", "report.yaml", "--force").code == 0


def test_nothing_is_written_through_a_link_or_over_what_lies_beside(recorded_trace: Path, tmp_path: Path) -> None:
    """Names that a command makes of another: `blessed.yaml.partial`, `run.trace.partial`."""
    mine, folder = tmp_path / "mine", tmp_path / "traces"
    mine.write_text(MINE)
    shutil.copytree(recorded_trace, folder / "run.trace")
    (folder / "blessed.yaml.partial").symlink_to(mine)
    data = ["--context", f"tickets={recorded_trace.parent / 'tickets.csv'}"]
    assert command(tmp_path, "bless", "traces/run.trace", *data).code == 0
    for name in ("packed.zip.partial", "out.trace.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text(MINE)
    assert command(tmp_path, "pack", "traces/run.trace", "--to", "packed.zip").code == 0
    assert command(tmp_path, "unpack", "packed.zip", "--to", "out.trace").code == 0
    held = [mine, tmp_path / "packed.zip.partial" / "mine", tmp_path / "out.trace.partial" / "mine"]
    assert [path.read_text() for path in held] == [MINE] * 3


def test_a_kept_context_that_holds_a_secret_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,body\n1,it is canary-of-the-environment-91b2 here\n")
    loaded = command(
        tmp_path, "load", "t=t.csv", SOME_TOKEN="canary-of-the-environment-91b2", OTHER_TOKEN="not-in-there"
    )
    assert "rows hold the value of SOME_TOKEN, and are kept as they are" in loaded.err and "OTHER" not in loaded.err
    assert "canary" not in loaded.out + loaded.err


@pytest.mark.parametrize("name", ["looks", "standard-input", "rows-0-9-a.trigrams", "context.json", ".rows.1"])
def test_nothing_is_written_through_a_link_of_a_kept_context(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.log").write_text("one\ntwo\n")
    (tmp_path / "mine").write_text(MINE)
    (tmp_path / "p.rlm").write_text('answer t | grep(r"one", on=text) | count()\n')
    assert command(tmp_path, "load", "t=a.log").code == 0
    (tmp_path / "t.rlmctx" / name).unlink(missing_ok=True)
    (tmp_path / "t.rlmctx" / name).symlink_to(tmp_path / "mine")
    words = (["run", "p.rlm", "--context", "t=t.rlmctx"], ["load", "t.rlmctx"], ["load", "t=-", "--to", "t.rlmctx"])
    for asked in words:
        refused = command(tmp_path, *asked, stdin="three\n")
        assert refused.code == 2 and "is a link" in refused.err, refused
    assert (tmp_path / "mine").read_text() == MINE
    assert command(tmp_path, "load", "t=a.log", "--to", "t.rlmctx").code == 2


def test_a_report_made_of_a_strangers_trace_names_none_of_my_files(recorded_trace: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded_trace, tmp_path / "project" / "a.trace")
    for given in ("/etc/passwd", "https://example.org/a.csv", "-", "../../private.csv"):
        json_change("trace.json", 0, ("contexts", 0, "given"), lambda _, given=given: given)(
            tmp_path / "project/a.trace"
        )
        sealed_anew(tmp_path / "project" / "a.trace")
        made = command(tmp_path / "project", "report", "init", "a.trace", "--out", "made")
        spec = (tmp_path / "project" / "made" / "report.yaml").read_text()
        assert made.code == 0 and "tickets: SAY-WHERE/tickets" in spec, (given, spec)
        assert "say in report.yaml" in made.err
        shutil.rmtree(tmp_path / "project" / "made")
