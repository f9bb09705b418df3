"""What the commands print, wherever it goes: encodings without its signs, readers that go, disks that are full."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from rlm_dsl import cli
from rlm_dsl.cli import progress
from rlm_dsl.cli.render.table import table_text
from rlm_dsl.common.diagnostics import Diagnostic, cells, render
from rlm_dsl.common.source import Source, Span

PROGRAM = 'context t: table(a: int, b: text)\n`größe` = t | where(b != "–")\nanswer `größe`\n'
ROWS = [{"a": 1, "b": "東京 é –"}, {"a": 2, "b": "😀 \\"}]
COMMANDS = (
    "run p.rlm --context t=t.jsonl --trace t.trace",
    "run p.rlm --context t=t.jsonl --json",
    "verify t.trace",
    "show t.trace",
    "show t.trace --json",
    "cite t.trace",
    "cite t.trace --json",
    "diff t.trace t.trace --json",
    "diff t.trace t.trace --md",
    "export t.trace --otlp",
    "fmt p.rlm",
    "explain p.rlm --context t=t.jsonl",
    "check größe.rlm",
    "--help",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLM_DSL_STORE", str(tmp_path / "s.sqlite"))
    (tmp_path / "p.rlm").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def printed(words: str, encoding: str) -> tuple[int, str, str]:
    """What a command prints to streams of an encoding, strict as Python makes them."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, "strict") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(words.split())
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
    return code, out.read(), err.read()


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii", "utf-8"])
def test_what_an_encoding_has_not_is_printed_as_an_escape(folder: Path, encoding: str) -> None:
    for words in COMMANDS:
        code, out, err = printed(words, encoding)
        assert code == (2 if "größe" in words else 0) and "internal" not in err, (words, err)
        if "--json" in words or "--otlp" in words:
            json.loads(out)
        if "run" in words and "--json" in words:
            assert json.loads(out) == ROWS
    code, _, err = printed("run half\udcff.rlm", encoding)
    assert code == 2 and "half" in err and "internal" not in err


class Refusing(io.StringIO):
    """A stream that takes nothing."""

    def __init__(self, refusal: OSError) -> None:
        super().__init__()
        self.refusal = refusal

    def write(self, text: str) -> int:
        raise self.refusal


def test_notes_that_no_one_reads_stop_no_run(folder: Path) -> None:
    """A CSV with a column that has no name is noted, and the run goes on."""
    (folder / "n.csv").write_text("a,\n1,2\n")
    (folder / "n.rlm").write_text("answer count(n)")
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(Refusing(BrokenPipeError(32, "Broken pipe"))):
        assert cli.run("run n.rlm --context n=n.csv --json".split()) == 0
    assert out.getvalue() == "1\n"
    with redirect_stderr(Refusing(OSError(28, "No space left on device"))):
        assert cli.run(["run", "none.rlm"]) == 2


@pytest.mark.parametrize(
    ("refusal", "code", "says"),
    [
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
        (
            OSError(28, "No space left on device"),
            2,
            "error: the output cannot be written: No space left on device\n  hint: make room on the disk\n",
        ),
    ],
)
def test_results_that_no_one_takes_end_the_command(folder: Path, refusal: OSError, code: int, says: str) -> None:
    for words in ("run p.rlm --context t=t.jsonl --json", "fmt p.rlm", "card"):
        err = io.StringIO()
        with redirect_stdout(Refusing(refusal)), redirect_stderr(err):
            assert cli.run(words.split()) == code
        assert err.getvalue() == says


def test_streams_that_are_closed_take_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert cli.run("run p.rlm --context t=t.jsonl".split()) == 0
    assert cli.run(["run", "none.rlm"]) == 2
    sys.stdout.close()
    sys.stderr.close()


ANY = ["日本語ユーザー" * 9, "u\x1b[31mred \x9b31m\x07", "👍🏽 " * 40, "\u202egnp [/] [bold]", "é" * 90, None]


def test_a_table_is_no_wider_than_the_terminal_whatever_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe it is as wide as it was."""
    columns, rows = ("id", "user", "body"), [[n, one, other] for n, one in enumerate(ANY) for other in ANY]
    monkeypatch.delenv("COLUMNS", raising=False)
    assert max(map(cells, table_text(columns, rows).splitlines())) > 100
    monkeypatch.setenv("COLUMNS", "80")
    told = table_text(columns, rows).splitlines()
    assert max(map(cells, told)) <= 76 and len(told) == 22 and told[0].split() == list(columns)
    assert all("\x1b" not in line and "\x9b" not in line and "\u202e" not in line for line in told)


def test_a_bar_takes_a_step_of_any_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Names with brackets are no markup, and none is a command to the terminal."""
    monkeypatch.setattr(progress, "watched", lambda: True)
    for name in ("odd [/] [bold]", "\x1b[31m\x9b2J\u202e", "名前" * 60):
        bar = progress.Bar()
        bar.watch(lambda: "1 call [/]")
        bar.round_started(name, 2, 2)
        bar.answered(name)
        bar.bar.refresh()
        bar.round_ended(name)
        task = progress.told_step(name, 2)
        assert "\x1b" not in task and "\x9b" not in task and "\u202e" not in task and cells(task) <= 40
    assert "\x1b[31m" not in capsys.readouterr().err


def test_a_caret_stands_below_what_is_wrong_whatever_stands_before_it() -> None:
    """Wide characters take two cells, and what is made visible as many as it is shown by."""
    text = "x = t | where(`\x1b[31m顧客\u202e` == usr)"
    at = text.index("usr")
    told = render(Diagnostic("C01", "unknown", Span(at, at + 3)), Source("p.rlm", text)).splitlines()
    before = told[2].index("usr")
    assert cells(told[3]) - cells(told[2][:before]) == 3 and told[3].endswith(" ^^^")
