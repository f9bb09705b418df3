"""README tells the truth: its session is what the demo prints, its programs run, its tables are the registry's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_dsl.cli.commands import group
from rlm_dsl.common.source import Source
from rlm_dsl.language.operators.core.registry import aggregates, function_names, table_operators
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.language.syntax.show import show

README = Path("README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def without_times(text: str) -> str:
    """Times are of the machine; columns that hold them move with them."""
    return re.sub(r"[ \t]+", " ", re.sub(r"[\d.,]+ m?s\b", "TIME", text)).replace(" \n", "\n").strip()


def test_the_session_is_what_the_demo_prints(request: pytest.FixtureRequest) -> None:
    done = subprocess.run(
        [sys.executable, "examples/demo.py"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path.cwd()), "PATH": ""},
    )
    (session,) = blocks("text")
    if request.config.getoption("--accept"):
        Path("README.md").write_text(README.replace(session, done.stdout.strip("\n") + "\n"), encoding="utf-8")
    else:
        assert without_times(session) == without_times(done.stdout)


def test_the_program_is_the_examples(request: pytest.FixtureRequest) -> None:
    (program,) = blocks("rlm")
    held = Path("examples/tickets/program.rlm").read_text(encoding="utf-8")
    if request.config.getoption("--accept"):
        now = Path("README.md").read_text(encoding="utf-8")
        Path("README.md").write_text(now.replace(f"```rlm\n{program}", f"```rlm\n{held}"), encoding="utf-8")
    else:
        assert program == held == show(parse(Source("README", program)))
        assert held == Path("traces/tickets.trace/program.rlm").read_text(encoding="utf-8")


def test_every_command_stands_in_its_table() -> None:
    assert set(re.findall(r"^\| `([\w-]+)", README, re.MULTILINE)) == set(group.commands)


def test_the_number_of_operators_is_right() -> None:
    counts = f"{len(table_operators())} operators on tables ({len(aggregates())} of them aggregates)"
    assert f"{counts} and {len(function_names())} functions" in README


@pytest.mark.parametrize(
    "path", [*Path("examples").glob("*/program.rlm"), *Path("traces").glob("*/program.rlm")], ids=str
)
def test_every_shipped_program_is_in_canonical_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert show(parse(Source(str(path), text))) == text


@pytest.mark.parametrize("path", sorted(Path("traces").glob("*.trace")), ids=str)
def test_every_shipped_trace_verifies_and_names_no_place_of_ours(path: Path) -> None:
    from rlm_dsl.api import verify

    report = verify(path)
    assert report.ok, report.divergences
    for file in path.rglob("*"):
        if file.is_file():
            assert (
                str(Path.cwd()).encode() not in file.read_bytes() and str(Path.home()).encode() not in file.read_bytes()
            )
