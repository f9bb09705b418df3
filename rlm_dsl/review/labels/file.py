"""The file of labels beside a program: a line a label, only ever added to.

In: a path, labels. Out: what is there, and what of it is damaged. Law: a label that was taken is on the disk before the
next row is shown; whatever kills the process, no line before is lost, and one that was cut short is told and passed
over; several may write at once. Taking a label back is a line too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.review.labels.label import SCHEMA, Label

ENDING = ".labels.jsonl"
LARGEST = 1 << 30
"""Bytes of a file of labels that is read."""


def labels_beside(program: Path) -> Path:
    """Where a program's labels are kept: `PROGRAM.labels.jsonl`."""
    stem = program.name.removesuffix(".rlm").removesuffix(".zip").removesuffix(".trace")
    return program.with_name(f"{stem}{ENDING}")


@dataclass(frozen=True)
class Labels:
    """The labels of a file that hold, and those that were taken back. `damaged` are the numbers, from 1, of lines that
    are no label."""

    held: tuple[Label, ...]
    damaged: tuple[int, ...] = ()
    taken_back: tuple[Label, ...] = ()

    @cached_property
    def by_row(self) -> Mapping[tuple[str, str], tuple[Label, ...]]:
        """The last label of each reviewer, by question and row."""
        found: dict[tuple[str, str], dict[str, Label]] = {}
        for label in self.held:
            own = found.setdefault(label.key, {})
            own.pop(label.reviewer, None)
            own[label.reviewer] = label
        return {key: tuple(own.values()) for key, own in found.items()}

    def of_question(self, question: str) -> tuple[Label, ...]:
        return tuple(label for label in self.held if label.question == question)

    def others_note(self, questions: Collection[str]) -> str:
        """How many labels answer none of these questions, as a person is told; nothing where all do."""
        if not (others := sum(label.question not in questions for label in self.held)):
            return ""
        return f"{counted(others, 'label')} of another question than this run's steps ask: not counted"

    def note(self) -> str:
        """What is wrong with the file, as a person is told; nothing where all is well."""
        if not self.damaged:
            return ""
        lines = ", ".join(map(str, self.damaged[:5])) + (", ..." if len(self.damaged) > 5 else "")
        return f"line {lines} of the labels is damaged and was passed over: what it said is not counted"


def read_labels(path: Path) -> Labels:
    """The labels of a file; none where there is no file. Raises UserError where it cannot be read."""
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} has {counted(path.stat().st_size, 'byte')}, and is not read")
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Labels(())
    except IsADirectoryError:
        raise UserError(f"{path} is a folder, no file of labels", "name the file itself: --labels FILE") from None
    except OSError as failure:
        raise system_error(failure, path, "read") from None
    found: dict[str, Label] = {}
    taken_back: list[Label] = []
    damaged = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        value = parsed(line)
        if isinstance(value, dict) and value.get("schema") == SCHEMA and isinstance(value.get("undo"), str):
            if (taken := found.pop(value["undo"], None)) is not None:
                taken_back.append(taken)
        elif (label := Label.from_json(value)) is not None:
            found[label.id] = label
        else:
            damaged.append(number)
    return Labels(tuple(found.values()), tuple(damaged), tuple(taken_back))


def parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def add_labels(path: Path, labels: Sequence[Label]) -> None:
    """Labels at the end of the file, on the disk when this returns. Raises UserError where they cannot be kept."""
    append(path, [label.as_json() for label in labels])


def undo_label(path: Path, label: Label, when: str) -> None:
    """Take a label back; the line that says so names it."""
    append(path, [{"schema": SCHEMA, "undo": label.id, "when": when}])


def append(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Lines in one write, after whatever others wrote. A line that was cut short is ended first."""
    text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines).encode("ascii")
    if path.is_symlink():
        raise UserError(f"{path} is a link, and labels are not written through one", "name the file itself: --labels")
    try:
        with path.open("ab+") as file, held_alone(file):
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                text = text if file.read(1) == b"\n" else b"\n" + text
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as failure:
        raise system_error(failure, path, "written", "name another: --labels FILE") from None


@contextmanager
def held_alone(file: BinaryIO) -> Iterator[None]:
    """While open, no other writer adds to the file; file systems that hold nothing are believed."""
    try:
        import fcntl
    except ImportError:  # not on Windows, where one write at the end is whole
        yield
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)
