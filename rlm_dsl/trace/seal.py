"""The seal: an in-toto statement over every other file of a trace, written last.

In: a finished trace's folder. Out: `seal.json`, and what is wrong with a folder under its seal.
Law: any changed byte, moved line, missing or added file of a sealed trace is found. The seal cannot cover itself beyond
its own digest: without a signature or a copy of its head elsewhere, an owner can rewrite everything.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rlm_dsl.hashing import identity
from rlm_dsl.trace import merkle
from rlm_dsl.trace.divergence import Divergence
from rlm_dsl.trace.events import check_chain, lines

SEAL, EVENTS = "seal.json", "events.jsonl"
PREDICATE = "urn:rlm-dsl:trace:v1"


def statement(folder: Path) -> dict[str, Any]:
    """The statement over what lies in a folder now."""
    _, head, count = check_chain(folder / EVENTS)
    content = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": file_digest(folder / name)}} for name in file_names(folder)],
        "predicateType": PREDICATE,
        "predicate": {"head": head, "events": count, "merkle_root": events_root(folder)},
    }
    return {**content, "digest": identity("seal-v1", content)}


def events_root(folder: Path) -> str:
    return merkle.root(lines(folder / EVENTS)[:-1]).hex()


def file_names(folder: Path) -> list[str]:
    """Every file but the seal, by path."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(name for name in found if name != SEAL)


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_seal(folder: Path) -> str:
    """Seal a folder; returns the chain's head."""
    made = statement(folder)
    path = folder / f"{SEAL}.partial"
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    path.replace(folder / SEAL)
    return str(made["predicate"]["head"])


def check_seal(folder: Path) -> list[Divergence]:
    """Everything in which a folder differs from its seal."""
    try:
        text = (folder / SEAL).read_bytes()
        sealed = json.loads(text)
        content = {key: value for key, value in sealed.items() if key != "digest"}
        own = identity("seal-v1", content) == sealed.get("digest") and text == sealed_form(sealed)
        subjects = {s["name"]: s["digest"]["sha256"] for s in sealed["subject"]}
        predicate = dict(sealed["predicate"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return [broken("the seal cannot be read")]
    found = [] if own else [broken("the seal is not the one that was written")]
    return found + files_differ(folder, subjects) + predicate_differs(folder, predicate)


def sealed_form(sealed: dict[str, Any]) -> bytes:
    return (json.dumps(sealed, indent=1) + "\n").encode("utf-8")


def files_differ(folder: Path, subjects: dict[str, str]) -> list[Divergence]:
    present = file_names(folder)
    found = [broken(f"{name} is missing") for name in subjects if name not in present]
    found += [broken(f"{name} was added") for name in present if name not in subjects]
    for name in present:
        if name in subjects and (digest := file_digest(folder / name)) != subjects[name]:
            found.append(broken(f"{name} was changed", str(subjects[name]), digest))
    return found


def predicate_differs(folder: Path, predicate: dict[str, Any]) -> list[Divergence]:
    if not (folder / EVENTS).is_file():
        return []
    _, head, count = check_chain(folder / EVENTS)
    now = {"head": head, "events": count, "merkle_root": events_root(folder)}
    return [
        broken(f"the log's {key} is not the sealed one", str(predicate.get(key)), str(value))
        for key, value in now.items()
        if predicate.get(key) != value
    ]


def broken(message: str, recorded: str | None = None, now: str | None = None) -> Divergence:
    return Divergence("D01", "files", message, recorded, now)
