"""Traces as tests: on the command line, in pytest and in JUnit's form; blessing, and models that are flaky."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

import rlm_dsl
from rlm_dsl.cli import run as command
from rlm_dsl.testing import serve
from tests.support import runs
from tests.support.paths import ROOT

pytest_plugins = ["pytester"]


def golden_traces() -> list[Path]:
    return sorted(path.parent for path in (ROOT / "traces").glob("*/trace.json"))


@pytest.mark.parametrize("trace", golden_traces(), ids=lambda path: path.name)
def test_every_golden_trace_verifies_for_good(trace: Path) -> None:
    assert rlm_dsl.verify(trace).ok, rlm_dsl.verify(trace).divergences


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    runs.recorded(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trace beside its data, at another place than it was recorded at: data is named again."""
    shutil.copytree(made / "run.trace", tmp_path / "traces" / "run.trace")
    shutil.copy(made / "tickets.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = command([*words])
    found = capsys.readouterr()
    return code, found.out + found.err


DATA = ("--context", "tickets=tickets.csv")


def test_a_trace_is_a_test_and_an_answer_is_blessed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "test", *DATA)[1].splitlines()[-1].startswith("1 trace, 0 failed, 0 model calls")
    lines = (folder / "tickets.csv").read_text().splitlines()
    (folder / "tickets.csv").write_text("\n".join(lines[:-5]) + "\n")
    code, out = told(capsys, "test", *DATA, "--junit", "junit.xml")
    assert code == 1 and "✗ run.trace  another answer than was blessed" in out and "answer  ! total  7 -> 6" in out
    suite = ElementTree.parse(folder / "junit.xml").getroot()[0]
    failure = suite[0].find("failure")
    assert suite.get("failures") == "1" and failure is not None and "total  7 -> 6" in (failure.text or "")
    code, out = told(capsys, "bless", "traces/run.trace", *DATA)
    assert code == 0 and "total  7 -> 6" in out and "traces/blessed.yaml" in out
    assert "value: 6" in (folder / "traces" / "blessed.yaml").read_text()
    code, out = told(capsys, "test", *DATA, "--json")
    assert code == 0 and json.loads(out)["tests"][0]["told"] == "other data, the same answer"


def test_what_fails_says_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "tickets.csv").write_text(runs.csv(44))
    code, out = told(capsys, "test", *DATA)
    assert code == 1 and "3 requests have no recorded answer" in out and "rlm-dsl rerun traces/run.trace" in out
    (folder / "tickets.csv").write_text(runs.csv(40))
    answer = folder / "traces" / "run.trace" / "answer.json"
    answer.write_text(answer.read_text().replace('"value": 7', '"value": 8'))
    code, out = told(capsys, "test", *DATA)
    assert code == 1 and "does not verify: D01 answer.json was changed" in out
    assert "does not verify, and is not blessed" in told(capsys, "bless", "traces/run.trace", *DATA)[1]
    answer.write_text(answer.read_text().replace('"value": 8', '"value": 7'))
    (folder / "traces" / "blessed.yaml").write_text("- no\n")
    assert "is not what `rlm-dsl bless` writes" in told(capsys, "test", *DATA)[1]
    assert told(capsys, "test", "-k", "nothing")[0] == 2 and told(capsys, "test", "nowhere")[0] == 2


def test_a_blessing_changed_by_hand_passes_no_test(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "bless", "traces/run.trace", *DATA)[0] == 0
    blessed = folder / "traces" / "blessed.yaml"
    sound = blessed.read_text()
    entry = sound.partition("\n")[2]
    digest = sound.partition("digest: ")[2].split("\n")[0].strip("'")
    at = next(number for number, line in enumerate(sound.splitlines(), 1) if "value: 7" in line)
    by_hand = {
        "another value": (sound.replace("value: 7", "value: 8"), "changed by hand"),
        "another digest": (sound.replace(digest, digest[:-1] + ("0" if digest[-1] != "0" else "1")), "changed by hand"),
        "a digest alone": (sound.partition("  parts:")[0].replace(digest, "f" * 64), "another answer than was blessed"),
        "another head": (re.sub(r"head: '?[0-9a-f]{64}'?", f"head: '{'0' * 64}'", sound), "another trace of this name"),
        "a name twice": (sound + entry, "line 2 has a name twice"),
        "a field twice": (sound.replace("  digest:", "  digest: odd\n  digest:"), "has a name twice"),
        "one field more": (sound.replace("  digest:", "  odd: 1\n  digest:"), "is not what `rlm-dsl bless` writes"),
        "an anchor": (sound.replace("value: 7", "value: &a 7"), f"line {at} has an anchor or a tag"),
        "nothing": ("", "is not what `rlm-dsl bless` writes"),
        "a comment": ("# nothing\n", "is not what `rlm-dsl bless` writes"),
        "a list": ("[]\n", "is not what `rlm-dsl bless` writes"),
        "an empty mapping": ("{}\n", "is not what `rlm-dsl bless` writes"),
        "no": ("false\n", "is not what `rlm-dsl bless` writes"),
        "a path": (sound.replace("run.trace:", "../traces/run.trace:"), "is not what `rlm-dsl bless` writes"),
        "a trace that is gone": (sound + entry.replace("run.trace:", "gone.trace:"), "it is gone, and blessed.yaml"),
    }
    for case, (text, said) in by_hand.items():
        assert text != sound, case
        blessed.write_text(text)
        code, out = told(capsys, "test", *DATA)
        assert code in (1, 2) and said in out, (case, out)
        assert "Traceback" not in out and "internal error" not in out
    blessed.write_text(by_hand["another value"][0])
    code, out = told(capsys, "bless", "traces/run.trace", *DATA)
    assert code == 0 and "value: 7" in blessed.read_text(), "what is advised leads on"
    blessed.unlink()
    blessed.symlink_to(folder / "tickets.csv")
    assert "is no file that is read" in told(capsys, "test", *DATA)[1]
    blessed.unlink()
    blessed.write_text(sound)
    assert told(capsys, "test", *DATA)[0] == 0


def test_runs_that_stopped_are_told_and_not_tested(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a report's failed try leaves is no failure of its folder; a seal that is gone is one."""
    stopped = folder / "traces" / "stopped.trace"
    stopped.mkdir()
    for name in ("trace.json", "events.jsonl"):
        (stopped / name).write_bytes((folder / "traces/run.trace" / name).read_bytes())
    code, out = told(capsys, "test", *DATA, "--junit", "junit.xml")
    assert code == 0 and "- stopped.trace  unfinished, and not tested; finish it: rlm-dsl resume" in out
    assert "2 traces, 0 failed, 1 not tested" in out
    assert ElementTree.parse(folder / "junit.xml").getroot()[0].get("skipped") == "1"
    assert told(capsys, "test", "traces/stopped.trace")[0] == 1
    (folder / "traces" / "run.trace" / "seal.json").unlink()
    code, out = told(capsys, "test", *DATA)
    assert code == 1 and "run.trace is unfinished: it has no seal" in out


def test_a_model_that_answers_one_request_differently_is_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tickets.csv").write_text(runs.csv(40))
    with serve(gold=runs.gold(40)) as server:
        port, url = int(server.base_url.rpartition(":")[2].partition("/")[0]), server.base_url
    for number in (1, 2, 3):
        with serve(gold=runs.gold(40), error_rate=0.3 * (number == 2), seed=5, port=port):
            rlm_dsl.run(runs.PROGRAM, {"tickets": "tickets.csv"}, model="m", base_url=url, store=":memory:",
                        trace=folder / "flaky" / f"{number}.trace")  # fmt: skip
    code, out = told(capsys, "test", "flaky", "--json")
    flaky = json.loads(out)["flaky"]
    assert code == 0 and 0 < len(flaky) < 27 and {"1.trace", "2.trace"} <= set(flaky[0]["answers"])
    assert f"! {len(flaky)} same requests were answered differently: topics" in told(capsys, "test", "flaky")[1]


def test_pytest_takes_traces_as_tests(pytester: pytest.Pytester, made: Path) -> None:
    shutil.copytree(made / "run.trace", pytester.path / "traces" / "run.trace")
    shutil.copytree(made / "run.trace", pytester.path / "traces" / "bad.trace")
    (pytester.path / "traces" / "bad.trace" / "plan.sql").write_text("SELECT 1;\n")
    pytester.makepyfile("def test_own():\n    pass\n")
    found = pytester.runpytest("--rlm-traces", "traces", "-p", "no:cacheprovider")
    found.assert_outcomes(passed=2, failed=1)
    found.stdout.fnmatch_lines(["*bad.trace*does not verify: D01 plan.sql was changed*"])
    assert "Traceback" not in found.stdout.str()
    assert pytester.runpytest("--rlm-traces", "traces", "-k", "run.trace").ret == 0
    assert pytester.runpytest("--rlm-traces", "nowhere").ret == pytest.ExitCode.USAGE_ERROR
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)
