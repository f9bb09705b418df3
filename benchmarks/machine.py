"""What the figures were measured on: cores, processor, memory, versions; never names of hosts or folders."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from measure import tool

PACKAGES = ("rlm-dsl", "duckdb", "pyarrow", "numpy", "google-re2", "lark", "openai", "aiohttp")
PEERS = ("polars", "tantivy", "dspy")


def machine() -> dict[str, str]:
    found = {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "processor": processor(),
        "memory": f"{memory() / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for package in (*PACKAGES, *PEERS):
        found[package] = package_version(package)
    return found | {"ripgrep": ripgrep_version()}


def processor() -> str:
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return named[1].strip() if named else platform.machine()


def memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def package_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def ripgrep_version() -> str:
    rg = tool("rg")
    if rg is None:
        return "not installed"
    return subprocess.run([rg, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
