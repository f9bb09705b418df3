"""docs/data.md: each of its commands on data that lies here runs as it is written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rlm_dsl.context.given import read_given
from rlm_dsl.context.options import OPTIONS
from tests.context.test_archives import packed
from tests.support.commands import command
from tests.support.contexts import written
from tests.support.optional import needs
from tests.support.paths import DOCS
from tests.support.workbooks import workbook

PAGE = (DOCS / "data.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith(("rlm-dsl run program.rlm", "rlm-dsl peek")) and "://" not in line
]


@needs("python_calamine")
@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_runs(tmp_path: Path, line: str) -> None:
    csv = "id,amount,zip\n1,2.5,01234\n"
    for name in ("orders.csv", "data/2026-10.csv", "data/2026-11.csv"):
        written(tmp_path, name, csv)
    for name in ("book.xlsx", "books/a.xlsx"):
        written(tmp_path, name, workbook({"Orders": [["id", "amount"], [1, 2.5]], "Notes": [["x"], ["y"]]}))
    packed(tmp_path, "orders.zip", {"2026/a.csv": csv.encode()})
    written(tmp_path, "program.rlm", "answer count(orders)")
    ran = command(tmp_path, *shlex.split(line, comments=True)[1:])
    assert ran.code == 0, ran.err


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 7


def test_the_options_of_the_page_are_those_there_are_and_their_examples_are_read() -> None:
    rows = re.findall(r"^\| (`[a-z_, `]+`) \| .* \| `([^|]+)` \|$", PAGE.partition("| option |")[2], re.MULTILINE)
    told = {name for names, _ in rows for name in re.findall(r"[a-z_]+", names)}
    assert told == {*OPTIONS}
    for names, example in rows:
        given = read_given(f"t:csv({example})=t.csv")[1]
        assert {*given.options.said} == {*re.findall(r"[a-z_]+", names)}, example
