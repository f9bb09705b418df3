"""Names of data: what is taken can be written in programs as it is, what is not is refused with a free name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rlm_dsl
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.names import check_name, free_name, is_usable
from rlm_dsl.language.syntax.parse import parse
from tests.support.commands import command

WORDS = "context param show answer true false null and or not in between is matches None True NULL table list count"


def counted(name: str) -> bool:
    """Whether programs can write a name bare: declared, piped, looked at, as a column and as the name of one."""
    text = f"context {name}: table({name}: int)\nshow {name} | where({name} > 1)\nanswer {name} | select({name}={name})"
    try:
        return not check(parse(Source("p", text)), Environment()).problems
    except ProgramError:
        return False


@given(st.text() | st.sampled_from(WORDS.split()) | st.from_regex(r"[a-z_]{1,3}[0-9 -]?", fullmatch=True))
@example("1 bad").via("an agent")
@example("my-data").via("an agent")
@example("").via("no name at all")
def test_a_name_that_is_taken_can_be_written(name: str) -> None:
    free = free_name(name)
    assert is_usable(free)
    if is_usable(name):
        check_name(name)
        assert free == name and (counted(name) or not name.isascii())
    else:
        assert not (name.isidentifier() and counted(name))
        with pytest.raises(UserError) as refused:
            check_name(name, "call it {name}")
        assert refused.value.hint == f"call it {free}"


def test_names_are_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    done = command(tmp_path, "ask", "How many?", "--context", f"1 bad={tmp_path / 'none.csv'}", "--model", "m")
    assert done.code == 2
    assert (
        done.err
        == "error: `1 bad` is no name that a program can write\n  hint: name it otherwise: --context data_1_bad=PATH\n"
    )
    with pytest.raises(UserError, match="`in` is a word of the language\n  hint: name it otherwise: data_in"):
        rlm_dsl.ask("How many?", {"in": tmp_path / "none.csv"}, model="m")


def test_a_program_may_still_declare_any_name() -> None:
    rows: Any = [{"answer": "a", "in": 1}]
    program = "context `1 bad`: table(answer: text, in: int)\nanswer `1 bad` | select(answer, more=`in` + 1)"
    assert rlm_dsl.run(program, {"1 bad": rows}).value == [{"answer": "a", "more": 2}]
