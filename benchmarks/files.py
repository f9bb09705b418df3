"""Tables as people have them: many CSV files as one table, a CSV file beside other readers, a sheet of a workbook.

Ours are rows that know their line and bytes, in columns typed by every cell, and the digests of the files; the peers
keep no places, and guess types from a part of the cells.
"""

from __future__ import annotations

import itertools
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import corpora
from measure import Effort, Goal, Measure, Work, compared

from rlm_dsl.context.loading import load
from rlm_dsl.engine.storage.open import open_context

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.support.workbooks import workbook

AGAINST_ONE = Goal(reach=1.25, ideal=1)
AGAINST_READERS = Goal(reach=3, ideal=1)
AGAINST_CALAMINE = Goal(reach=1.5, ideal=1)
HEADER = b"id,day,user,service,amount,text\n"


def measures(effort: Effort) -> Iterator[Measure]:
    count, size = effort.of(20, 200), effort.of(2, 5) * corpora.MB
    folder, whole = csv_files(count, size)
    what = f"{count:,} CSV files of {size / corpora.MB:,.0f} MB as one table"
    peers: dict[str, Work | None] = {f"one file of {count * size / corpora.MB:,.0f} MB": lambda: load("t", str(whole))}
    goals = dict.fromkeys(peers, AGAINST_ONE)
    yield from compared(what, lambda: load("t", f"{folder}/*.csv"), peers, goals, rounds=effort.of(3, 3))

    _, one = csv_files(1, effort.of(20, 200) * corpora.MB)
    readers = {"duckdb read_csv": duckdb_csv(one), "polars read_csv": polars_csv(one)}
    goals = dict.fromkeys(readers, AGAINST_READERS)
    what = f"a CSV file of {one.stat().st_size / corpora.MB:,.0f} MB"
    yield from compared(what, lambda: load("t", str(one)), readers, goals, rounds=effort.of(3, 5))

    months, size = effort.of(6, 12), effort.of(4, 20) * corpora.MB
    afresh = Goal(reach=0.5, ideal=0.2)
    for what, work, peer in kept_between_runs(months, size):
        yield from compared(what, work, {"all read afresh": peer}, {"all read afresh": afresh}, rounds=effort.of(3, 3))

    rows = effort.of(20_000, 100_000)
    book = workbook_file(rows)
    bare: dict[str, Work | None] = {"python-calamine, its rows alone": calamine(book)}
    what = f"a sheet of {rows:,} rows and 5 columns"
    yield from compared(what, lambda: load("t", str(book)), bare, dict.fromkeys(bare, AGAINST_CALAMINE))


def kept_between_runs(count: int, size: int) -> Iterator[tuple[str, Work, Work]]:
    """A run's data with `keep:`, against the same without: when nothing is new, a file has grown, a file has come."""
    source, _ = csv_files(count, size)
    folder = corpora.folder() / f"kept-{count}-{size}"
    for name in ("data", "kept"):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.copytree(source, folder / "data")
    data, glob, keep = folder / "data", f"{folder / 'data'}/*.csv", str(folder / "kept")
    last, months = data / f"{count - 1:04}.csv", itertools.count(count)
    few = b"".join(csv_line(n, random.Random(n)) for n in range(1_000))

    def grown() -> None:
        with last.open("ab") as file:
            file.write(few)
        opened()

    def come() -> None:
        shutil.copy(source / "0000.csv", data / f"{next(months):04}.csv")
        opened()

    def opened() -> None:
        open_context("t", glob, keep=keep)

    def afresh() -> None:
        open_context("t", glob)

    opened()
    what = f"a run's data, {count} months of {size / corpora.MB:,.0f} MB, kept"
    yield f"{what}: nothing new", opened, afresh
    yield f"{what}: 1,000 rows more in the last", grown, afresh
    yield f"{what}: one month more each time", come, afresh


def csv_files(count: int, size: int) -> tuple[Path, Path]:
    """A folder of CSV files of about so many bytes each, and one file with all their rows."""
    folder = corpora.folder() / f"csv-{count}-{size}"
    whole = folder.with_suffix(".csv")
    if whole.exists():
        return folder, whole
    folder.mkdir(exist_ok=True)
    made = whole.with_suffix(".part")
    with made.open("wb") as all_rows:
        all_rows.write(HEADER)
        number = 0
        for index in range(count):
            chance = random.Random(index)
            lines: list[bytes] = []
            written = 0
            while written < size:
                number += 1
                lines.append(csv_line(number, chance))
                written += len(lines[-1])
            body = b"".join(lines)
            (folder / f"{index:04}.csv").write_bytes(HEADER + body)
            all_rows.write(body)
    made.rename(whole)
    return folder, whole


def csv_line(number: int, chance: random.Random) -> bytes:
    words = " ".join(chance.choices(corpora.WORDS, k=6))
    day, user, service = f"2026-{1 + number % 12:02}-{1 + number % 28:02}", chance.randrange(5_000), number % 10
    text = f'"{words}, {words[:9]}"' if number % 5 == 0 else words
    return f"{number},{day},u{user},{corpora.SERVICES[service]},{chance.randrange(10**6) / 100},{text}\n".encode()


def workbook_file(rows: int) -> Path:
    path = corpora.folder() / f"book-{rows}.xlsx"
    if not path.exists():
        header: list[object] = ["id", "user", "amount", "note", "open"]
        body = ([n, f"u{n % 300}", n * 0.25, f"note {n % 1000}", n % 2 == 0] for n in range(rows))
        path.write_bytes(workbook({"orders": [header, *body]}))
    return path


def duckdb_csv(path: Path) -> Work:
    import duckdb

    def work() -> None:
        with duckdb.connect() as connection:
            connection.execute("CREATE TABLE t AS SELECT * FROM read_csv(?)", [str(path)])

    return work


def polars_csv(path: Path) -> Work | None:
    try:
        import polars
    except ImportError:
        return None
    return lambda: polars.read_csv(path, try_parse_dates=True)


def calamine(path: Path) -> Work | None:
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        return None
    return lambda: list(CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).iter_rows())
