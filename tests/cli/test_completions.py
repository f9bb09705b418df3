"""What a shell offers: by click's own protocol, in the words that bash cuts at `=` and `:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlm_dsl.cli.commands import group
from rlm_dsl.cli.completions import Bash


@pytest.fixture
def offered(tmp_path: Path, recorded_trace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.trace").symlink_to(recorded_trace)
    (tmp_path / "data").mkdir()
    for name in ("data/one.csv", "data/two words.csv", "data/.hidden", "program.rlm"):
        (tmp_path / name).write_text("")
    return tmp_path


STEPS = ["mine", "topics", "billing", "answer_total", "answer_per_user_group", "answer_per_user"]
CASES: dict[str, list[str]] = {
    "correct run.trace --at ": STEPS,
    "what-if run.trace --at b": ["billing"],
    "what-if run.trace --at = b": ["billing"],
    "what-if none.trace --at b": [],
    "what-if program.rlm --at b": [],
    "review run.trace to": ["topics"],
    "verify run.trace --level ANS": ["answers", "answer"],
    "run p.rlm --context t = da": ["data/"],
    "run p.rlm --context t = data/": ["data/one.csv", "data/two\\ words.csv"],
    "run p.rlm --context t : csv = data/o": ["data/one.csv"],
    "run p.rlm --context = t = data/.": ["data/.hidden"],
    "run p.rlm --context t = gone/": [],
    "load t = data/one": ["data/one.csv"],
    "help ca": ["cache", "card"],
    "help cache st": ["stats"],
}


@pytest.mark.parametrize("typed", CASES)
def test_what_is_offered(offered: Path, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["rlm-dsl", *typed.split(" ")]
    monkeypatch.setenv("COMP_WORDS", "\n".join(words).rstrip("\n"))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    told = Bash(group, {}, "rlm-dsl", "_RLM_DSL_COMPLETE").complete()
    assert told.splitlines() == [f"plain,{word}" for word in CASES[typed]]
