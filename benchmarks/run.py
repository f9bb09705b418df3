"""Runs benchmarks and writes what they came to.

Usage: python benchmarks/run.py [--quick | --full] [--size 10GB] [--write-docs] [NAMES]
Without names, all of them. Each runs in a process of its own; results of earlier runs are kept for those not named.
Writes benchmarks/results/results.json and RESULTS.md, and with --write-docs the tables of docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import measure
from machine import machine
from measure import Effort, Measure
from tables import documented, results_page

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCS = HERE.parent / "docs" / "performance.md"
NAMES = (
    *("load", "files", "grep", "chain", "partition", "tokens", "search", "digest", "step", "check_program", "start_up"),
    *("memory", "large", "model_calls", "explorers", "price", "price_map", "traces"),
)
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
LONGEST = 900
"""Seconds that one benchmark may take."""


def main() -> None:
    given = arguments()
    if given.one:
        return alone(given.one, Effort(given.full, given.size))
    if given.names or not given.write_docs:
        held = json.loads((RESULTS / "results.json").read_text()) if (RESULTS / "results.json").exists() else {}
        held = {"machine": machine(), "benchmarks": held.get("benchmarks", {})}
        for name in given.names or NAMES:
            started = time.perf_counter()
            found = apart(name, given)
            held["benchmarks"][name] = {"effort": "full" if given.full else "quick", **found}
            if "failed" in found:
                print(f"  ended early: {found['failed']}", flush=True)
            print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
        held["benchmarks"] = {name: held["benchmarks"][name] for name in NAMES if name in held["benchmarks"]}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "results.json").write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n")
    held = json.loads((RESULTS / "results.json").read_text())
    (RESULTS / "RESULTS.md").write_text(results_page(held))
    if given.write_docs:
        DOCS.write_text(documented(DOCS.read_text(), held))
    return None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAMES", help=", ".join(NAMES))
    parser.add_argument("--full", action="store_true", help="about ten minutes on two cores")
    parser.add_argument("--quick", action="store_true", help="under a minute; what is done unless --full is said")
    parser.add_argument("--size", type=size_of, help="the corpus of the benchmark `large`, such as 10GB")
    parser.add_argument("--write-docs", action="store_true", help="alone, it measures nothing")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.full and given.quick:
        parser.error("either --quick or --full")
    if (given.full or given.quick) and not given.names:
        given.names = list(NAMES)
    return given


def size_of(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(|KB|MB|GB)", text.strip().upper())
    if not found:
        raise argparse.ArgumentTypeError("write it as 500MB or 10GB")
    return int(float(found[1]) * UNITS[found[2]])


def alone(name: str, effort: Effort) -> None:
    """One benchmark here, a measure a line as it comes."""
    if not effort.full:
        measure.ROUNDS = 3
    for found in importlib.import_module(name).measures(effort):
        print(json.dumps(found.as_json(), ensure_ascii=False), flush=True)


def apart(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """One benchmark in a process of its own. If that dies, what it measured before is kept, and its end is told."""
    asked = [sys.executable, str(HERE / "run.py"), "--one", name, "--full" if given.full else "--quick"]
    asked += ["--size", str(given.size)] if given.size else []
    process = subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, errors = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        out, errors = process.communicate()
        errors += f"stopped after {LONGEST} s"
    measures = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    for held in measures:
        print(f"  {told(held)}", flush=True)
    module = importlib.import_module(name)
    about = (module.__doc__ or "").strip()
    failed = {"failed": last_line(errors)} if process.returncode else {}
    return {"about": about, "measures": measures, **failed}


def last_line(errors: str) -> str:
    """The end of an error, without the folders of whoever ran it."""
    lines = errors.strip().splitlines() or ["no message"]
    return re.sub(r"(/[\w.+-]+)+/", "", lines[-1])[:200]


def told(held: dict[str, Any]) -> str:
    found: Measure = measure.measure_of(held)
    peer = f" against {found.peer}" if found.peer else f" {found.unit}"
    value = f"{found.judged.median:g}" if found.judged else "-"
    return f"{found.what}: {value}{peer} {found.met} {found.note}".rstrip()


if __name__ == "__main__":
    main()
