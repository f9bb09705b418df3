"""The files of a trace: writing a folder, reading it, and packing it into one zip.

In: JSON, text and Arrow tables. Out: a folder `NAME.trace`, or a zip of it. Law: a file is whole or not there; a folder
without a seal is unfinished; the same files pack to the same bytes (under one version of zlib); unpacking writes
nothing outside a folder of its own. Text is UTF-8 with "\n".
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.trace.events import Event, EventLog, read_events
from rlm_dsl.trace.journal import JOURNAL, Journal
from rlm_dsl.trace.proof import closing_roots
from rlm_dsl.trace.seal import EVENTS, SEAL, SIGNATURE, file_names, write_seal

if TYPE_CHECKING:
    import pyarrow as pa

HEADER = "trace.json"
NAMES = (HEADER, "program.rlm", "plan.sql", "steps.jsonl", "answer.json", SEAL, SIGNATURE)
FIRST = b'{"seq": 0, "time": '
"""How a log begins, so that another's `events.jsonl` is never taken for ours."""
LARGEST = 8 * 2**30
"""Bytes that a zip may unpack to."""
MOST = 100_000
"""Files that a zip may hold."""
PLAIN = re.compile(r"(?:[^/\\:\x00-\x1f]+/)?[^/\\:\x00-\x1f]+")
"""A file's name within a trace: in it or in one folder of it."""
PAYLOAD = re.compile(r"payload/[\w-]+\.(parquet|partial)")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
SEE = "see: rlm-dsl verify"


class TraceWriter:
    """Owns the folder of a trace while it is written.

    An unfinished trace that is there is begun anew, or with `continued` gone on with: its files and the events of its
    log stay. Raises UserError for a finished one, for a folder with files of others, and where the disk refuses.
    """

    def __init__(
        self,
        folder: Path,
        now: Callable[[], str],
        redact: Callable[[Any], Any] = lambda value: value,
        *,
        continued: bool = False,
    ) -> None:
        if (folder / SEAL).exists():
            raise UserError(f"{folder} is a finished trace", "name another with --trace, or remove it first")
        try:
            found = begun(folder)
            (folder / "payload").mkdir(parents=True, exist_ok=True)
            self.events = EventLog(folder / EVENTS, now, redact, anew=not continued)
            for path in found:
                if path != folder / EVENTS and (not continued or path.suffix == ".partial"):
                    path.unlink()
            self.journal = Journal(folder)
        except OSError as failure:
            raise UserError(f"the trace {folder} cannot be written: {failure.strerror}") from None
        self.folder, self.redact = folder, redact

    def write_json(self, name: str, value: Any) -> None:
        self.put(name, json.dumps(self.redact(value), ensure_ascii=False, indent=1) + "\n")

    def write_lines(self, name: str, values: Iterable[Any]) -> None:
        """JSON Lines, one value a line."""
        self.put(name, "".join(json.dumps(self.redact(value), ensure_ascii=False) + "\n" for value in values))

    def write_text(self, name: str, text: str) -> None:
        self.put(name, self.redact(text))

    def put(self, name: str, text: str) -> None:
        """A file from a text that holds no secrets: redacting JSON's own text would miss escaped secrets."""
        partial = self.folder / f"{name}.partial"
        partial.write_bytes(text.encode("utf-8", "replace"))
        partial.replace(self.folder / name)

    def write_table(self, name: str, batches: Iterable[pa.Table]) -> None:
        """`payload/NAME.parquet` of one or more tables, one after the other; the same rows give the same bytes. Nothing
        in it is redacted: hand in clean rows."""
        import pyarrow.parquet as pq

        if not re.fullmatch(r"[\w-]+", name):
            raise ValueError(f"{name!r} is no name of a table")
        partial = self.folder / "payload" / f"{name}.partial"
        held = iter(batches)
        first = next(held)
        with pq.ParquetWriter(partial, first.schema, compression="zstd") as writer:
            for group in row_groups(chain([first], held)):
                writer.write_table(group)
        partial.replace(self.folder / "payload" / f"{name}.parquet")

    def end(self, fields: Mapping[str, Any], calls: Sequence[Mapping[str, str]]) -> None:
        """The log's last event. It commits to all events before it and to every recorded call, so that its hash, the
        chain's head, vouches for them all."""
        self.events.flush()
        self.events.append("run.end", {**fields, **closing_roots(self.folder / EVENTS, calls)})

    def seal(self) -> str:
        """Close the log and seal the folder; returns the chain's head."""
        self.journal.drop()
        self.events.close()
        return write_seal(self.folder)

    def close(self) -> None:
        self.journal.close()
        self.events.close()


ROW_GROUP = 1 << 16


def row_groups(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in groups of one size, however they were cut; one empty group for no rows."""
    import pyarrow as pa

    held, given = None, False
    for batch in batches:
        held = batch if held is None else pa.concat_tables([held, batch])
        while held.num_rows >= ROW_GROUP:
            yield held.slice(0, ROW_GROUP)
            held, given = held.slice(ROW_GROUP), True
    if held is not None and (held.num_rows or not given):
        yield held


def begun(folder: Path) -> list[Path]:
    """The files of an unfinished trace, for a writer to begin again. A folder that holds anything else is refused."""
    found = list(folder.rglob("*")) if folder.exists() and any(folder.iterdir()) else []
    files = [path for path in found if path != folder / "payload"]
    if not all(is_ours(path, path.relative_to(folder).as_posix()) for path in files):
        raise UserError(f"{folder} is no trace and not empty", "name another folder with --trace")
    return files


def is_ours(path: Path, name: str) -> bool:
    """Whether a file is one that a writer left."""
    if path.is_symlink() or not path.is_file():
        return False
    if name == EVENTS:
        with path.open("rb") as file:
            return FIRST.startswith(file.read(len(FIRST)))
    return name.removesuffix(".partial") in (*NAMES, JOURNAL) or bool(PAYLOAD.fullmatch(name))


@dataclass(frozen=True)
class Trace:
    """A trace to read. `held` keeps the folder that a zip was unpacked to."""

    folder: Path
    name: str
    held: Any = field(default=None, compare=False, repr=False)

    @staticmethod
    def open(path: Path, *, unfinished: bool = False) -> Trace:
        """A folder or a zip. Raises UserError for what is no trace, or is unfinished where that is not allowed."""
        held = None
        folder = path
        if path.is_file():
            folder, held = unpacked(path)
        if not path.exists():
            raise UserError(f"there is no trace {path}", "traces are folders that end in .trace, or zips of them")
        if not (folder / HEADER).is_file() and not (folder / EVENTS).is_file():
            raise UserError(f"{path} is no trace", "a trace has a trace.json and an events.jsonl")
        if not unfinished and not (folder / SEAL).is_file():
            raise UserError(f"{path} is unfinished: it has no seal", f"finish it: rlm-dsl resume {path}")
        return Trace(folder, path.name, held)

    @property
    def finished(self) -> bool:
        return (self.folder / SEAL).is_file()

    @property
    def head(self) -> str:
        """The head of the log, as the seal has it."""
        return str(self.json(SEAL)["predicate"]["head"])

    @property
    def header(self) -> Mapping[str, Any]:
        header: Mapping[str, Any] = self.json(HEADER)
        return header

    @property
    def program(self) -> str:
        return self.text("program.rlm")

    @property
    def plan_sql(self) -> str:
        return self.text("plan.sql")

    @property
    def steps(self) -> list[dict[str, Any]]:
        return [self.parsed("steps.jsonl", line) for line in self.text("steps.jsonl").split("\n") if line]

    @property
    def answer(self) -> Any:
        return self.json("answer.json")

    def json(self, name: str) -> Any:
        """A file of the trace as JSON. Raises UserError where it is missing or damaged."""
        return self.parsed(name, self.text(name))

    def parsed(self, name: str, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise UserError(f"{self.name}: {name} is damaged", SEE) from None

    def text(self, name: str) -> str:
        """A file of the trace as text. Raises UserError where it is missing or damaged."""
        try:
            return (self.folder / name).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            raise UserError(f"{self.name}: {name} is missing or damaged", SEE) from None

    def events(self) -> Iterable[Event]:
        return read_events(self.folder / EVENTS)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """`payload/NAME.parquet`, or some of its columns. Raises UserError where it is missing or damaged."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(self.folder / "payload" / f"{name}.parquet", columns=columns and list(columns))
        except (OSError, pa.ArrowException):
            raise UserError(f"{self.name}: payload/{name}.parquet is missing or damaged", SEE) from None


def pack(folder: Path, target: Path | None = None) -> Path:
    """A trace's folder as one zip: names in order, no times, so that the same trace gives the same bytes.

    Raises UserError for a folder that holds links, and where the disk refuses.
    """
    target = target or folder.with_name(folder.name + ".zip")
    partial = target.with_name(target.name + ".partial")
    names = [*file_names(folder), *(name for name in (SEAL, SIGNATURE) if (folder / name).exists())]
    if odd := [name for name in names if (folder / name).is_symlink() or not (folder / name).is_file()]:
        raise UserError(f"{folder} cannot be packed: {odd[0]} is no file")
    try:
        with zipfile.ZipFile(partial, "w") as archive:
            for name in sorted(names):
                add(archive, name, folder / name)
        return partial.replace(target)
    except OSError as failure:
        raise UserError(f"{target} cannot be written: {failure.strerror}") from None


def add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """One file into a zip, with the same system, rights and time on every machine."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
    entry.file_size = path.stat().st_size
    with path.open("rb") as file, archive.open(entry, "w") as held:
        shutil.copyfileobj(file, held)


def unpack(path: Path, target: Path | None = None) -> Path:
    """A packed trace as a folder again, whole or not there. Raises UserError for what is no trace, where the folder is
    there already, and where the disk refuses."""
    target = target or path.with_name(path.name.removesuffix(".zip"))
    if target.exists():
        raise UserError(f"{target} is there already", "name another folder with --to")
    trace = Trace.open(path, unfinished=True)
    if trace.held is None:
        raise UserError(f"{path} is a folder already")
    partial = target.with_name(f"{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(trace.folder, partial)
        return partial.rename(target)
    except OSError as failure:
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(f"{target} cannot be written: {failure.strerror or failure}") from None


UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError, OverflowError)
"""What zipfile raises for bytes that are no whole zip."""


def unpacked(path: Path) -> tuple[Path, Any]:
    """A zip's files in a folder of their own, which goes when it is no longer held. No name may leave that folder."""
    held = tempfile.TemporaryDirectory(prefix="rlm-trace-")
    folder = Path(held.name).resolve()
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in admitted(path, archive.infolist()):
                take(archive, entry, path, folder)
    except UNREADABLE:
        raise UserError(f"{path} is no trace", "a trace is a folder, or a zip of one") from None
    return folder, held


def admitted(path: Path, entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """A zip's entries if they may be unpacked: not too many or too large for the disk, each name once."""
    if len(entries) > MOST or sum(entry.file_size for entry in entries) > LARGEST:
        raise UserError(f"{path} unpacks to more than {MOST:,} files or {LARGEST:,} bytes")
    if sum(entry.file_size for entry in entries) > shutil.disk_usage(tempfile.gettempdir()).free // 2:
        raise UserError(f"{path} unpacks to more than half of what the disk has free")
    if len({entry.filename for entry in entries}) < len(entries):
        raise UserError(f"{path} is no trace: it holds a file twice")
    return entries


def take(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, folder: Path) -> None:
    """One file out of a zip. zipfile reads no more than the size that the entry declares."""
    target = (folder / entry.filename).resolve()
    plain = PLAIN.fullmatch(entry.filename) is not None and not {".", ".."} & {*entry.filename.split("/")}
    if not plain or not target.is_relative_to(folder) or entry.is_dir() or entry.compress_type not in METHODS:
        raise UserError(f"{path} is no trace: it holds {entry.filename!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as file, target.open("wb") as out:
        shutil.copyfileobj(file, out)
