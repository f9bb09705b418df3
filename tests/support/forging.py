"""A trace forged in every way that its owner could: each file, each JSON path, each column and row of its tables.

In: a sealed trace. Out: named changes, each a function on a copy of its folder; and a copy sealed again, with the log's
last event made anew too. Law: every change leaves other bytes than there were.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlm_dsl.trace.commitment import closing_roots
from rlm_dsl.trace.events import event_hash, whole_lines, written
from rlm_dsl.trace.layout import EVENTS, SIGNATURE
from rlm_dsl.trace.seal import file_digest, file_names, write_seal

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Forgery:
    """What is changed: of which file, in which way, and how."""

    file: str
    way: str
    where: str
    change: Change


def forgeries(trace: Path) -> Iterator[Forgery]:
    """Every change, file by file."""
    for name in file_names(trace):
        yield from of_files(trace, name)
        if name == EVENTS:
            yield from of_lines(trace, name)
        elif name.endswith((".json", ".jsonl")):
            yield from of_lines(trace, name) if name.endswith("l") else ()
            yield from of_json(trace, name)
        elif name.endswith(".parquet"):
            yield from of_table(trace, name)


def forged(trace: Path, forgery: Forgery, to: Path, *, anew: bool = True) -> Path:
    """A copy of a trace with one change, sealed again; `anew` makes the log's last event fit what is there, as somebody
    does who owns all of it."""
    shutil.copytree(trace, to)
    (to / SIGNATURE).unlink(missing_ok=True)
    forgery.change(to)
    if (to / EVENTS).is_file():  # there is nothing to seal without a log
        if anew:
            chain_again(to)
        write_seal(to)
    return to


def chain_again(folder: Path) -> None:
    """Every event bound to the one before it, and the last one committing to what is there."""
    events = [json.loads(line) for line in whole_lines(folder / EVENTS)]
    previous = "0" * 64
    lines: list[bytes] = []
    for number, event in enumerate(events):
        event |= {"seq": number, "previous": previous}
        event["hash"] = previous = event_hash(event)
        lines.append(written(event) + b"\n")
    (folder / EVENTS).write_bytes(b"".join(lines))
    if events and "events_root" in events[-1]:
        ended_anew(folder)


def ended_anew(folder: Path) -> None:
    """The log's last event commits to what is there now."""
    path = folder / EVENTS
    *lines, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines))
    files = {name: file_digest(folder / name) for name in file_names(folder) if name != EVENTS}
    end = {**json.loads(last), **closing_roots(path, calls_of(folder), files)}
    path.write_bytes(b"".join([*lines, written({**end, "hash": event_hash(end)}) + b"\n"]))


def sealed_anew(folder: Path) -> None:
    """All of it as its owner would leave it."""
    ended_anew(folder)
    write_seal(folder)


def calls_of(folder: Path) -> list[dict[str, str]]:
    try:
        rows: list[dict[str, str]] = pq.read_table(folder / "payload" / "calls.parquet").to_pylist()
        return rows if all({"key", "step", "origin", "request", "answer"} <= row.keys() for row in rows) else []
    except (OSError, pa.ArrowException):
        return []


def of_files(trace: Path, name: str) -> Iterator[Forgery]:
    def longer(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b" ")

    def twice(folder: Path) -> None:
        path = folder / name
        shutil.copy(path, path.with_name(f"{path.stem}-again{path.suffix}"))

    yield Forgery(name, "file missing", "", lambda folder: (folder / name).unlink())
    yield Forgery(name, "file longer", "", longer)
    yield Forgery(name, "file twice", "", twice)


def of_lines(trace: Path, name: str) -> Iterator[Forgery]:
    """Lines left out, doubled and exchanged."""
    count = len((trace / name).read_bytes().splitlines())
    for way, order in {
        "line left out": lambda at: [*range(at), *range(at + 1, count)],
        "line twice": lambda at: [*range(at + 1), *range(at, count)],
        "lines exchanged": lambda at: [*range(at), at + 1, at, *range(at + 2, count)],
    }.items():
        for at in range(count - (way == "lines exchanged")):
            yield Forgery(name, way, f"line {at + 1}", lines_change(name, order(at)))


def lines_change(name: str, places: list[int]) -> Change:
    def change(folder: Path) -> None:
        lines = (folder / name).read_bytes().splitlines(keepends=True)
        (folder / name).write_bytes(b"".join(lines[place] for place in places))

    return change


def of_json(trace: Path, name: str) -> Iterator[Forgery]:
    """Each value another, each field and element left out, each field given twice, one more in each object."""
    documents = [json.loads(line) for line in texts_of(trace, name)]
    for number, document in enumerate(documents):
        for path, value in paths(document):
            at = f"line {number + 1} {'.'.join(map(str, path))}"
            yield Forgery(name, "value changed", at, json_change(name, number, path, lambda old: another(old)))
            if path:
                yield Forgery(name, "value left out", at, json_change(name, number, path, None))
            if isinstance(value, list) and value:
                yield Forgery(name, "element twice", at, json_change(name, number, path, lambda old: [old[0], *old]))
            if isinstance(value, dict):
                yield Forgery(name, "field added", at, json_change(name, number, path, lambda old: {**old, "odd": 1}))
        if isinstance(document, dict):
            for field in document:
                yield Forgery(name, "field twice", f"line {number + 1} {field}", doubled(name, number, field))


def texts_of(folder: Path, name: str) -> list[str]:
    text = (folder / name).read_bytes().decode("utf-8")
    return text.removesuffix("\n").split("\n") if name.endswith("l") and text else [text] if text else []


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield at, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*at, key))


def another(value: Any) -> Any:
    """A value of the same kind that is another one."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.5
        case None:
            return 0
        case str():
            return value[:-1] + ("0" if value[-1:] == "1" else "1")
        case list():
            return [*value, *value[-1:]] if value else [0]
        case _:
            return {**value, "odd": 1}


def json_change(name: str, number: int, path: tuple[Any, ...], made: Callable[[Any], Any] | None) -> Change:
    def change(folder: Path) -> None:
        documents = [json.loads(text) for text in texts_of(folder, name)]
        documents[number] = replaced(documents[number], path, made)
        put(folder, name, documents)

    return change


def replaced(value: Any, path: tuple[Any, ...], made: Callable[[Any], Any] | None) -> Any:
    if not path:
        assert made is not None
        return made(value)
    value, (key, *rest) = copy.copy(value), path
    if not rest and made is None:
        del value[key]
    else:
        value[key] = replaced(value[key], tuple(rest), made)
    return value


def doubled(name: str, number: int, field: str) -> Change:
    """A field that stands twice in an object: first with another value, so that readers that take the last see none."""

    def change(folder: Path) -> None:
        texts = texts_of(folder, name)
        odd = f"{json.dumps(field)}: {json.dumps(another(json.loads(texts[number])[field]))}, "
        texts[number] = texts[number].replace("{", "{" + odd, 1)
        (folder / name).write_bytes(("\n".join(texts) + ("\n" if name.endswith("l") else "")).encode())

    return change


def put(folder: Path, name: str, documents: list[Any]) -> None:
    """Documents as a trace's writer spells them."""
    if name.endswith("l"):
        text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in documents)
    else:
        text = json.dumps(documents[0], ensure_ascii=False, indent=1) + "\n"
    (folder / name).write_bytes(text.encode("utf-8", "backslashreplace"))


def of_table(trace: Path, name: str) -> Iterator[Forgery]:
    """Each column with another value in one row, left out, or one more; each row left out, doubled, exchanged."""
    table = pq.read_table(trace / name)
    for column in table.column_names:
        values = table.column(column).to_pylist()
        yield Forgery(name, "column left out", column, table_change(name, lambda t, c=column: t.drop_columns([c])))
        if values:
            yield Forgery(name, "cell changed", column, table_change(name, lambda t, c=column: with_other_cell(t, c)))
    yield Forgery(
        name, "column added", "", table_change(name, lambda t: t.append_column("odd", pa.array([1] * t.num_rows)))
    )
    for row in range(table.num_rows):
        rows, at = table.num_rows, f"row {row + 1}"
        kept = [*range(row), *range(row + 1, rows)]
        yield Forgery(name, "row left out", at, table_change(name, lambda t, places=kept: t.take(places)))
        more = [*range(row + 1), *range(row, rows)]
        yield Forgery(name, "row twice", at, table_change(name, lambda t, places=more: t.take(places)))
        if row + 1 < rows and table.slice(row, 1) != table.slice(row + 1, 1):
            swapped = [*range(row), row + 1, row, *range(row + 2, rows)]
            yield Forgery(name, "rows exchanged", at, table_change(name, lambda t, places=swapped: t.take(places)))


def table_change(name: str, made: Callable[[pa.Table], pa.Table]) -> Change:
    def change(folder: Path) -> None:
        pq.write_table(made(pq.read_table(folder / name)), folder / name, compression="zstd")

    return change


def with_other_cell(table: pa.Table, column: str) -> pa.Table:
    """The first row's cell of a column is another of its type."""
    index, values = table.column_names.index(column), table.column(column).to_pylist()
    type_ = table.schema.field(column).type
    other = next(each for each in candidates(values[0]) if fits(each, type_) and each != values[0])
    return table.set_column(index, table.schema.field(column), pa.array([other, *values[1:]], type_))


def candidates(value: Any) -> Iterator[Any]:
    import datetime

    if value is not None and not isinstance(value, dict | datetime.date):
        yield another(value)
    if isinstance(value, datetime.date):
        yield value + datetime.timedelta(days=1)
    if isinstance(value, dict):
        yield {key: next(candidates(item)) for key, item in value.items()}
    yield from (1, "odd", 0.5, True, [], None)


def fits(value: Any, type_: pa.DataType) -> bool:
    try:
        pa.array([value], type_)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return False
    return True
