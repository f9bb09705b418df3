"""The journal: every answer of a run as it comes, so that a run that is stopped goes on without asking again.

In: rows of calls. Out: `payload/calls.jsonl`, while the run is unfinished. Law: what `add` has handed over is readable
after a kill of the process; a torn last line is left out.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path

JOURNAL = "payload/calls.jsonl"


class Journal:
    """Owns the file. Closed by `drop`, when the calls are recorded for good, or by `close`, which leaves it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.lock = folder / JOURNAL, threading.Lock()
        self.keys = {row["key"] for row in read_journal(folder)}
        whole = whole_size(self.path)
        self.file = self.path.open("ab")
        self.file.truncate(whole)

    def add(self, row: Mapping[str, str]) -> None:
        """One call, once; with the operating system when this returns. Raises OSError where the disk refuses."""
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        with self.lock:
            self.keys.add(row["key"])
            self.file.write(line)
            self.file.flush()

    def close(self) -> None:
        self.file.close()

    def drop(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)


def whole_size(path: Path) -> int:
    """The bytes of a file's whole lines."""
    content = path.read_bytes() if path.exists() else b""
    return content.rfind(b"\n") + 1


def read_journal(folder: Path) -> list[dict[str, str]]:
    """The rows that a journal holds; none where there is none. A line that is no row is left out."""
    path = folder / JOURNAL
    if not path.exists():
        return []
    rows = []
    for line in path.read_bytes()[: whole_size(path)].splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"key", "answer", "origin"} <= row.keys():
            rows.append(row)
    return rows
