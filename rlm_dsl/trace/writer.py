"""Writing a trace's folder.

In: JSON, text and Arrow tables. Out: a folder `NAME.trace`. Law: a file is whole or not there; nothing is overwritten
but an unfinished trace. Text is UTF-8 with "\n".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.trace.commitment import closing_roots
from rlm_dsl.trace.events import EventLog
from rlm_dsl.trace.journal import JOURNAL, Journal
from rlm_dsl.trace.layout import EVENTS, HEADER, REPORT, SEAL, SECONDS, SIGNATURE, TUNED
from rlm_dsl.trace.line_ends import keep_line_ends
from rlm_dsl.trace.seal import file_digest, file_names, write_seal

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = (HEADER, "program.rlm", "plan.sql", "steps.jsonl", "answer.json", SEAL, SIGNATURE)
OF_OPTIMIZATION = (REPORT, TUNED, SECONDS)
"""Names that others use too: ours only beside a log of ours."""
FIRST = b'{"seq": 0, "time": '
"""How a log begins, so that another's `events.jsonl` is never taken for ours."""
PAYLOAD = re.compile(r"payload/[\w-]+\.(parquet|partial)")


class TraceWriter:
    """Owns the folder of a trace while it is written.

    An unfinished trace that is there is begun anew, or with `continued` gone on with: its files and the events of its
    log stay. Raises UserError for a finished one, for a folder with files of others, and where the disk refuses;
    `option` is what another folder is named with.
    """

    def __init__(
        self,
        folder: Path,
        now: Callable[[], str],
        redact: Callable[[Any], Any] = lambda value: value,
        *,
        continued: bool = False,
        option: str = "--trace",
    ) -> None:
        if (folder / SEAL).exists():
            raise UserError(f"{folder} is a finished trace", f"name another with {option}, or remove it first")
        try:
            found = begun(folder, option)
            (folder / "payload").mkdir(parents=True, exist_ok=True)
            keep_line_ends(folder.parent)
            self.events = EventLog(folder / EVENTS, now, redact, anew=not continued)
            for path in found:
                if path != folder / EVENTS and (not continued or path.suffix == ".partial"):
                    path.unlink()
            self.journal = Journal(folder)
        except OSError as failure:
            raise system_error(failure, f"the trace {folder}", "written") from None
        self.folder, self.redact = folder, redact

    def write_json(self, name: str, value: Any) -> None:
        self.put(name, json.dumps(self.redact(value), ensure_ascii=False, indent=1) + "\n")

    def write_lines(self, name: str, values: Iterable[Any]) -> None:
        """JSON Lines, one value a line."""
        self.put(name, "".join(json.dumps(self.redact(value), ensure_ascii=False) + "\n" for value in values))

    def write_text(self, name: str, text: str) -> None:
        self.put(name, self.redact(text))

    def put(self, name: str, text: str) -> None:
        """A file from a text that holds no secrets: redacting JSON's own text would miss escaped secrets. Halves of
        surrogate pairs, as in names of files, stand as JSON's escapes."""
        partial = self.folder / f"{name}.partial"
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))
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
        with partial.open("wb") as file, pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
            for group in row_groups(chain([first], held)):
                writer.write_table(group)
        partial.replace(self.folder / "payload" / f"{name}.parquet")

    def end(self, fields: Mapping[str, Any], calls: Sequence[Mapping[str, str]]) -> None:
        """The log's last event, when every other file is written. It commits to all events before it, to every recorded
        call and to every other file, so that its hash, the chain's head, vouches for them all."""
        self.journal.drop()
        self.events.flush()
        files = {name: file_digest(self.folder / name) for name in file_names(self.folder) if name != EVENTS}
        self.events.append("run.end", {**fields, **closing_roots(self.folder / EVENTS, calls, files)})

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


def begun(folder: Path, option: str) -> list[Path]:
    """The files of an unfinished trace, for a writer to begin again. A folder that holds anything else is refused."""
    found = list(folder.rglob("*")) if folder.exists() and any(folder.iterdir()) else []
    files = [path for path in found if path != folder / "payload" or path.is_symlink()]
    if not all(is_ours(path, path.relative_to(folder).as_posix()) for path in files):
        raise UserError(f"{folder} is no trace and not empty", f"name another folder with {option}")
    return files


def is_ours(path: Path, name: str) -> bool:
    """Whether a file is one that a writer left."""
    if path.is_symlink() or not path.is_file():
        return False
    if name == EVENTS:
        with path.open("rb") as file:
            return FIRST.startswith(file.read(len(FIRST)))
    if name.removesuffix(".partial") in OF_OPTIMIZATION:
        return is_ours(path.with_name(EVENTS), EVENTS)
    return name.removesuffix(".partial") in (*NAMES, JOURNAL) or bool(PAYLOAD.fullmatch(name))
