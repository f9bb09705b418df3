"""A format is a file or folder of formats/: what stands there is known everywhere, and nothing else of it.

In: the registry, and formats made for the test. Out: nothing but a verdict. Law: what a format says of itself is so.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pyarrow import feather

from rlm_dsl.cli.commands import group
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context import formats as folder
from rlm_dsl.context.format import Format
from rlm_dsl.context.format_list import format_rows, with_formats
from rlm_dsl.context.format_registry import formats, own_column
from rlm_dsl.context.loading import load
from rlm_dsl.engine.storage.refresh import refresh_context
from rlm_dsl.engine.storage.store import store_context
from tests.context.test_context import written
from tests.support.paths import DOCS

NEW = '''"""Paragraphs of text."""

from rlm_dsl.context.format import Append, Format
from rlm_dsl.context.formats.lines import lines_of, load_lines, notes_of

FORMAT = Format(
    name="paragraph", summary="a row a paragraph", load=load_lines, endings=(".para",), many=True, extra="paragraphs",
    own="text", append=Append(lines_of, notes_of),
)
'''


@pytest.fixture(params=["paragraph.py", "paragraph/__init__.py"])
def new_format(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A format in one file, or in a folder, of formats/."""
    written(tmp_path, f"more/{request.param}", NEW)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path / "more")])
    formats.cache_clear()
    yield
    sys.modules.pop(f"{folder.__name__}.paragraph", None)
    formats.cache_clear()


@pytest.mark.usefixtures("new_format")
def test_adding_a_format_is_adding_a_file(tmp_path: Path) -> None:
    """Loading knows it by its name and by its ending, errors, help and docs list it, kept contexts grow by its rule."""
    path = written(tmp_path, "a.para", "one\ntwo\n")
    assert load("d", path).count == load("d", path, format="paragraph").count == 2
    assert own_column(load("d", written(tmp_path, "a.csv", "text\nx\n"))) == ""
    with pytest.raises(UserError, match="no format is called 'paragraf'") as caught:
        load("d", path, format="paragraf")
    assert caught.value.hint == "did you mean `paragraph`?"
    told = CliRunner().invoke(group, ["load", "--help"]).output
    assert "paragraph  a row a paragraph (.para); needs rlm-dsl[paragraphs]" in told
    assert "| `paragraph` | a row a paragraph | `.para` | yes | `rlm-dsl[paragraphs]` |" in with_formats(
        "<!-- generated: formats -->\n<!-- end -->"
    )


def test_a_name_that_is_no_format_is_told_the_formats(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load("d", written(tmp_path, "a.txt", "x"), format="?")
    assert caught.value.hint == f"formats: {', '.join(sorted(formats())[:12])} and {len(formats()) - 12} more"


def test_the_folder_holds_formats_alone() -> None:
    for path in Path(folder.__path__[0]).iterdir():
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists():
            module = sys.modules[f"{folder.__name__}.{path.stem}"]
            assert any(isinstance(value, Format) for value in vars(module).values()), path


def test_names_and_endings_are_of_one_format_alone() -> None:
    found = [value for m in list(sys.modules.values()) if m.__name__.startswith(f"{folder.__name__}.")
             for value in vars(m).values() if isinstance(value, Format)]  # fmt: skip
    assert {value.name for value in found} == set(formats()) and all(formats()[v.name] is v for v in found)
    endings = Counter(ending for format in formats().values() for ending in format.endings)
    assert set(endings.values()) == {1} and all(e == e.lower() and e.startswith(".") for e in endings)
    assert all(format.endings or format.schemes or not format.extra for format in formats().values())


def test_what_a_format_needs_can_be_installed() -> None:
    extras = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {format.extra for format in formats().values()} - {""} <= set(extras)


def a_file(folder: Path, name: str, stem: str) -> None:
    """A small file of a format, with something of its own in it."""
    path = folder / f"{stem}{(*formats()[name].endings, '.txt')[0]}"
    match name:
        case "parquet":
            folder.mkdir(exist_ok=True)
            pq.write_table(pa.table({"a": [stem]}), path)
        case "arrow":
            folder.mkdir(exist_ok=True)
            feather.write_feather(pa.table({"a": [stem]}), path)
        case "json" | "jsonl":
            written(folder, path.name, f'{{"a": "{stem}"}}\n')
        case "csv" | "tsv":
            written(folder, path.name, f"a\n{stem}\n")
        case _:
            written(folder, path.name, f"Subject: {stem}\n\nx\n")


@pytest.mark.parametrize("name", formats())
def test_a_format_takes_several_files_or_refuses_them(tmp_path: Path, name: str) -> None:
    if formats()[name].schemes:
        return
    for each in "ab":
        a_file(tmp_path, name, each)
    if formats()[name].many and not formats()[name].extra:
        context = load("d", str(tmp_path), format=name)
        assert {*context.rows["path"].to_pylist()} == {source.shown for source in context.sources}
        assert len(context.sources) == 2
    elif not formats()[name].many:
        with pytest.raises(UserError, match="is not one file"):
            load("d", str(tmp_path), format=name)


@pytest.mark.parametrize("name", formats())
def test_a_format_that_appends_reads_what_came_alone(tmp_path: Path, name: str) -> None:
    """And another reads all again."""
    form = formats()[name]
    if not form.many or form.extra:
        return
    a_file(tmp_path / "data", name, "a")
    store_context("d", str(tmp_path / "data"), tmp_path / "d.rlmctx", name)
    a_file(tmp_path / "data", name, "b")
    grows = form.append is not None or form.table is not None
    assert refresh_context(tmp_path / "d.rlmctx")[0].startswith("grown: " if grows else "read again: ")
    if name in ("parquet", "arrow", "json"):
        return
    with next((tmp_path / "data").glob("b.*")).open("a") as file:
        file.write('{"a": "c"}\n' if name == "jsonl" else "y\n")
    appends = form.append is not None and form.append.notes_of is not None
    grows = appends or form.table is not None
    assert refresh_context(tmp_path / "d.rlmctx")[0].startswith("grown: " if grows else "read again: ")


def test_the_list_of_formats_is_the_registrys(request: pytest.FixtureRequest) -> None:
    page = (DOCS / "data.md").read_text(encoding="utf-8")
    if request.config.getoption("--accept"):
        (DOCS / "data.md").write_text(with_formats(page), encoding="utf-8")
    else:
        assert page == with_formats(page), "write it anew: pytest tests/context/test_formats.py --accept"
    assert [name for name, _ in format_rows()] == sorted(formats())


@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"]])
def test_help_reads_no_table_library(arguments: list[str]) -> None:
    told = (
        f"import sys, rlm_dsl, rlm_dsl.cli; rlm_dsl.cli.run({arguments}); print(sorted(m for m in sys.modules if m in "
        "{'pyarrow', 'duckdb', 'numpy', 'pypdfium2', 'markdown_it'}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
