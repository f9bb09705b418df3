"""What keeps git's hands off the line ends of traces: a line in `.gitattributes`, beside where they are written.

In: the folder that a trace is written into. Out: a file there, or none. Law: no file of anybody's is changed; outside a
repository, and where one says so already, none is written.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from rlm_dsl.common.atomic_write import write_file
from rlm_dsl.trace.layout import AS_THEY_ARE, ATTRIBUTES


def keep_line_ends(folder: Path, *, ours: bool = False) -> None:
    """Tell git to leave the traces in a folder as they are: in one that is ours always, else within a repository."""
    with suppress(OSError):
        if ours:
            folder.mkdir(exist_ok=True)
        if not (folder / ATTRIBUTES).exists() and (ours or is_unsaid(folder.resolve())):
            write_file(folder / ATTRIBUTES, AS_THEY_ARE)


def is_unsaid(folder: Path) -> bool:
    """Whether a folder lies in a repository of which no file above says how traces are kept."""
    rule = AS_THEY_ARE.split("\n", 1)[0]
    for above in (folder, *folder.parents):
        said = above / ATTRIBUTES
        if said.is_file() and rule in said.read_text(encoding="utf-8", errors="replace").splitlines():
            return False
        if (above / ".git").exists():
            return True
    return False
