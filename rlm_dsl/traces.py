"""Traces in Python: what the commands that read a trace do, a function each.

In: a trace, as a folder or a zip. Out: values. Law: nothing here asks a model or changes what is sealed.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from rlm_dsl.api import Contexts, given_contexts
from rlm_dsl.diagnostics import UserError
from rlm_dsl.runtime.citing import Citation
from rlm_dsl.runtime.citing import cite as cite_answer
from rlm_dsl.runtime.doctor import Finding, of_trace
from rlm_dsl.runtime.evidence import LISTED
from rlm_dsl.runtime.trace_tables import query
from rlm_dsl.trace import proof, signing
from rlm_dsl.trace.exports.openinference import openinference
from rlm_dsl.trace.exports.openlineage import openlineage
from rlm_dsl.trace.exports.otlp import otlp
from rlm_dsl.trace.file import Trace
from rlm_dsl.trace.file import pack as pack_folder
from rlm_dsl.trace.file import unpack as unpack_zip

Given = str | os.PathLike[str]


def opened(trace: Given, *, unfinished: bool = False) -> Trace:
    """A trace to read, from its folder or its zip."""
    return Trace.open(Path(trace), unfinished=unfinished)


def pack(trace: Given, to: Given | None = None) -> Path:
    """A trace's folder as one zip: the same bytes for the same trace, wherever it is packed."""
    if not Path(trace).is_dir():
        raise UserError(f"{trace} is no folder", "a packed trace is one zip already")
    opened(trace, unfinished=True)
    return pack_folder(Path(trace).resolve(), Path(to) if to else None)


def unpack(file: Given, to: Given | None = None) -> Path:
    """A packed trace as a folder again."""
    return unpack_zip(Path(file), Path(to) if to else None)


def prove(trace: Given, what: str | int) -> dict[str, Any]:
    """The proof of a call by its key or the key's first digits, or of an event by its number."""
    held = opened(trace)
    return proof.prove_event(held, what) if isinstance(what, int) else proof.prove_call(held, what)


def check_proof(made: dict[str, Any], *, head: str | None = None, root: str | None = None) -> list[str]:
    """What is wrong with a proof; nothing if it holds."""
    return proof.faults(made, head, root)


def cite(
    trace: Given, wanted: str = "", contexts: Contexts | None = None, *, limit: int | None = LISTED
) -> tuple[Citation, ...]:
    """The places in the sources behind each part of an answer, or behind one part (`per_user`) or row (`per_user[2]`):
    at most `limit` of each, with their text, and whether their bytes are the recorded ones."""
    return cite_answer(opened(trace), given_contexts(contexts or {}), wanted, limit)


def doctor(trace: Given) -> list[Finding]:
    """What of a recorded run could not be checked or run again by others; nothing if all could."""
    return of_trace(opened(trace, unfinished=True), os.environ)


def sql(trace: Given, text: str, *, limit: int | None = None) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns and rows of a query over a trace's views (docs/traces.md)."""
    return query(opened(trace), text, limit)


def export(trace: Given, form: str, *, content: bool = False) -> str:
    """A trace as `otlp` or `openinference` (OTLP's JSON), or as `openlineage` (a line of JSON an event). With
    `content`, spans hold what was asked and answered."""
    held = opened(trace)
    match form:
        case "otlp":
            return json.dumps(otlp(held, content=content), ensure_ascii=False) + "\n"
        case "openinference":
            return json.dumps(openinference(held, content=content), ensure_ascii=False) + "\n"
        case "openlineage":
            return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in openlineage(held))
        case _:
            raise UserError(f"there is no form {form!r}", "otlp, openinference or openlineage")


def sign(trace: Given, key: bytes) -> str:
    """Sign a trace's seal with an ed25519 key (PEM or OpenSSH); returns the key's id. A zip is packed anew."""
    held = opened(trace)
    keyid = signing.sign(held.folder, key)
    if held.held is not None:
        with tempfile.TemporaryDirectory(dir=Path(trace).parent) as beside:
            pack_folder(held.folder, Path(beside) / "packed.zip").replace(trace)
    return keyid
