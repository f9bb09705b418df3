"""Labels corrected by hand: a step of the program, recorded, verified and told, without a call."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import rlm_dsl
from rlm_dsl import traces
from rlm_dsl.cli import run as command
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.corrections import Correction, corrections_told, with_corrections
from rlm_dsl.report.coverage import coverage
from tests.support import runs

TOLD = 'corrected by hand in `topics`: `topic` is "billing" where id == 7 (read by Ann)'
ANN = Correction.read("topics", 'topic="billing"', "id == 7", "read by Ann")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.recorded(tmp_path_factory.mktemp("corrected"), 12)


def test_a_label_is_corrected_on_record_and_nothing_is_asked(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recorded.parent / "corrected.trace"
    shutil.rmtree(made, ignore_errors=True)
    found = rlm_dsl.rerun(recorded, corrections=[ANN], to=made, store=str(tmp_path / "s.sqlite"))
    before = 2
    assert found.result.value["total"] == before + 1 and found.result.spent.calls == 0
    assert (
        'into=topic)\n       | correct(topic, to="billing", where=id == 7, why="read by Ann")' in found.result.program
    )
    assert rlm_dsl.verify(made).ok
    assert TOLD in list(coverage(traces.show(made)))
    assert all(citation.corrected == (TOLD,) for citation in traces.cite(made))
    for line in (["show", str(made)], ["cite", str(made)], ["diff", str(recorded), str(made)]):
        command(line)
        assert "corrected by hand" in capsys.readouterr().out, line
    assert traces.show(made).as_json()["parent"]["different"] == {"corrected": [TOLD]}


def test_a_forged_correction_is_found(recorded: Path, tmp_path: Path) -> None:
    made = recorded.parent / "forged.trace"
    rlm_dsl.rerun(recorded, corrections=[ANN], to=made, store=str(tmp_path / "s.sqlite"))
    program = made / "program.rlm"
    program.write_text(program.read_text().replace("id == 7", "id == 5"))
    assert not rlm_dsl.verify(made).ok


def test_the_command_corrects_what_is_named(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = str(recorded.parent / "command.trace")
    given = ["correct", str(recorded), "--at", "topics", "--trace", made, "--store", ":memory:"]
    assert command([*given, "--set", 'topic="other"', "--where", "id == 4"]) == 0
    assert 'corrected by hand in `topics`: `topic` is "other" where id == 4\n' in capsys.readouterr().out
    assert command([*given, "--set", 'topic="sport"', "--where", "id == 4"]) == 2
    assert "`sport` is none of the labels of `topic`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "gives"),
    [
        ("x = t | classify(on=b, labels=['p', 'q']) | where(label == 'p')", "label='q'"),
        ("x = classify(t, on=b, labels=['p', 'q']) | where(label == 'p')", "label='q'"),
        ("x = t | where(n > 1)", "n=1"),
        ("x = t", "n=1"),
    ],
)
def test_a_correction_stands_behind_what_made_the_value(program: str, gives: str) -> None:
    made = with_corrections(Source("p", program), (Correction.read("x", gives, "n == 2"),))
    first, rest = made.split("correct(")[0], made.split("correct(")[1]
    assert "where(label" not in first and ("where(label" in rest) == ("classify" in program)
    assert len(corrections_told(made)) == 1
    twice = with_corrections(Source("p", made), (Correction.read("x", gives, "n == 3"),))
    assert [told.rpartition(" ")[2] for told in corrections_told(twice)] == ["2", "3"], "a later one goes last"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ('t | correct(n, to="x", where=n == 1)', "`n` is int, and this is text"),
        ("t | correct(n + 1, to=2, where=n == 1)", "what is corrected is a column"),
        ("t | correct(n, to=2, where=n)", "a condition is wanted"),
    ],
)
def test_what_cannot_be_set_is_refused(program: str, says: str) -> None:
    with pytest.raises(ProgramError, match=says.replace("+", r"\+")):
        rlm_dsl.run(f"answer {program}", {"t": [{"n": 1}]})


def test_what_is_no_correction_is_said() -> None:
    assert corrections_told("x = (") == [] and corrections_told("answer t | take(1)") == []
    for setting, where in (("topic", "id == 1"), ("topic='x'", ""), ("topic='x'", "id =="), ("topic='x'", "a b = c")):
        with pytest.raises(UserError):
            Correction.read("topics", setting, where)
    with pytest.raises(UserError, match="no step `nope`"):
        with_corrections(Source("p", "x = t"), (Correction.read("nope", "a=1", "b == 1"),))
