"""Every command on hostile inputs, in a process that the kernel confines: a socket of the internet would end it, and no
file outside the project, the interpreter and the system's libraries can be opened, by Python, DuckDB or whatever else.

In: traces, kept contexts, databases, archives and documents that somebody made to do harm. Out: nothing but a verdict.
Law: no socket, nothing private opened, shown or written. The suite tries a part; `-m proof` every command on each.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

import rlm_dsl
from rlm_dsl import cli, traces
from tests.context.test_untrusted_stores import FORGED_PARTS, NAMES, kept, part_in
from tests.replay.test_strangers_traces import PATHS, PRIVATE, SECRET, Place, header_names
from tests.support.confined import confine, opened_in, why_not
from tests.support.paths import ROOT
from tests.support.processes import Process
from tests.support.trace_commands import trace_commands

pytestmark = pytest.mark.skipif(bool(why_not()), reason=f"nothing can be confined here: {why_not()}")

SYSTEM = ("/usr", "/lib", "/lib64", "/opt", "/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/etc/ld.so.cache",
          "/etc/localtime", "/etc/mime.types", "/etc/ssl", "/dev")  # fmt: skip
"""What an interpreter and its libraries need; devices too, so that one that is read is read without end and found."""
OVER_DATA = "answer t | count()\n"
FIRST = ("verify",)
Job = tuple[str, list[str]]


@dataclass(frozen=True)
class Hostile:
    """Where a reader works, with what is hostile there and how it is said; what is private lies in `home`."""

    project: Path
    home: Path

    @property
    def private(self) -> Path:
        return self.home / "private.csv"


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hostile:
    made = Hostile(tmp_path / "project", tmp_path / "home")
    for folder in (made.project, made.home, made.project / "tmp"):
        folder.mkdir()
    made.private.write_text(SECRET)
    (made.project / "p.rlm").write_text(OVER_DATA)
    monkeypatch.chdir(made.project)
    return made


def carried_out(folder: str, jobs: list[Job], told: str) -> None:
    """In a process of its own: the commands, each with what it printed and its exit code as a line of JSON."""
    tempfile.tempdir = os.path.join(folder, "tmp")  # noqa: PTH118
    home = Path(folder).parent / "home"
    with open(told, "w", encoding="utf-8") as out:  # noqa: PTH123 - opened before nothing outside can be
        confine([*SYSTEM, sys.prefix, sys.base_prefix, ROOT, home], [folder, "/dev/null", "/dev/shm"])
        for label, words in jobs:
            out.write(json.dumps([label, words]) + "\n")
            out.flush()
            printed = io.StringIO()
            with redirect_stdout(printed), redirect_stderr(printed):
                code = cli.run(words)
            out.write(json.dumps([code, printed.getvalue()]) + "\n")


def judged(hostile: Hostile, jobs: list[Job], told: Path) -> dict[str, list[int]]:
    """The exit codes of each command, by its label. Nothing private was opened or told, and no socket made."""
    with (
        opened_in(hostile.home) as opened,
        Process(hostile.project, carried_out, str(hostile.project), jobs, str(told)) as process,
    ):
        ended = process.ended(500)
    lines = told.read_text().splitlines()
    assert ended.code == 0, f"ended by {ended.code} in {lines[-1]}: {ended.err}"
    found: dict[str, list[int]] = {}
    for asked, answered in zip(lines[::2], lines[1::2], strict=True):
        (label, words), (code, printed) = json.loads(asked), json.loads(answered)
        assert code in (0, 1, 2), (label, words, printed)
        assert PRIVATE not in printed and "internal error" not in printed, (label, words, printed)
        found.setdefault(label, []).append(code)
    assert len(lines) == 2 * len(jobs) and "private.csv" not in opened
    for path in hostile.project.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.suffix not in (".duckdb", ".db"):
            assert PRIVATE.encode() not in path.read_bytes() or path.name in MADE_WITH_IT, path
    return found


MADE_WITH_IT = (".env.csv",)
"""What holds the private text from the beginning."""


# --- traces


def hostile_traces(hostile: Hostile, recorded: Path) -> Iterator[tuple[str, Path]]:
    """A trace for each way to name what is private; each lies with what it needs in a folder of its own."""
    for case, path_of in PATHS.items():
        folder = hostile.project / case.replace(" ", "-")
        folder.mkdir()
        shutil.copytree(recorded, folder / "a.trace")
        place = Place(folder, folder / "a.trace", hostile.private)
        header_names(place, path_of(place))
        yield case, place.trace


def trace_jobs(hostile: Hostile, recorded: Path, *, whole: bool) -> Iterator[Job]:
    for number, (case, trace) in enumerate(hostile_traces(hostile, recorded)):
        to = hostile.project / f"to-{number}"
        to.mkdir()
        commands = trace_commands(trace, to)
        for command in commands if whole or number == 0 else FIRST:
            yield f"{case}: {command}", commands[command]
    packed = traces.pack(recorded, hostile.project / "packed.trace.zip")
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("../home/private.csv", "over it")
    for command, words in trace_commands(packed, hostile.project).items():
        if whole or command in FIRST:
            yield f"a zip: {command}", words


# --- data


def views(hostile: Hostile) -> Iterator[tuple[str, Path]]:
    """Databases whose views read files, folders, addresses and the environment, as far as they can be made."""
    sources = {
        "text": f"FROM read_text('{hostile.private}')",
        "rows": f"FROM read_csv('{hostile.private}')",
        "named": f"FROM '{hostile.private}'",
        "folder": f"FROM glob('{hostile.home}/*')",
        "environment": "SELECT getenv('HOME') AS x",
        "settings": "FROM duckdb_settings()",
        "extensions": "FROM duckdb_extensions()",
    }
    for name, query in sources.items():
        path = hostile.project / f"view-{name}.duckdb"
        with suppress(duckdb.Error), duckdb.connect(str(path)) as connection:
            connection.execute(f"CREATE VIEW v AS {query}")
            yield f"a view: {name}", path
    for name in NAMES:
        with duckdb.connect(str(hostile.project / f"{name}.duckdb")) as connection:
            connection.execute("CREATE OR REPLACE TABLE t AS SELECT 1 AS n")
        yield f"a name: {name}", Path(f"{name}.duckdb")
    path = hostile.project / "a.db"
    with sqlite3.connect(path) as connection_:
        connection_.execute(f"CREATE VIEW v AS SELECT load_extension('{hostile.private}') AS x")
        connection_.execute(f"CREATE VIEW w AS SELECT readfile('{hostile.private}') AS x")
    yield from (("SQLite: an extension", Path(f"{path}::v")), ("SQLite: a file", Path(f"{path}::w")))


def stores(hostile: Hostile) -> Iterator[tuple[str, Path]]:
    """Kept contexts whose rows are something else."""
    for case, change in FORGED_PARTS.items():
        folder = hostile.project / f"store-{case.replace(' ', '-')}"
        folder.mkdir()
        store = kept(folder)
        change(part_in(store))
        yield f"a store: {case}", store


def documents(hostile: Hostile) -> Iterator[tuple[str, Path]]:
    """Archives with links and paths that lead out; documents that name what they would like to have."""
    archive = hostile.project / "linked.tar"
    with tarfile.open(archive, "w") as tar:
        for name, kind in (("link.csv", tarfile.SYMTYPE), ("hard.csv", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, str(hostile.private)
            tar.addfile(entry)
        tar.addfile(tarfile.TarInfo("../../home/private.csv"), io.BytesIO(b""))
    yield "an archive: links", archive
    slip = hostile.project / "slip.zip"
    with zipfile.ZipFile(slip, "w") as held:
        held.writestr("../../home/private.csv", "n\n1\n")
        held.writestr("a.csv", "n\n1\n")
    yield "an archive: paths", slip
    entity = f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{hostile.private}">]>'
    remote = '<!ENTITY % y SYSTEM "http://127.0.0.1:9/d.dtd">'
    page = hostile.project / "page.html"
    page.write_text(f'{entity}<p>&x;<img src="http://127.0.0.1:9/i.png"><iframe src="file://{hostile.private}">')
    yield "HTML", page
    word = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>'
    declared = entity.replace("]>", f"{remote} %y;]>")
    for name, inner in {
        "a.docx": "word/document.xml",
        "a.xlsx": "xl/workbook.xml",
        "a.pptx": "ppt/presentation.xml",
    }.items():
        with zipfile.ZipFile(hostile.project / name, "w") as held:
            held.writestr("[Content_Types].xml", f'{declared}<Types xmlns="t">&x;</Types>')
            held.writestr(inner, f"{declared}{word}&x;</w:t></w:r></w:p></w:body></w:document>")
        yield f"a document: {name}", hostile.project / name
    mail = hostile.project / "a.eml"
    mail.write_text(
        f"From: a@b.c\nSubject: s\nMIME-Version: 1.0\nContent-Type: message/external-body; access-type=local-file;"
        f' name="{hostile.private}"\n\n'
    )
    yield "mail", mail
    markdown = hostile.project / "a.md"
    markdown.write_text(f"# h\n![i](file://{hostile.private})\n<!-- include {hostile.private} -->\n")
    yield "Markdown", markdown


SETS: dict[str, Callable[[Hostile], Iterator[tuple[str, Path]]]] = {
    "views": views,
    "stores": stores,
    "documents": documents,
}


def data_jobs(made: Callable[[Hostile], Iterator[tuple[str, Path]]], hostile: Hostile, *, whole: bool) -> Iterator[Job]:
    for number, (case, path) in enumerate(made(hostile)):
        if whole or number % 2 == 0:
            yield case, ["run", "p.rlm", "--context", f"t={path}"]
        if whole or number == 0:
            yield case, ["peek", str(path)]
            if path.suffix == ".rlmctx":
                yield case, ["load", str(path)]
            else:
                yield case, ["load", f"t={path}", "--to", f"made-{number}.rlmctx"]
            for words in (["explain", "p.rlm"], ["doctor", "p.rlm"]):
                yield case, [*words, "--context", f"t={path}"]


def tried(part: str, hostile: Hostile, recorded: Path, *, whole: bool) -> list[Job]:
    jobs = (
        trace_jobs(hostile, recorded, whole=whole) if part == "traces" else data_jobs(SETS[part], hostile, whole=whole)
    )
    return list(jobs)


@pytest.mark.parametrize("part", ["traces", *SETS])
def test_hostile_inputs_reach_nothing(part: str, hostile: Hostile, recorded_trace: Path, tmp_path: Path) -> None:
    found = judged(hostile, tried(part, hostile, recorded_trace, whole=False), tmp_path / "told.jsonl")
    assert len(found) >= 4


@pytest.mark.proof
@pytest.mark.parametrize("part", ["traces", *SETS])
def test_every_command_on_every_hostile_input(
    part: str, hostile: Hostile, recorded_trace: Path, tmp_path: Path
) -> None:
    jobs = tried(part, hostile, recorded_trace, whole=True)
    judged(hostile, jobs, tmp_path / "told.jsonl")
    print(f"\n{part}: {len(jobs)} commands, no socket, nothing private opened")


# --- the confinement itself


def tries(folder: str, private: str, way: str) -> None:
    """In a process of its own: what the law forbids."""
    confine([*SYSTEM, sys.prefix, sys.base_prefix, ROOT], [folder])
    match way:
        case "a file":
            Path(private).read_text()
        case "the engine's":
            duckdb.sql(f"FROM read_text('{private}')").fetchall()
        case "written":
            Path(private).write_text("")
        case "a socket":
            import socket

            socket.create_connection(("127.0.0.1", 9))
        case _:
            print(rlm_dsl.load("https://127.0.0.1:9/a.csv"))


@pytest.mark.parametrize("way", ["a file", "the engine's", "written", "a socket", "ours"])
def test_what_is_forbidden_is_seen(way: str, hostile: Hostile) -> None:
    work = (hostile.project, tries, str(hostile.project), str(hostile.private), way)
    with opened_in(hostile.home) as opened, Process(*work) as process:
        process.process.join(60)
        code = process.process.exitcode
    assert code == (-31 if way in ("a socket", "ours") else 1) and not opened
    assert hostile.private.read_text() == SECRET
    with opened_in(hostile.home) as opened:
        hostile.private.read_text()
    assert opened == ["private.csv"]
