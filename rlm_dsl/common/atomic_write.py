"""Files written whole: a text lies beside its file until it is complete, and then takes its place.

In: texts by path. Out: files. Law: a file is whole or as it was before; of several, none is replaced before all of them
are complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_file(path: Path, text: str) -> None:
    write_files({path: text})


def write_files(texts: Mapping[Path, str]) -> None:
    """Raises OSError where the disk refuses; partial files may then be left beside. Halves of surrogate pairs, as in
    names of files, stand as escapes."""
    partials = {path: path.with_name(f"{path.name}.partial") for path in texts}
    for path, text in texts.items():
        partials[path].unlink(missing_ok=True)  # which may be a link that leads elsewhere
        partials[path].write_text(text, encoding="utf-8", errors="backslashreplace")
    for path, partial in partials.items():
        partial.replace(path)
