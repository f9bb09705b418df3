"""Corpora for benchmarks: a seeded synthetic log, and real logs repeated to size.

In: a number of bytes. Out: a file of about as many bytes in a folder for temporary files, made once and kept.
Law: the same size and seed give the same bytes; lines are whole.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MB = 1_000_000
SEED = 7
ROWS = 200_000
"""Lines that are made at once."""
LEVELS = (("INFO", 0.72), ("DEBUG", 0.17), ("WARN", 0.08), ("ERROR", 0.028), ("FATAL", 0.002))
SERVICES = "auth billing search cart mail worker gateway storage scheduler catalog".split()
WORDS = (
    "the request user token cache for miss retry to payment failed in timeout upstream connection reset invoice "
    "created queue message handler node disk latency accepted closed session order refund shipped address parse of "
    "error with warning page from server client response on after before started stopped job task index shard "
    "replica leader follower heartbeat election snapshot restore backup volume mount quota exceeded denied granted "
    "permission role policy certificate expired renewed handshake cipher socket port listening bound refused "
    "unreachable route gateway proxy balancer pool thread worker blocked deadlock lock released acquired "
    "transaction commit rollback conflict duplicate key constraint violation schema migration column table row "
    "insert update delete select query slow plan memory pressure heap garbage collected pause allocation limit "
    "buffer flush sync segment compaction merge level checksum mismatch corrupt repaired skipped ignored dropped "
    "delayed throttled forwarded delivered bounced mailbox attachment template rendered asset bundle deployed "
    "version rolled canary feature flag toggled experiment"
).split()


def folder() -> Path:
    """Where corpora are kept between runs."""
    held = Path(tempfile.gettempdir()) / "rlm-dsl-benchmarks"
    held.mkdir(exist_ok=True)
    return held


def synthetic(size: int, seed: int = SEED) -> Path:
    """A log of about `size` bytes: dates, levels, services, users, addresses, and words by Zipf's law."""
    path = folder() / f"synthetic-{size}-{seed}-2.log"
    if not path.exists():
        made = path.with_suffix(".part")
        with made.open("wb") as file:
            written, block = 0, 0
            while written < size:
                lines = log_lines(np.random.default_rng([seed, block]), ROWS)
                written += file.write(cut(lines, size - written))
                block += 1
        made.rename(path)
    return path


def cut(lines: bytes, most: int) -> bytes:
    """At most so many bytes of lines, whole lines."""
    return lines if len(lines) <= most else lines[: lines.find(b"\n", most) + 1]


def log_lines(chance: np.random.Generator, rows: int) -> bytes:
    """So many lines, each with its line feed."""
    parts = [
        dates(chance, rows),
        chosen(chance, [level for level, _ in LEVELS], rows, [share for _, share in LEVELS]),
        wrapped("[", chosen(chance, SERVICES, rows), "]"),
        wrapped("user=u", numbers(np.minimum(chance.zipf(1.3, rows), 99_999)), ""),
        addresses(chance, rows),
        wrapped("ms=", numbers(chance.exponential(60, rows)), ""),
        sentences(chance, rows),
        endings(chance, rows),
    ]
    lines = pc.binary_join_element_wise(*(part.cast(pa.string()) for part in parts), " ")
    return bytes(pc.binary_join_element_wise(lines, "", "\n").buffers()[2])


def wrapped(before: str, values: Any, after: str) -> Any:
    return pc.binary_join_element_wise(before, values.cast(pa.string()), after, "")


def numbers(values: Any) -> Any:
    return pa.array(np.asarray(values, np.int64)).cast(pa.string())


def chosen(chance: np.random.Generator, values: list[str], rows: int, shares: list[float] | None = None) -> Any:
    return pa.array(values).take(pa.array(chance.choice(len(values), rows, p=shares)))


def dates(chance: np.random.Generator, rows: int) -> Any:
    """Times of a year as ISO dates with milliseconds, rising within a block."""
    start = np.datetime64("2024-01-01T00:00:00.000", "ms").astype(np.int64)
    at = np.sort(chance.integers(0, 366 * 86_400_000, rows)) + start
    return pc.strftime(pa.array(at.astype("datetime64[ms]")), "%Y-%m-%dT%H:%M:%S")


def addresses(chance: np.random.Generator, rows: int) -> Any:
    parts = [numbers(chance.integers(0, 256, rows)) for _ in range(3)]
    return wrapped("ip=10.", pc.binary_join_element_wise(*parts, "."), "")


def sentences(chance: np.random.Generator, rows: int) -> Any:
    """Words by Zipf's law, 3 to about 60 of them: most lines are short, a few are very long."""
    lengths = np.clip(chance.lognormal(1.7, 0.55, rows), 2, 60).astype(np.int32)
    ranks = 1 / np.arange(1, len(WORDS) + 1) ** 0.9
    picked = np.searchsorted(np.cumsum(ranks / ranks.sum()), chance.random(lengths.sum()))
    words = pa.array(WORDS).take(pa.array(np.minimum(picked, len(WORDS) - 1)))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), words), " ")


def endings(chance: np.random.Generator, rows: int) -> Any:
    """What a few lines end in: telephone numbers, mail addresses, codes, paths; most end in a short number."""
    picked = chance.choice(5, rows, p=[0.94, 0.01, 0.01, 0.02, 0.02])
    digits = chance.integers(0, 10_000, (4, rows))
    phone = pc.binary_join_element_wise(
        wrapped("+49-", numbers(100 + digits[0] % 900), "-555"), numbers(1_000 + digits[1] % 9_000), "-"
    )
    mail = wrapped("from ", chosen(chance, WORDS, rows), "@example.org")
    code = wrapped("code=E", numbers(digits[2]), "")
    path = wrapped("/srv/", chosen(chance, WORDS, rows), "/data.JSON")
    return pc.choose(pa.array(picked), wrapped("n=", numbers(digits[3] % 100), ""), phone, mail, code, path)


def real(size: int) -> Path | None:
    """The real logs of RLM_DSL_REAL_DATA, one after the other until the size is reached; None where there are none."""
    given = os.environ.get("RLM_DSL_REAL_DATA", "")
    logs = sorted((Path(given) / "loghub").glob("*.log")) if given else []
    if not logs:
        return None
    path = folder() / f"real-{size}-1.log"
    if not path.exists():
        content = b"".join(log.read_bytes().rstrip(b"\r\n") + b"\n" for log in logs)
        made = path.with_suffix(".part")
        with made.open("wb") as file:
            for _ in range(size // len(content) + 1):
                file.write(content)
        made.rename(path)
    return path
