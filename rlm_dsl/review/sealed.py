"""Sealed reviews: what the numbers that are told of a trace rest on, in one file beside it, `NAME.reviews.json`.

In: a trace, what reviews say of it. Out: the file, and back. Law: it names the head of the trace that it is of and the
digest of the labels that it holds, and has a digest over all of that; one that is of another trace, or is not as it was
written, is not shown.

The trace itself is not touched: reviews come after its head. What the trace's head is for the run, this digest is for
the reviews: whoever kept it knows that neither numbers nor labels, nor the head that they are of, are others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.atomic_write import write_file
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity, without_floats
from rlm_dsl.common.own_files import REVIEWED, require_own
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.review.reviewed import Reviewed, labels_digest, reviewed_of
from rlm_dsl.trace.reader import ODD_FORM, Trace

ENDING = ".reviews.json"
SCHEMA = "rlm-reviews/1"
LARGEST = 1 << 28
"""Bytes of the file."""


class NotSealed(UserError):
    """A file of reviews that is not as it was written."""


def reviews_beside(trace: Path) -> Path:
    """Where a trace's reviews are sealed: `NAME.reviews.json`, for its folder and its zip alike."""
    return trace.with_name(f"{trace.name.removesuffix('.zip').removesuffix('.trace')}{ENDING}")


def sealed_digest(content: Mapping[str, Any]) -> str:
    return identity("reviews-v1", without_floats(content))


def seal_reviews(trace: Trace, reviewed: Reviewed) -> tuple[Path, str] | None:
    """Reviews of a trace beside it; where, and their digest. None where no row was reviewed. Raises UserError
    where they cannot be written."""
    if not reviewed.steps:
        return None
    path = reviews_beside(trace.place)
    if path.is_symlink():
        raise UserError(f"{path} is a link, and reviews are not written through one", "remove it")
    require_own(path, REVIEWED)
    content = {"schema": SCHEMA, **reviewed.content()}
    digest = sealed_digest(content)
    try:
        write_file(path, json.dumps({**content, "digest": digest}, ensure_ascii=True, indent=1) + "\n")
    except OSError as failure:
        raise system_error(failure, path, "written") from None
    return path, digest


def read_sealed(trace: Trace) -> Reviewed | None:
    """The sealed reviews of a trace; None where there are none. Raises NotSealed for what is not as it was written, or
    is of another trace."""
    path = reviews_beside(trace.place)
    if not os.path.lexists(path):
        return None
    content = read_content(path)
    digest = content.pop("digest", None)
    try:
        if content.get("schema") != SCHEMA:
            raise NotSealed(f"{path.name} is of the schema {content.get('schema')!r}, which is not known here")
        if digest != sealed_digest(content):
            raise NotSealed(f"{path.name} is not as it was sealed")
        found = reviewed_of(content)
        if content["labels_sha256"] != labels_digest(found.labels):
            raise NotSealed(f"{path.name} holds other labels than its numbers rest on")
    except ODD_FORM as failure:
        raise NotSealed(f"{path.name} is not of its form: {str(failure)[:100]}") from None
    if found.head != trace.head:
        raise NotSealed(f"{path.name} is of another run, whose head is {found.head[:16]}")
    return replace(found, sealed=str(digest), trace=str(trace.place))


def read_content(path: Path) -> dict[str, Any]:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
            raise NotSealed(f"{path.name} is no file that is read")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise NotSealed(f"{path.name} cannot be read") from None
    if not isinstance(found, dict):
        raise NotSealed(f"{path.name} is not of its form")
    return found
