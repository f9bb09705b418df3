"""A file that several tasks may make at once: each writes one of its own, which then takes the file's place.

In: a path. Out: a path beside it to write to. Law: whoever finds the file finds it whole; what was not finished is
gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes `path` where nothing is raised meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}.{token_hex(4)}")
    try:
        yield made
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
