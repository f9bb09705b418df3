"""Where the data of a trace lies now: where its reader says, else where it was recorded, as far as that may be opened.

In: a recorded context, what the reader gives, the trace's folder. Out: the context. Law: a trace is written by whoever
made it. Its paths are followed below the working directory and the trace's own project; elsewhere a file is opened only
when its size and digest are the recorded ones; no link leads out of this, no connection is made, no pipe read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean, printable
from rlm_dsl.context.context import Context
from rlm_dsl.context.files import archives
from rlm_dsl.context.files.find import STANDARD_INPUT, Found, file_and_table, find
from rlm_dsl.context.files.read import size_of
from rlm_dsl.context.files.remote import is_elsewhere
from rlm_dsl.context.loading import as_declared
from rlm_dsl.context.manifest import read_manifest
from rlm_dsl.context.options import recorded_options
from rlm_dsl.context.placement import Placement
from rlm_dsl.context.python_table import FORMAT as TABLE
from rlm_dsl.context.stored_context import digest_of, is_stored, makes_connection, source_path
from rlm_dsl.engine.storage.open import open_context
from rlm_dsl.language.check.type_expressions import parse_table_type

ROOTS = (".git", "rlm-dsl.yaml", "pyproject.toml")
"""What the folder of a project has."""


def require_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise UserError for data that is given under a name that a recorded run does not have."""
    names = list(known)
    for name in given:
        if name not in names:
            has = ", ".join(f"`{each}`" for each in names) or "none"
            hint = did_you_mean(name, names, what="contexts")
            raise UserError(f"the trace has no context `{printable(name)}`; it has {has}", *hint[:1], code="name")


def load_context(
    recorded: Mapping[str, Any],
    all_given: Mapping[str, str | Context],
    folder: Path,
    *,
    kept: bool = True,
    engine: Placement | None = None,
) -> Context:
    """A recorded context from where it lies now. Its rows are those that are kept in a `.rlmctx`, or without `kept`
    those of the sources themselves, whatever such a folder says. Raises UserError where it is not there, or where its
    recorded path may not be opened. An `engine` works on the rows, if it is another than this process."""
    given = place_of(recorded, all_given, folder)
    declared = parse_table_type(recorded["schema"])
    if isinstance(given, Context):
        return given if declared is None else as_declared(given, declared)
    if not kept and is_stored(given):
        given = source_of_stored(Path(given))
    options = recorded_options(recorded)
    read = {"format": recorded["format"], "declared": declared, "options": options}
    return open_context(recorded["name"], given, **read, engine=engine)[0]


def place_of(recorded: Mapping[str, Any], all_given: Mapping[str, str | Context], folder: Path) -> str | Context:
    """Where a recorded context lies now, or itself where it is handed in. Raises UserError as `load_context` does."""
    name = recorded["name"]
    given = all_given.get(name)
    if given is None and recorded["format"] == TABLE:
        raise UserError(f"it was a table in Python: hand it in by rlm_dsl.verify(trace, {{{name!r}: table}})")
    return given if isinstance(given, Context) else given or recorded_place(recorded, folder)


def source_of_stored(folder: Path) -> str:
    """What a kept context was loaded from; itself where that can be read but once, and is kept in it."""
    manifest = read_manifest(folder)
    return source_path(manifest.given, manifest, folder)


def recorded_place(recorded: Mapping[str, Any], folder: Path) -> str:
    """The recorded path of a context, seen from here. Raises UserError where its reader has to say it."""
    given = str(recorded["given"])
    if given == STANDARD_INPUT:
        raise UserError("it was read from standard input", f"say it: --context {recorded['name']}=-")
    place = found_near(given, folder)
    if is_ours(place, folder) or is_recorded(place, recorded["sources"]):
        return place
    raise UserError(
        f"{given} lies outside this folder and the trace's, and is not what was recorded: it was not opened",
        f"if it is meant, say so: --context {recorded['name']}={given}",
    )


def found_near(given: str, folder: Path) -> str:
    """A relative path from here, or else from a folder above the trace: traces travel with their project."""
    fixed = file_and_table(given.split("*", 1)[0].split(archives.MARK, 1)[0])[0]
    near = given
    for base in () if is_elsewhere(given) else (Path(), *folder.resolve().parents):
        if (base / fixed).exists():
            near = (base / given).as_posix() if base != Path() else given
            break
    if makes_connection(near):
        told = f"it was read from {given}, and a trace alone makes no connection"
        raise UserError(told, f"say it: --context NAME={near}")
    return near


def is_ours(place: str, folder: Path) -> bool:
    """Whether all that a path names lies below the working directory or the trace's project, and is not hidden there.
    What is not there is ours by its name."""
    roots = [Path.cwd().resolve(), *([] if (project := project_of(folder)) is None else [project])]
    fixed = file_and_table(place.split("*", 1)[0].split(archives.MARK, 1)[0])[0]
    if not any(lies_in(fixed, root) for root in roots):
        return False
    if is_stored(place):
        return True
    try:
        found = find(file_and_table(place)[0])
    except UserError:
        return True  # it is not there, or cannot be read: whoever opens it says so
    return all(any(lies_in(file.path.split(archives.MARK, 1)[0], root) for root in roots) for file in found)


def lies_in(path: str, root: Path) -> bool:
    """Whether a path leads below a folder, whatever links are on its way, through nothing that is hidden."""
    real = Path(os.path.realpath(path))
    return real.is_relative_to(root) and not any(part.startswith(".") for part in real.relative_to(root).parts)


def project_of(folder: Path) -> Path | None:
    """The project that a trace lies in, else the folder that it lies in; none for one that was unpacked to be read."""
    above = folder.resolve().parents
    if above[0] == Path(tempfile.gettempdir()).resolve():
        return None
    return next((each for each in above if any((each / root).exists() for root in ROOTS)), above[0])


def is_recorded(place: str, sources: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a path names files of the recorded sizes and digests, and no others. None of another size is opened."""
    try:
        if is_stored(place):
            manifest = read_manifest(Path(place))
            held = sorted((source.size, source.sha256) for source in manifest.sources)
            return held == sorted((s["size"], s["sha256"]) for s in sources)
        found = find(file_and_table(place)[0])
        if sorted(map(size, found)) != sorted(source["size"] for source in sources):
            return False
        digests = sorted(digest_of(file.path) for file in found if size(file))
        return digests == sorted(source["sha256"] for source in sources if source["size"])
    except (UserError, OSError):
        return False


def size(file: Found) -> int:
    return size_of([file])
