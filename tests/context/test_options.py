"""Options of a context: one grammar for the command line, YAML and Python, and what becomes of what is none of it.

In: options as they are written in each place. Out: nothing but a verdict. Law: the places say the same, a problem is
told with its place, and what was read with options is read again with the same.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rlm_dsl
from rlm_dsl.cli import run as command
from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.common.yaml_file import YamlReader
from rlm_dsl.context.format_registry import formats
from rlm_dsl.context.given import Given, given_of, given_of_node, read_given
from rlm_dsl.context.options import OPTIONS, ReadingOptions, options_of
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.models.settings_file import read_settings
from tests.context.test_context import written

SAID = (
    (
        't:csv(encoding=cp1252, delimiter=";", header=no)=a=b.csv',
        Given("a=b.csv", "csv", ReadingOptions(encoding="cp1252", delimiter=";", header="no")),
    ),
    ("t=a(1).csv", Given("a(1).csv")),
    ("t:lines=x", Given("x", "lines")),
    ("t(header=3,skip=2,)=x", Given("x", None, ReadingOptions(header="3", skip=2))),
    ("t()=x", Given("x")),
    (
        "t( columns = [a, \"b, c\", 'd'] , nulls = '-' )=x",
        Given("x", None, ReadingOptions(columns=("a", "b, c", "d"), nulls=("-",))),
    ),
    (r't(delimiter="\t", quote=none)=x', Given("x", None, ReadingOptions(delimiter="\t", quote=""))),
    ("t(delimiter=tab, dates=dd.mm.yyyy)=x", Given("x", None, ReadingOptions(delimiter="\t", dates="%d.%m.%Y"))),
    ("t(encoding=Latin-1)=x", Given("x", None, ReadingOptions(encoding="iso8859-1"))),
)


@pytest.mark.parametrize(("text", "expected"), SAID, ids=[text for text, _ in SAID])
def test_the_grammar_of_the_command_line(text: str, expected: Given) -> None:
    name, given = read_given(text)
    assert (name, given.path, given.format, given.options) == ("t", expected.path, expected.format, expected.options)
    again = read_given(f"t({given.options})=x")[1]
    assert again.options == given.options == options_of(json.loads(json.dumps(given.options.said)))


def test_yaml_and_python_say_the_same() -> None:
    mapping = {"path": "x.csv", "format": "csv", "header": False, "skip": 2, "delimiter": ";", "columns": ["a", "b"]}
    text = "path: x.csv\nformat: csv\nheader: no\nskip: 2\ndelimiter: ';'\ncolumns: [a, b]\n"
    reader = YamlReader(Source("report.yaml", text))
    root = reader.root()
    assert root is not None
    node = given_of_node(reader, root)
    given = read_given('t:csv(header=no, skip=2, delimiter=";", columns=[a, b])=x.csv')[1]
    assert not reader.problems
    for each in (given_of(mapping), node, given):
        assert (each.path, each.format, each.options) == (given.path, given.format, given.options)


WRONG = (
    ("t(heder=no)=x", "no option is called `heder`", "did you mean `header`?", "t(", "heder=no"),
    ("t(header=maybe)=x", "`header` is yes, no, or the number", "such as header=no", "t(", "header=maybe"),
    ("t(skip=-1)=x", "`skip` is a whole number of lines", "such as skip=3", "t(", "skip=-1"),
    ("t(encoding=utf-9)=x", "`encoding` is the name of an encoding", "such as encoding=cp1252", "t(", "encoding=utf-9"),
    ("t(encoding=rot13)=x", "`encoding` is the name of an encoding", "", "t(", "encoding=rot13"),
    ("t(delimiter=,)=x", "a value is expected here", "quoted", "t(delimiter=", ","),
    ("t(header=no, header=no)=x", "`header` is given twice", "", "t(header=no, ", "header=no"),
    ("t(header)=x", "an option is expected here", "options: encoding", "t(", "h"),
    ("t(columns=[a)=x", "a comma or `]` is expected here", "", "t(columns=[a", ")"),
    ("t(header=no)", "`=PATH` is expected", "", "t(header=no)", "^"),
    ("t(header=no=x", "a comma or `)` is expected here", "", "t(header=no", "="),
)


@pytest.mark.parametrize(("text", "message", "hint", "before", "marked"), WRONG, ids=[each[0] for each in WRONG])
def test_what_is_wrong_is_told_with_its_place(text: str, message: str, hint: str, before: str, marked: str) -> None:
    with pytest.raises(ProgramError) as caught:
        read_given(text)
    (found,) = caught.value.diagnostics
    assert message in found.message and hint in "".join(found.hints)
    assert found.span.start == len(before)
    assert f"{' ' * len(before)}{'^' * len(marked)}" in str(caught.value)


def test_an_option_that_does_not_go_with_the_format(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told with a caret on the command line and in YAML, in words in Python, with what the format takes."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "a.csv", "a\n1\n")
    written(tmp_path, "p.rlm", "context t: table(a: int)\nanswer count(t)\n")
    assert command(["run", "p.rlm", "--context", "t(sheet=Orders)=a.csv"]) == 2
    told = capfd.readouterr().err
    assert "csv has no option `sheet`" in told and "  ^^^^^^^^^^^^\n" in told and "options of csv: " in told
    with pytest.raises(UserError, match="csv has no option `sheet`"):
        rlm_dsl.run("answer count(t)", {"t": {"path": "a.csv", "sheet": "Orders"}})
    written(tmp_path, "rlm-dsl.yaml", "contexts:\n  t: {path: a.csv, sheet: Orders}\n")
    assert command(["run", "p.rlm"]) == 2
    assert "rlm-dsl.yaml:2:20" in capfd.readouterr().err
    with pytest.raises(ProgramError, match="no option is called `heder`"):
        read_settings(Source("rlm-dsl.yaml", "contexts: {t: {path: a.csv, heder: no}}"))


def test_the_settings_file_names_data_and_how_it_is_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the command line names no data it is that of the file; where it names a path alone, its reading."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "a.csv", "a,b\n1,2\n")
    written(tmp_path, "b.csv", "b,a\n3,4\n5,6\n")
    more_data = "  other: {path: missing.csv}\n"
    written(tmp_path, "rlm-dsl.yaml", f"contexts:\n  t: {{path: a.csv, columns: [b]}}\n{more_data}")
    for declared in ("context t: table(b: int)\n", ""):
        written(tmp_path, "p.rlm", f"{declared}answer t | sum(b)\n")
        for more, expected in (([], "= 2"), (["--context", "t=b.csv"], "= 8")):
            assert command(["run", "p.rlm", *more]) == 0
            assert expected in capfd.readouterr().out


def test_what_was_read_with_options_is_read_again_with_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace keeps them: verify, and rerun on other data of the same form; so does a kept context, also when it is
    brought up to its sources, and one that is wanted otherwise is stale."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "a.csv", "a,b\n1,2\n")
    program = "context t: table(b: int)\nanswer t | sum(b)"
    result = rlm_dsl.run(program, {"t": {"path": "a.csv", "columns": ["b"]}}, trace="one.trace")
    assert result.value == 2
    assert json.loads(Path("one.trace/trace.json").read_text())["contexts"][0]["options"] == {"columns": ["b"]}
    assert rlm_dsl.verify("one.trace").ok
    written(tmp_path, "c.csv", "b,a\n5,1\n")
    again = rlm_dsl.rerun("one.trace", {"t": "c.csv"}, to="two.trace")
    assert again.result.value == 5
    assert json.loads(Path("two.trace/trace.json").read_text())["contexts"][0]["options"] == {"columns": ["b"]}
    plain = rlm_dsl.load("a.csv", columns=["b"])
    assert plain.digest != rlm_dsl.load("a.csv").digest and plain.schema.names == ("b",)
    kept = rlm_dsl.load("a.csv", to="a.rlmctx", columns=["b"])
    assert kept.digest == plain.digest and kept.options == plain.options
    written(tmp_path, "a.csv", "a,b\n1,2\n3,4\n")
    assert refresh_context(Path("a.rlmctx"))[1] == 1
    opened = rlm_dsl.load("a.rlmctx")
    assert opened.schema.names == ("b",) and opened.count == 2
    with pytest.raises(UserError, match=r"a.rlmctx is stale: it was read with columns=\[\"b\"\], and not with columns"):
        rlm_dsl.load("a.rlmctx", columns=["a"])
    assert command(["verify", "one.trace", "--context", "t(columns=[a])=a.csv"]) == 2
    assert "t is read as it was recorded" in capfd.readouterr().err


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no column `amonut`") as caught:
        rlm_dsl.load(written(tmp_path, "a.csv", "id,amount\n1,2\n"), columns=["amonut"])
    assert caught.value.hint == "did you mean `amount`?"


def test_every_format_takes_known_options() -> None:
    for format in formats().values():
        assert set(format.options) <= set(OPTIONS), format.name
