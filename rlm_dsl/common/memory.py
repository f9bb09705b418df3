"""Amounts of memory, and how much of one is the engine's.

In: an amount as people write it, 2GB. Out: bytes. Law: 1 KB is 1,000 bytes and 1 KiB is 1,024.
"""

from __future__ import annotations

import re

from rlm_dsl.common.diagnostics import UserError

OWN_MEMORY = 250_000_000
"""Bytes of a process's memory that are not the engine's: Python, libraries, what is on its way."""
UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}


def memory_bytes(text: str) -> int:
    """An amount of memory such as 2GB or 500MB in bytes, 1 KB as 1,000 bytes and 1 KiB as 1,024."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT])(i?)B", text.strip(), re.IGNORECASE)
    if not found:
        raise UserError(f"no amount of memory: {text!r}", "write it as 2GB or 500MB")
    power = UNITS[found[2].upper()] // 10
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def engine_bytes(limit: int) -> int:
    """What the engine may take of what a process may: half of it at least."""
    return max(limit - OWN_MEMORY, limit // 2)
