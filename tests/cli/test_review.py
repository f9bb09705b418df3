"""`review` over a pipe: keys in, labels kept, numbers with intervals out; whatever ends it, no answer is lost."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from rlm_dsl.review.labels.file import read_labels
from tests.support.commands import command
from tests.support.processes import Process, command_started
from tests.support.runs import recorded
from tests.support.terminal import Terminal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviewed")
    recorded(folder)
    return folder


def test_keys_over_a_pipe(folder: Path) -> None:
    ran = command(
        folder, "review", "run.trace", "--labels", "l", "--rows", "10", stdin="1\n2\nu\n?\nbill\nnonsense\n2\n"
    )
    assert ran.code == 0, ran.err
    assert "[1] billing  [2] other  [?] cannot tell  [u] undo  [q] leave" in ran.err
    assert "the model said" in ran.err and "no answer of `topics`" in ran.err and "taken back" in ran.err
    assert "by 3 reviewed rows" in ran.out and "4 of 10 rows reviewed" in ran.out
    said = [label.answer and label.answer["label"] for label in read_labels(folder / "l").held]
    assert said == ["billing", None, "billing", "other"]
    again = command(folder, "review", "run.trace", "--labels", "l", "--rows", "10", stdin="q\n")
    assert "row 5 of 10" in again.err and len(read_labels(folder / "l").held) == 4


def test_plan_summary_and_other_tools(folder: Path) -> None:
    plan = command(folder, "review", "run.trace", "topics", "--labels", "p", "--plan", "--json")
    assert [each["rows"] for each in json.loads(plan.out)["plan"]] == [20, 27]
    assert "± 0.0 %" in command(folder, "review", "run.trace", "--labels", "p", "--plan").out
    assert command(folder, "review", "run.trace", "--labels", "p", "--export", "out.csv").code == 0
    text = (folder / "out.csv").read_text().replace(')",,', ')",billing,').replace("),,", "),other,")
    (folder / "in.csv").write_text(text)
    taken = command(folder, "review", "run.trace", "--labels", "p", "--import", "in.csv")
    assert taken.code == 0 and "27 labels kept" in taken.out, taken.err
    told = json.loads(command(folder, "review", "run.trace", "--labels", "p", "--summary", "--json").out)
    assert told["numbers"][0]["part"] == ["total"] and told["numbers"][0]["reviewed"] == 27
    assert (
        command(folder, "review", "run.trace", "--export", "tickets.csv", "--labels", "p").code == 2
    )  # another's file


def test_bad_input_is_told(folder: Path) -> None:
    assert "drawn by" in command(folder, "review", "run.trace", "--by", "usr").err
    assert command(folder, "review", "run.trace", "billing").code == 2
    (folder / "d").write_text('{"schema": "rlm-label/1", "id": ')
    assert "line 1 of the labels is damaged" in command(folder, "review", "run.trace", "--labels", "d", "--summary").err


def test_one_key_at_a_terminal_until_ctrl_c_or_a_kill(folder: Path) -> None:
    """Each key is an answer without Enter; what was told to be kept is on the disk, whatever ends the command."""
    pytest.importorskip("termios")

    def at_terminal(terminal: str) -> Process:
        return command_started(folder, "review", "run.trace", "--labels", "t", "--rows", "20", terminal=terminal)

    def said() -> list[str]:
        return [label.answer["label"] for label in read_labels(folder / "t").held if label.answer is not None]

    for before, ends in ((0, signal.SIGKILL), (2, signal.SIGINT)):
        at = Terminal(at_terminal)
        with at.process:
            for number, (key, label) in enumerate((("1", "billing"), ("2", "other")), before + 1):
                at.expect(f"row {number} of 20")
                at.expect("[q] leave")
                at.type(key)
                at.expect(f"kept: {label}")
                assert len(said()) == number
            at.expect("[q] leave")
            if ends == signal.SIGKILL:
                at.process.send(ends)
                assert at.ended() == -signal.SIGKILL
            else:
                at.type("\x03")
                assert "4 of 20 rows reviewed" in at.expect("labels in t") and at.ended() == 0
    assert said() == ["billing", "other"] * 2
