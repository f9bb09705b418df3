"""Traces in Python: what the commands that read a trace do, a function each.

In: a trace, as a folder or a zip. Out: values. Law: nothing here asks a model or changes what is sealed.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.compare.diff import Difference
from rlm_dsl.compare.diff import diff as compare
from rlm_dsl.compare.regression import Tested, run_test, traces_in
from rlm_dsl.compare.regression import bless as accept
from rlm_dsl.engine.evidence import LISTED
from rlm_dsl.engine.inputs import Contexts, given_contexts
from rlm_dsl.replay.cite import Citations
from rlm_dsl.replay.cite import cite as cite_answer
from rlm_dsl.replay.doctor import Finding, of_trace
from rlm_dsl.replay.tables import Queried, query
from rlm_dsl.review.reviewed import Reviewed
from rlm_dsl.review.telling import told_reviews
from rlm_dsl.trace import proof, signing
from rlm_dsl.trace.archive import pack as pack_folder
from rlm_dsl.trace.archive import unpack as unpack_zip
from rlm_dsl.trace.exports.openinference import openinference
from rlm_dsl.trace.exports.openlineage import openlineage
from rlm_dsl.trace.exports.otlp import otlp
from rlm_dsl.trace.listed import Listed, list_runs
from rlm_dsl.trace.reader import open_trace
from rlm_dsl.trace.story import Story, story

Given = str | os.PathLike[str]


def show(trace: Given, *, labels: Given | None = None, contexts: Contexts | None = None) -> Story:
    """A run's story, of an unfinished one too. `labels` are reviewed rows, by which its numbers get intervals; without,
    those that are sealed with it or lie beside it; `contexts` says where its data lies that was moved."""
    with open_trace(trace, unfinished=True, changed=True) as held:
        told = story(held)
        if not told.finished or told.changed:
            return told
        file = None if labels is None else Path(labels)
        return replace(told, reviewed=told_reviews(held, file, given_contexts(contexts or {})))


def reviews(trace: Given, *, labels: Given | None = None, contexts: Contexts | None = None) -> Reviewed:
    """What reviewed rows say of a trace's numbers, and how well its steps hold (docs/reviewing.md): by `labels`, a
    file, else by those that are sealed with it or lie beside it."""
    with open_trace(trace, unfinished=True) as held:
        return told_reviews(held, None if labels is None else Path(labels), given_contexts(contexts or {}))


def runs(folder: Given = "runs") -> list[Listed]:
    """The runs in a folder and below, newest first: question, answer, state, cost; unfinished and damaged ones too."""
    return list_runs(Path(folder))


def pack(trace: Given, to: Given | None = None) -> Path:
    """A trace's folder as one zip: the same bytes for the same trace, wherever it is packed."""
    if not Path(trace).is_dir():
        raise UserError(f"{trace} is no folder", "a packed trace is one zip already")
    with open_trace(trace, unfinished=True, changed=True):
        return pack_folder(Path(trace).resolve(), Path(to) if to else None)


def unpack(file: Given, to: Given | None = None) -> Path:
    """A packed trace as a folder again."""
    return unpack_zip(Path(file), Path(to) if to else None)


def prove(trace: Given, what: str | int) -> dict[str, Any]:
    """The proof of a call by its key or the key's first digits, or of an event by its number."""
    with open_trace(trace) as held:
        return proof.prove_event(held, what) if isinstance(what, int) else proof.prove_call(held, what)


def check_proof(made: dict[str, Any], *, head: str | None = None, root: str | None = None) -> list[str]:
    """What is wrong with a proof; nothing if it holds."""
    return proof.faults(made, head, root)


def cite(trace: Given, wanted: str = "", contexts: Contexts | None = None, *, limit: int | None = LISTED) -> Citations:
    """The places in the sources behind each part of an answer, or behind one part (`per_user`) or row (`per_user[2]`):
    at most `limit` of each, with their text, and whether their bytes are the recorded ones."""
    with open_trace(trace) as held:
        return Citations(cite_answer(held, given_contexts(contexts or {}), wanted, limit))


def doctor(trace: Given) -> list[Finding]:
    """What of a recorded run could not be checked or run again by others; nothing if all could."""
    with open_trace(trace, unfinished=True) as held:
        return of_trace(held, os.environ)


def diff(a: Given, b: Given) -> Difference:
    """Two runs beside each other. Raises NotComparable where nothing of them matches."""
    with open_trace(a) as one, open_trace(b) as other:
        return compare(one, other)


def test(folder: Given, contexts: Contexts | None = None) -> list[Tested]:
    """Each trace of a folder as a test: it verifies, and its program comes to the blessed answer on the data of today;
    no model is asked."""
    return [run_test(path, given_contexts(contexts or {}), os.environ) for path in traces_in(Path(folder))]


def bless(trace: Given, contexts: Contexts | None = None) -> Path:
    """Accept a trace's answer on the data of today as the one that `test` holds it to; where that is written."""
    return accept(Path(trace), given_contexts(contexts or {}), os.environ)[0]


def sql(trace: Given, text: str, *, limit: int | None = None, contexts: Contexts | None = None) -> Queried:
    """The columns and rows of a query over a trace's views (docs/traces.md), of an unfinished one too. `contexts` says
    where its data lies that was moved, for steps whose rows were not recorded."""
    with open_trace(trace, unfinished=True) as held:
        return query(held, text, limit, given_contexts(contexts or {}))


def export(trace: Given, form: str, *, content: bool = False) -> str:
    """A trace as `otlp` or `openinference` (OTLP's JSON), or as `openlineage` (a line of JSON an event). With
    `content`, spans hold what was asked and answered."""
    with open_trace(trace) as held:
        match form:
            case "otlp":
                return json.dumps(otlp(held, content=content), ensure_ascii=False) + "\n"
            case "openinference":
                return json.dumps(openinference(held, content=content), ensure_ascii=False) + "\n"
            case "openlineage":
                return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in openlineage(held))
            case _:
                raise UserError(f"there is no form {form!r}", "otlp, openinference or openlineage")


def sign(trace: Given, key: bytes, *, replace: bool = False) -> str:
    """Sign a trace's seal with an ed25519 key (PEM or OpenSSH), beside the signatures that are there or in their place;
    returns the key's id. A zip is packed anew."""
    with open_trace(trace) as held:
        keyid = signing.sign(held.folder, key, replace=replace)
        if held.held is not None:
            pack_folder(held.folder, Path(trace))
        return keyid
