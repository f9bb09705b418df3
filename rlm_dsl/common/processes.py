"""Whether another process is still there, and how much memory all of them have.

In: its number. Out: yes or no, bytes. Law: what cannot be told is believed to run; nothing is ever sent to it.
"""

from __future__ import annotations

import os
from contextlib import suppress


def is_running(process: int) -> bool:
    """Whether a process of this number runs, as far as can be told."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def physical_memory() -> int:
    """Bytes of memory that the machine has; much where it does not say."""
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 36
