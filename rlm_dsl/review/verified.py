"""Verify with reviews: the levels of a trace, and one more where reviews are sealed with it.

In: a trace, where its data lies. Out: a report. Law: every number of the sealed reviews is computed again from the
sealed labels and the recorded answers; a trace without reviews is checked as before, and nothing more is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.context import Context
from rlm_dsl.context.placement import Placement
from rlm_dsl.replay.verify import verify
from rlm_dsl.replay.verify_sample import Sample
from rlm_dsl.review.counting import counted_reviews
from rlm_dsl.review.labels.file import Labels, labels_beside, read_labels
from rlm_dsl.review.opened import open_run, row_digest
from rlm_dsl.review.reviewed import Reviewed, labels_digest, name_of, reviewed_of
from rlm_dsl.review.sealed import SCHEMA, NotSealed, read_content, reviews_beside, sealed_digest
from rlm_dsl.review.telling import statistics_installed
from rlm_dsl.trace.divergence import LEVELS, NEXT, REVIEWS, Divergence, Level, Report
from rlm_dsl.trace.reader import ODD_FORM, Trace
from rlm_dsl.trace.secrets import Redaction

NEAR = 1e-6
"""How near, of its size, a number comes to the sealed one: libraries of statistics differ in last digits."""


def verify_reviewed(
    trace: Trace,
    given: Mapping[str, str | Context],
    environment: Mapping[str, str],
    public_key: bytes | None = None,
    level: str = LEVELS[-1],
    heads: Mapping[str, str] | None = None,
    labels: Path | None = None,
    engine: Placement | None = None,
    sample: Sample | None = None,
) -> Report:
    """As `verify`, with the level of the reviews where they are sealed with the trace. A digest of reviews among
    `heads` stands for the head that they are of; `labels` is a file whose labels the sealed ones must be."""
    if sample is not None:
        return verify(trace, given, environment, public_key, "files", heads, engine, sample)
    path = reviews_beside(trace.place)
    if level != LEVELS[-1] or not os.path.lexists(path):
        report = verify(trace, given, environment, public_key, level, heads, engine)
        if labels is not None and level == LEVELS[-1]:
            missing = Divergence("D17", REVIEWS, f"no reviews are sealed with it: there is no {path.name}")
            report = replace(report, levels=(*report.levels, Level(REVIEWS, 0, (missing,))))
        return report
    content, problem = opened(path)
    kept = dict(heads or {})
    by_reviews = content.get("digest") in kept and problem is None
    if by_reviews:
        kept[str(content.get("head"))] = kept[str(content["digest"])]
    report = verify(trace, given, environment, public_key, level, kept, engine)
    found = [problem] if problem is not None else list(differences(trace, content, given, report, labels))
    shown, name = Redaction.of(environment), trace.name
    told = tuple(
        replace(each, next_command=NEXT[each.code].format(trace=name), message=shown.redact(each.message))
        for each in found
        if isinstance(each, Divergence)
    )
    skipped = next((each for each in found if isinstance(each, str)), "")
    count = len(content.get("labels", ())) if problem is None else 0
    what = f"reviews, and what follows from them{', to the digest that was kept' if by_reviews else ''}"
    made = Level(REVIEWS, count, told, skipped if not told else "", what)
    return replace(report, levels=(*report.levels, made))


def opened(path: Path) -> tuple[dict[str, Any], Divergence | None]:
    """The file's content, and what is wrong with it as a file."""
    try:
        content = read_content(path)
        bare = {name: value for name, value in content.items() if name != "digest"}
        if content.get("schema") != SCHEMA:
            told = f"{path.name} is of the schema {str(content.get('schema'))[:40]!r}"
            return content, Divergence("D15", REVIEWS, told, SCHEMA)
        now = sealed_digest(bare)
        if content.get("digest") != now:
            told = f"{path.name} was changed after it was sealed"
            return content, Divergence("D17", REVIEWS, told, str(content.get("digest")), now)
        reviewed_of(content)
    except NotSealed as problem:
        return {}, Divergence("D17", REVIEWS, problem.message)
    except ODD_FORM as failure:
        return {}, Divergence("D17", REVIEWS, f"{path.name} is not of its form: {str(failure)[:100]}")
    return content, None


def differences(
    trace: Trace, content: Mapping[str, Any], given: Mapping[str, str | Context], report: Report, labels: Path | None
) -> Iterator[Divergence | str]:
    """What differs; a text says why not all could be checked."""
    sealed = reviewed_of(content)
    if sealed.head != trace.head:
        yield Divergence("D16", REVIEWS, "the reviews are of another run", sealed.head, trace.head)
        return
    yield from changed_labels(trace, sealed, content, labels)
    if not report.ok:
        yield "not checked: a level before it does not hold"
        return
    if not statistics_installed():
        yield "not checked: pip install 'rlm-dsl[review]'"
        return
    try:
        with open_run(trace, given) as run:
            now = counted_reviews(run, Labels(sealed.labels))
    except UserError as problem:
        yield f"not checked: {problem.message}"
        return
    except ODD_FORM as failure:
        yield Divergence("D16", REVIEWS, f"the reviews cannot be counted: {str(failure)[:200]}")
        return
    yield from other_numbers(content, now)


def changed_labels(
    trace: Trace, sealed: Reviewed, content: Mapping[str, Any], labels: Path | None
) -> Iterator[Divergence]:
    """Labels that are not as they were given: that do not belong to their text, or stand otherwise in their file."""
    if content["labels_sha256"] != (now := labels_digest(sealed.labels)):
        told = "the labels are not those that the numbers rest on"
        yield Divergence("D17", REVIEWS, told, str(content["labels_sha256"]), now)
    for label in sealed.labels:
        if label.row != row_digest(label.text):
            yield Divergence(
                "D17", REVIEWS, "a label's text is not that of its row", row=label.text[:80], step=label.step
            )
    path = labels if labels is not None else labels_beside(trace.place)
    there = {label.id: label for label in read_labels(path).held} if labels is not None or path.is_file() else {}
    for label in sealed.labels:
        other = there.get(label.id)
        if other is not None and other != label:
            sides = (str(label.answer and dict(label.answer)), str(other.answer and dict(other.answer)))
            told = f"a label stands otherwise in {path.name}"
            yield Divergence("D17", REVIEWS, told, *sides, step=label.step, row=label.text[:80])
        elif other is None and labels is not None:
            yield Divergence("D17", REVIEWS, f"a label is not in {path.name}", step=label.step, row=label.text[:80])


def other_numbers(content: Mapping[str, Any], now: Reviewed) -> Iterator[Divergence]:
    """The numbers and steps that do not come out as they were sealed."""
    again = now.content()
    for kind in ("numbers", "steps", "trials"):
        then, today = content[kind], again[kind]
        if len(then) != len(today):
            yield Divergence("D16", REVIEWS, f"there are other {kind}", counted(len(then), kind[:-1]), str(len(today)))
            continue
        for at, (one, other) in enumerate(zip(then, today, strict=True)):
            if not alike(one, other):
                named = name_of(now.numbers[at]) if kind == "numbers" else str(other["step"])
                yield Divergence("D16", REVIEWS, f"{named} does not come out as it was sealed", *sides(one, other))
    if set(content["questions"]) != set(again["questions"]):
        yield Divergence("D16", REVIEWS, "the reviews are of other questions than the run's steps ask")


def sides(one: Any, other: Any) -> tuple[str, str]:
    """The first fields in which two differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in {**one, **other}:
            if not alike(one.get(name), other.get(name)):
                return f"{name} {one.get(name)}", f"{name} {other.get(name)}"
    return str(one), str(other)


def alike(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same, numbers nearly."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return isclose(one, other, rel_tol=NEAR, abs_tol=NEAR)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)
