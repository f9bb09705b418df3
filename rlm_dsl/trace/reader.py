"""Reading a trace, from its folder or a zip of it.

In: a path. Out: a `Trace`: its header, program, steps, answer, events and tables. Law: what is missing or damaged is
one clear message, never a traceback; nothing but files of the trace's own is opened, through no link.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError, printable
from rlm_dsl.common.own_files import require_plain
from rlm_dsl.common.processes import at_most, physical_memory
from rlm_dsl.trace.archive import MOST_RATIO, folder_of
from rlm_dsl.trace.events import Event, read_events
from rlm_dsl.trace.going_on import way_on
from rlm_dsl.trace.layout import EVENTS, HEADER, RECORDS, SEAL
from rlm_dsl.trace.seal import changed_files

if TYPE_CHECKING:
    import pyarrow as pa

SEE = "see: rlm-dsl verify"
LEAST_ROOM = 1 << 30
"""Bytes in memory that any table may take; a large file's may take more."""
LARGEST_TEXT = 1 << 28
"""Bytes of a text that is held whole: header, program, steps, answer."""


ODD_FORM = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What reading raises where a file is JSON or a table, and not of the form that a trace's has."""


@dataclass(frozen=True)
class Trace:
    """A trace to read. `held` keeps the folder that a zip was unpacked to; `looked_at` has the files that were read in
    order, for a message to name the one at fault."""

    folder: Path
    name: str
    held: Any = field(default=None, compare=False, repr=False)
    looked_at: list[str] = field(default_factory=list, compare=False, repr=False)
    given: Path | None = field(default=None, compare=False)
    """Where it lies as a person named it, folder or zip; what belongs to it lies beside."""

    @staticmethod
    def open(path: Path, *, unfinished: bool = False, changed: bool = False) -> Trace:
        """A folder or a zip. Raises UserError for what is no trace, and for one that is unfinished or not as it was
        sealed where that is not allowed."""
        folder, held = folder_of(path)
        require_plain(folder, str(path), "a trace has files of its own alone: get it again from whoever made it")
        if not unfinished and not (folder / SEAL).is_file():
            raise UserError(f"{path} is unfinished: it has no seal", f"finish it: {way_on(folder, path)}")
        if not changed and (folder / SEAL).is_file() and (faults := changed_files(folder)):
            raise UserError(f"{path} is not as it was sealed: {faults[0].message}", f"see: rlm-dsl verify {path}")
        return Trace(folder, path.name, held, given=path)

    @property
    def place(self) -> Path:
        return self.folder if self.given is None else self.given

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
        self.require_run()
        return [self.parsed("steps.jsonl", line) for line in self.text("steps.jsonl").split("\n") if line]

    @property
    def answer(self) -> Any:
        self.require_run()
        return self.json("answer.json")

    def require_run(self) -> None:
        """Raise UserError for a record of something else than a run."""
        kind = RECORDS.get(str(self.header.get("schema"))) if (self.folder / HEADER).is_file() else None
        if kind is not None:
            raise UserError(
                f"{self.name} is the record of {kind}, and no run", f"see what it says: rlm-dsl show {self.place}"
            )

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
        path = self.folder / name
        self.looked_at.append(name)
        try:
            if (size := path.stat().st_size) > LARGEST_TEXT:
                raise UserError(f"{self.name}: {name} has {counted(size, 'byte')}, and is not read", SEE)
            return path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            raise UserError(f"{self.name}: {name} is missing or damaged", SEE) from None

    def events(self) -> Iterable[Event]:
        self.looked_at.append(EVENTS)
        return read_events(self.folder / EVENTS)

    def odd_form(self, failure: Exception) -> str:
        """What to say where one of `ODD_FORM` was raised in reading: the files that were read last, and what it misses
        where that is the name of a field."""
        files = ", ".join(list(dict.fromkeys(reversed(self.looked_at)))[:2]) or "a file of it"
        field_name = f": it has no {failure.args[0]!r}" if isinstance(failure, KeyError) and failure.args else ""
        return printable(f"{files.replace(', ', ' or ')} is not of its form{field_name}")[:300]

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """`payload/NAME.parquet`, or some of its columns. Raises UserError where it is missing or damaged.

        The file is opened by Arrow: its threads outlive the reading, and must hold nothing of Python's.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.looked_at.append(f"payload/{name}.parquet")
        path = self.folder / "payload" / f"{name}.parquet"
        try:
            with pa.OSFile(os.fsencode(path)) as file:
                most = room_for(file.size())
                if grows_to(pq.read_metadata(file)) > most:
                    raise MemoryError
                file.seek(0)
                with at_most(most):
                    return pq.read_table(file, columns=columns and list(columns))
        except MemoryError:
            told = f"{self.name}: payload/{name}.parquet would take {LEAST_ROOM >> 30} GiB or more, and is not read"
            raise UserError(told, SEE) from None
        except (OSError, pa.ArrowException):
            raise UserError(f"{self.name}: payload/{name}.parquet is missing or damaged", SEE) from None


def room_for(size: int) -> int:
    """The bytes that a table's file of this size may become in memory."""
    return max(LEAST_ROOM, min(physical_memory() // 2, MOST_RATIO * size))


def grows_to(metadata: Any) -> int:
    """The least that a table takes, by what its file says of it: a value has four bytes, and a page its size."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    return sum(max(chunk.total_uncompressed_size, 4 * chunk.num_values) for chunk in chunks)


@contextmanager
def open_trace(path: str | os.PathLike[str], *, unfinished: bool = False, changed: bool = False) -> Iterator[Trace]:
    """A trace to read, from its folder or its zip, as `Trace.open` takes it. Raises UserError for one whose files are
    not of their form."""
    held = Trace.open(Path(path), unfinished=unfinished, changed=changed)
    try:
        yield held
    except ODD_FORM as failure:
        raise UserError(f"{held.name}: {held.odd_form(failure)}", SEE) from failure
