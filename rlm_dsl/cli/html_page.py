"""Pages for commands: which page a folder is worth, the command that makes it, writing it whole.

In: a path. Out: HTML; a file. Law: a file is whole or not there.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.atomic_write import write_file
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.system_errors import system_error

if TYPE_CHECKING:
    from rlm_dsl.trace.divergence import Report


@dataclass(frozen=True, slots=True)
class Page:
    """HTML; and of a run's page what it says of the check: whether it does not verify, or why there was none."""

    html: str
    failed: str = ""
    unchecked: str = ""


def page_of(
    path: Path,
    contexts: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    verified: bool = True,
    labels: Path | None = None,
) -> Page:
    """The page of a trace, or of an optimization's record."""
    from rlm_dsl.report.pages import optimization_page, run_page
    from rlm_dsl.report.run_view import run_view
    from rlm_dsl.trace.reader import open_trace

    command = shlex.join(["rlm-dsl", "view", str(path), *(f"--context={n}={p}" for n, p in contexts.items())])
    if (path / "report.json").is_file():
        try:
            return Page(optimization_page(json.loads((path / "report.json").read_bytes()), command))
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}/report.json is no report of an optimization", "see: rlm-dsl optimize") from None
    with open_trace(path, unfinished=True, changed=verified) as trace:
        view = run_view(trace, contexts, environment, verified=verified, labels=labels)
        html = run_page(view, command)
    if not view.story.finished:
        return Page(html, unchecked="it is unfinished")
    if view.verdict is None:
        return Page(html, unchecked=view.verdict_problem if verified else "")
    if view.verdict.ok:
        return Page(html)
    first = next((divergence.message for divergence in view.verdict.divergences), "not all of it could be checked")
    return Page(html, unchecked=first) if data_gone(view.verdict) else Page(html, failed=first)


def data_gone(verdict: Report) -> bool:
    """Whether the check stopped for data that is not there alone: that tells nothing against the trace."""
    stopped = any(level.status not in ("ok", "failed") for level in verdict.levels)
    return stopped and {divergence.code for divergence in verdict.divergences} == {"D03"}


def put(path: Path, text: str) -> Path:
    """Write a page. Raises UserError where the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text)
    except OSError as failure:
        raise system_error(failure, path, "written", "name another with --out") from None
    return path
