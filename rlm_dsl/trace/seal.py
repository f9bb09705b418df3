"""The seal: an in-toto statement over every other file of a trace, written last.

In: a finished trace's folder. Out: `seal.json`, and what is wrong with a folder under its seal.
Law: any changed byte, moved line, missing or added file of a sealed trace is found; a link never passes for a file.

What it does not prove: the list of subjects cannot hold the seal itself. Its own `digest` over its canonical content
finds a careless edit, and no more: without a signature, or a copy of the chain's head kept elsewhere, whoever owns a
trace can rewrite all of it and seal it anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.hashing import identity
from rlm_dsl.trace import merkle
from rlm_dsl.trace.commitment import commits_to_files, files_root
from rlm_dsl.trace.divergence import Divergence
from rlm_dsl.trace.events import START, check_chain, has_own_hash, last_event, whole_lines
from rlm_dsl.trace.layout import EVENTS, SEAL, SIGNATURE, is_litter

LARGEST = 1 << 26
"""Bytes of a seal, of its signatures, and of a file whose line ends are looked at."""
PREDICATE = "urn:rlm-dsl:trace:v1"


def statement(folder: Path) -> dict[str, Any]:
    """The statement over what lies in a folder now. Raises OSError for what cannot be read."""
    return statement_of({name: file_digest(folder / name) for name in file_names(folder)}, log_now(folder))


def statement_of(subjects: Mapping[str, str], log: Mapping[str, Any]) -> dict[str, Any]:
    """The one form of a statement over files with their sha256 and a log with its head, count and root."""
    content = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": PREDICATE,
        "predicate": {key: log[key] for key in ("head", "events", "merkle_root")},
    }
    return {**content, "digest": identity("seal-v1", content)}


def log_now(folder: Path, chain: tuple[str, int] | None = None) -> dict[str, Any]:
    """The log's head, count of whole lines and Merkle root. Raises OSError where there is none. `chain` are head and
    count, where the log has been gone through already."""
    head, count = chain or check_chain(folder / EVENTS)[1:]
    return {"head": head, "events": count, "merkle_root": events_root(folder)}


def events_root(folder: Path) -> str:
    """The Merkle root over the log's whole lines."""
    return merkle.root(whole_lines(folder / EVENTS)).hex()


def file_names(folder: Path) -> list[str]:
    """The files of a trace, by path: all there is but the seal, its signature, and what desktops leave behind."""
    return [name for name in names_there(folder) if not is_litter(name) or (folder / name).is_symlink()]


def names_there(folder: Path) -> list[str]:
    """Everything but the seal, its signature and folders, by path: links and pipes are named too."""
    found = (
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    )
    return sorted(name for name in found if name not in (SEAL, SIGNATURE))


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes in hex. Raises OSError for what is no file of the trace's own, such as a link."""
    if path.is_symlink() or not path.is_file():
        raise OSError(f"{path.name} is no file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def small_file(path: Path) -> bytes:
    """A seal's or its signatures' bytes. Raises OSError for what is no file of the trace's own, or too large."""
    if path.is_symlink() or (path.exists() and not path.is_file()) or path.stat().st_size > LARGEST:
        raise OSError(f"{path.name} is no file that is read")
    return path.read_bytes()


def write_seal(folder: Path) -> str:
    """Seal a folder; returns the chain's head. Raises OSError where a file cannot be read or written."""
    made = statement(folder)
    path = folder / f"{SEAL}.partial"
    with path.open("wb") as file:
        file.write(sealed_form(made))
        file.flush()
        os.fsync(file.fileno())
    path.replace(folder / SEAL)
    return str(made["predicate"]["head"])


def changed_files(folder: Path) -> list[Divergence]:
    """What of a folder is not as it was sealed, by the digests of its files and the log's last event alone: quicker
    than `check_seal`, which goes through the log."""
    try:
        own, subjects, log = read_seal(folder / SEAL)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return [broken("the seal cannot be read")]
    if not own:
        return [broken("the seal is not the one that was written")]
    if found := files_differ(folder, subjects):
        return found
    end = last_event(folder / EVENTS)
    if end.get("hash", START) != log["head"] or (end and not has_own_hash(end)):
        return [broken("the log's last event is not the sealed one")]
    return list(not_committed(subjects, end))


def not_committed(subjects: Mapping[str, str], end: Mapping[str, Any]) -> Iterator[Divergence]:
    """Whether the sealed files are those that the log's last event commits to."""
    files = {name: digest for name, digest in subjects.items() if name != EVENTS}
    if commits_to_files(end) and end["files_root"] != (now := files_root(files)):
        message = "the files are not those that the log's last event commits to"
        yield Divergence("D01", "files", message, str(end["files_root"]), now)


def check_seal(folder: Path, chain: tuple[str, int] | None = None) -> list[Divergence]:
    """Everything in which a folder differs from its seal; `chain` as `log_now` takes it."""
    try:
        own, subjects, log = read_seal(folder / SEAL)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return [broken("the seal cannot be read")]
    found = [] if own else [broken("the seal is not the one that was written")]
    return found + files_differ(folder, subjects) + log_differs(folder, log, chain)


def read_seal(path: Path) -> tuple[bool, dict[str, str], dict[str, Any]]:
    """Whether the seal is as it was written, its files with their sha256, and what it says of the log.

    It is formed anew and compared byte for byte: another order of its keys is another seal.
    """
    text = small_file(path)
    sealed = json.loads(text)
    subjects = {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in sealed["subject"]}
    log = dict(sealed["predicate"])
    return text == sealed_form(statement_of(subjects, log)), subjects, log


def sealed_form(sealed: dict[str, Any]) -> bytes:
    return (json.dumps(sealed, indent=1) + "\n").encode("utf-8")


def files_differ(folder: Path, subjects: dict[str, str]) -> list[Divergence]:
    present, own = set(names_there(folder)), set(file_names(folder))
    found = [broken(f"{name} is missing") for name in subjects if name not in present]
    found += [broken(f"{name} was added") for name in sorted(own - subjects.keys())]
    both = ((name, digest) for name, digest in subjects.items() if name in present)
    return found + [fault for name, digest in both if (fault := file_differs(folder / name, name, digest))]


def file_differs(path: Path, name: str, sealed: str) -> Divergence | None:
    try:
        digest = file_digest(path)
    except OSError:
        return broken(f"{name} cannot be read, or is no longer a file", sealed)
    if digest == sealed:
        return None
    found = broken(f"{name} was changed", sealed, digest)
    text = path.read_bytes() if path.stat().st_size <= LARGEST else b""
    same = hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest() == sealed
    return replace(found, cause=LINE_ENDS, next_command=MEND) if same else found


LINE_ENDS = "its line ends are CRLF and were LF, as git makes them with core.autocrlf"
MEND = "say `*.trace/** -text` in .gitattributes, remove the trace's folder, and get it again with git checkout"


def has_other_line_ends(path: Path) -> bool:
    """Whether a log's lines end otherwise than any log's that was written here."""
    with path.open("rb") as file:
        return file.readline().endswith(b"\r\n")


def log_differs(folder: Path, sealed: Mapping[str, Any], chain: tuple[str, int] | None = None) -> list[Divergence]:
    try:
        now = log_now(folder, chain)
    except OSError:
        return [broken("the log cannot be read", str(sealed["head"]))]
    return [
        broken(f"the log's {key} is not the sealed one", str(sealed[key]), str(value))
        for key, value in now.items()
        if sealed[key] != value
    ]


def broken(message: str, recorded: str | None = None, now: str | None = None) -> Divergence:
    return Divergence("D01", "files", message, recorded, now)
