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
    told = capsys.readouterr().out
    assert 'corrected by hand in `topics`: `topic` is "other" where id == 4\n' in told
    assert "1 row corrected by hand; nothing was asked" in told
    assert command([*given, "--set", 'topic="sport"', "--where", "id == 4"]) == 2
    assert "`sport` is none of the labels of `topic`" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["id == 600", "id == 4", "id < 0"])
def test_a_correction_that_changes_no_row_is_refused(recorded: Path, tmp_path: Path, where: str) -> None:
    made = recorded.parent / "unchanged.trace"
    before = Correction.read("topics", 'topic="other"', "id == 4")
    first = rlm_dsl.rerun(recorded, corrections=[before], to=tmp_path / "first.trace", store=":memory:")
    assert first.corrected == (1,) and first.result.trace is not None
    again = Correction.read("topics", 'topic="other"', where)
    with pytest.raises(UserError, match="changes no row of `topics`") as refused:
        rlm_dsl.rerun(first.result.trace, corrections=[again], to=made, store=":memory:")
    assert refused.value.exit_code == 2 and not (made / "seal.json").exists()


@pytest.mark.parametrize(
    ("program", "step", "counts"),
    [
        ("x = t | where(n > 0) | correct(w, to='z', where=n == 2) | take(3)\nanswer count(x)", "x", (2, 1)),
        ("x = t\nanswer {all: x, few: x | where(n > 1)}", "x", (3, 1)),
        ("answer t | sort(-n)", "answer", (3, 1)),
        ("x = t | derive(m=n * 2)\ny = x | group(by=w, n=count())\nanswer y", "x", (3, 1)),
    ],
)
def test_the_rows_that_each_correction_changes_are_counted(
    tmp_path: Path, program: str, step: str, counts: tuple[int, ...]
) -> None:
    (tmp_path / "t.csv").write_text("n,w\n1,a\n2,b\n3,c\n")
    first = rlm_dsl.run(program, {"t": str(tmp_path / "t.csv")}, trace=tmp_path / "a.trace")
    assert first.trace is not None
    given = [Correction.read(step, 'w="z"', "n > 0"), Correction.read(step, 'w="q"', "n == 3")]
    assert rlm_dsl.rerun(first.trace, corrections=given).corrected == counts


def test_a_correction_that_the_answer_does_not_need_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n\n1\n")
    program = "x = t | take(1)\nanswer count(t)"
    first = rlm_dsl.run(program, {"t": str(tmp_path / "t.csv")}, trace=tmp_path / "a.trace")
    assert first.trace is not None
    with pytest.raises(UserError, match="does not rest on `x`"):
        rlm_dsl.rerun(first.trace, corrections=[Correction.read("x", "n=2", "n == 1")])


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
