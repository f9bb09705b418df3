"""Contexts in shards on Ray beside a run in one process, on this machine: lines searched, cut into fields and grouped.

Usage: python benchmarks/scaling.py [--size 1GB]
Each run is a process of its own, run once; seconds are told beside processor seconds of all its processes, Ray's own
among them, and the load of the machine, which others may share. Ray's start is told apart.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import corpora
from measure import Effort, Goal, Measure, Spread
from run import size_of, told

PROGRAM = (
    'found = log | grep("ERROR") | extract(r"\\[(?P<service>\\w+)\\] user=(?P<user>u\\d+) ip=\\S+ ms=(?P<ms>\\d+)")\n'
    "answer found | derive(v=to_int(ms)) | group(by=service, n=count(), s=sum(v)) | sort(service)\n"
)
FIRST = 'answer log | grep("ERROR") | take(3)\n'
OVERHEAD = Goal(reach=1.3, ideal=1.1)
FILE = 256 * corpora.MB
QUICK = 60 * corpora.MB
CHILD = """
import json, os, resource, sys, time
from pathlib import Path

def own(pid):
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(words[1]), sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")

def processor_seconds():
    held = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                held[int(folder.name)] = own(folder.name)
            except OSError:
                pass
    mine, more = {os.getpid()}, True
    while more:
        more = {pid for pid, (parent, _) in held.items() if parent in mine} - mine
        mine |= more
    return sum(held[pid][1] for pid in mine)

program, folder, shard, workers, keep = json.loads(sys.argv[1])
begun = time.perf_counter()
import rlm_dsl
from rlm_dsl.context.placement import Placement
placed = None
if workers:
    import logging, ray
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False, configure_logging=False)
    placed = Placement("ray", shard=shard)
started = time.perf_counter()
before = processor_seconds()
more = {"keep": keep} if keep else {}
found = rlm_dsl.run(program, {"log": folder}, threads=2, **({"engine": placed} if placed else {}), **more)
ended = time.perf_counter()
print(json.dumps([started - begun, ended - started, processor_seconds() - before, found.value]))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took: Ray's start, the run, processor seconds of the run; and what it answered."""

    start: float
    seconds: float
    processor: float
    answer: object


def ran(program: str, folder: Path, shard: int, workers: int, keep: Path | None = None) -> Run:
    asked = json.dumps([program, str(folder), shard, workers, str(keep) if keep else None])
    done = subprocess.run([sys.executable, "-c", CHILD, asked], stdout=subprocess.PIPE, text=True, check=True)
    return Run(*json.loads(done.stdout.splitlines()[-1]))


def measures(effort: Effort) -> Iterator[Measure]:
    size = effort.size or effort.of(QUICK, 1_000 * corpora.MB)
    shard = min(FILE, size // 4)
    with tempfile.TemporaryDirectory(dir=corpora.folder()) as name:
        folder = Path(name) / "log"
        files(folder, size, shard)
        yield from of_folder(folder, size, shard, Path(name))


def files(folder: Path, size: int, each: int) -> None:
    """Files of a log that have so many bytes together."""
    folder.mkdir()
    made = corpora.synthetic(each)
    for number in range(max(1, round(size / each))):
        shutil.copyfile(made, folder / f"{number:04}.log")


def of_folder(folder: Path, size: int, shard: int, place: Path) -> Iterator[Measure]:
    about = f"{size / 1e9:g} GB"
    one = ran(PROGRAM, folder, shard, 0)
    yield seconds(f"{about}, one process", one)
    yield processor(f"{about}, one process", one, size)
    alone = ran(PROGRAM, folder, shard, 1)
    two = ran(PROGRAM, folder, shard, 2)
    assert one.answer == alone.answer == two.answer
    yield Measure(f"{about}: Ray's start", Spread.of([two.start]))
    ratio = Spread.of([two.seconds / one.seconds])
    ours, theirs = Spread.of([two.seconds]), Spread.of([one.seconds])
    yield Measure(f"{about}, 2 workers", ours, "one process", theirs, ratio, OVERHEAD, note=load())
    yield processor(f"{about}, 2 workers", two, size)
    ratio = Spread.of([alone.seconds / two.seconds])
    yield Measure(f"{about}, 1 worker", Spread.of([alone.seconds]), "2 workers", ours, ratio, note=load())
    keep = place / "kept"
    yield seconds(f"{about}, 2 workers, to the first three rows", ran(FIRST, folder, shard, 2, keep))
    ran(PROGRAM, folder, shard, 2, keep)
    yield seconds(f"{about}, 2 workers, all of it kept", ran(PROGRAM, folder, shard, 2, keep))


def seconds(what: str, run: Run) -> Measure:
    return Measure(what, Spread.of([run.seconds]), note=load())


def processor(what: str, run: Run, size: int) -> Measure:
    return Measure(f"{what}, processor", Spread.of([run.processor / size * 1e9]), unit="s/GB")


def load() -> str:
    return f"(load {os.getloadavg()[0]:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=size_of, help="of the files together, such as 5GB; 60 MB unless it is said")
    begun = time.perf_counter()
    for found in measures(Effort(False, parser.parse_args().size)):
        print(told(found.as_json()), flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
