"""Whether another process is still there.

In: its number. Out: yes or no. Law: what cannot be told is believed to run; nothing is ever sent to it.
"""

from __future__ import annotations

import os


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
