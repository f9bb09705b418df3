"""The files of a trace: writing a folder, reading it, and packing it into one zip.

In: JSON, text and Arrow tables. Out: a folder `NAME.trace`, or a zip of it. Law: a file is whole or not there; a folder
without a seal is unfinished; the same files pack to the same bytes.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.diagnostics import UserError
from rlm_dsl.trace.events import Event, EventLog, read_events
from rlm_dsl.trace.seal import EVENTS, SEAL, write_seal

if TYPE_CHECKING:
    import pyarrow as pa

HEADER = "trace.json"
NAMES = (HEADER, "program.rlm", "plan.sql", "steps.jsonl", "answer.json", SEAL)
FIRST = b'{"seq": 0, "time": '
"""How a log begins, so that another's `events.jsonl` is never taken for ours."""
LARGEST = 8 * 2**30
"""Bytes that a zip may unpack to."""


class TraceWriter:
    """Owns the folder of a trace while it is written."""

    def __init__(
        self, folder: Path, now: Callable[[], str], redact: Callable[[Any], Any] = lambda value: value
    ) -> None:
        if (folder / SEAL).exists():
            raise UserError(f"{folder} is a finished trace", "name another with --trace, or remove it first")
        try:
            left = begun(folder)
            (folder / "payload").mkdir(parents=True, exist_ok=True)
            for path in left:
                path.unlink()
        except OSError as failure:
            raise UserError(f"the trace {folder} cannot be written: {failure.strerror}") from None
        self.folder, self.redact = folder, redact
        self.events = EventLog(folder / EVENTS, now, redact)

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

    def write_table(self, name: str, table: pa.Table) -> None:
        """`payload/NAME.parquet`; the same rows give the same bytes."""
        import pyarrow.parquet as pq

        partial = self.folder / "payload" / f"{name}.partial"
        pq.write_table(table, partial, compression="zstd")
        partial.replace(self.folder / "payload" / f"{name}.parquet")

    def seal(self) -> str:
        """Close the log and seal the folder; returns the chain's head."""
        self.events.close()
        return write_seal(self.folder)

    def close(self) -> None:
        self.events.close()


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
    return name.removesuffix(".partial") in NAMES or bool(re.fullmatch(r"payload/[\w-]+\.(parquet|partial)", name))


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
            raise UserError(f"{path} is unfinished: it has no seal", "run the same command again to finish it")
        return Trace(folder, path.name, held)

    @property
    def header(self) -> Mapping[str, Any]:
        header: Mapping[str, Any] = self.json(HEADER)
        return header

    def json(self, name: str) -> Any:
        try:
            return json.loads(self.text(name))
        except ValueError:
            raise UserError(f"{self.name}: {name} is damaged", "see: rlm-dsl verify") from None

    def text(self, name: str) -> str:
        try:
            return (self.folder / name).read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            raise UserError(f"{self.name}: {name} is missing or damaged", "see: rlm-dsl verify") from None

    @property
    def program(self) -> str:
        return self.text("program.rlm")

    @property
    def steps(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in self.text("steps.jsonl").splitlines()]
        except ValueError:
            raise UserError(f"{self.name}: steps.jsonl is damaged", "see: rlm-dsl verify") from None

    def events(self) -> Iterable[Event]:
        return read_events(self.folder / EVENTS)

    def table(self, name: str) -> pa.Table:
        """`payload/NAME.parquet`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(self.folder / "payload" / f"{name}.parquet")
        except (OSError, pa.ArrowInvalid):
            raise UserError(
                f"{self.name}: payload/{name}.parquet is missing or damaged", "see: rlm-dsl verify"
            ) from None


def pack(folder: Path, target: Path | None = None) -> Path:
    """A trace's folder as one zip: names in order, no times, so that the same trace gives the same bytes."""
    target = target or folder.with_name(folder.name + ".zip")
    partial = target.with_name(target.name + ".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return partial.replace(target)


def unpacked(path: Path) -> tuple[Path, Any]:
    """A zip's files in a folder of their own, which goes when it is no longer held. No name may leave that folder."""
    held = tempfile.TemporaryDirectory(prefix="rlm-trace-")
    folder = Path(held.name)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LARGEST:
                raise UserError(f"{path} unpacks to more than {LARGEST:,} bytes")
            for entry in entries:
                target = (folder / entry.filename).resolve()
                if not target.is_relative_to(folder.resolve()) or entry.is_dir():
                    raise UserError(f"{path} is no trace: it holds {entry.filename!r}")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(entry))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, UnicodeError):
        raise UserError(f"{path} is no trace", "a trace is a folder, or a zip of one") from None
    return folder, held
