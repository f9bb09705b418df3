"""The desk: reviews that a served folder's pages are about, opened once and answered row by row.

In: a trace of the folder, a step, what a page asks. Out: what it is told. Law: an answer is on the disk before the page
is told that it is kept; answers are taken one at a time, and wait for no numbers, which are made beside them; a page's
token is good for its own review alone.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.report.reviewing.views import answered_view, form_view, item_view, numbers_view, read_form
from rlm_dsl.review.design import SIMPLE
from rlm_dsl.review.labels.file import labels_beside, read_labels
from rlm_dsl.review.opened import open_run
from rlm_dsl.review.session import OVERLAP, ROWS, Item, Session, open_session
from rlm_dsl.trace.reader import open_trace

OPEN = 3
"""Reviews that are held open at once; the one that was used longest ago makes room."""
ID = re.compile(r"[0-9a-f]{32}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reviewing:
    """How reviews are made here: where data lies, how many rows are drawn and how, who reviews, blind or not."""

    contexts: Mapping[str, str] = field(default_factory=dict)
    rows: int = ROWS
    by: str = SIMPLE
    seed: int = 0
    reviewer: str = ""
    blind: bool = True
    overlap: int = OVERLAP
    labels: Path | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One review: a trace by its name in the folder, a step, how its rows are drawn and how many."""

    trace: str
    step: str
    by: str
    rows: int

    @property
    def query(self) -> dict[str, str]:
        return {"t": self.trace, "s": self.step, "by": self.by, "rows": str(self.rows)}


class Shelf:
    """Owns some open sessions, and the one thread that they live in."""

    def __init__(self, name: str, most: int) -> None:
        self.thread = ThreadPoolExecutor(1, name)
        self.most = most
        self.open: OrderedDict[tuple[str, str, str], Session] = OrderedDict()

    def done(self, work: Callable[..., T], *given: Any) -> T:
        """What some work comes to, done in the thread."""
        return self.thread.submit(work, *given).result()

    def session(self, sheet: Sheet, opened: Callable[[], Session]) -> Session:
        """The open session of a review, as far as rows are drawn for it. Only in the thread."""
        key = sheet.trace, sheet.step, sheet.by
        held = self.open.pop(key, None) or opened()
        while len(self.open) >= self.most:
            self.open.popitem(last=False)[1].close()
        self.open[key] = held
        if held.rows != sheet.rows:
            held.draw_first(sheet.rows)
        held.refresh()
        return held

    def close(self) -> None:
        self.done(self.close_all)
        self.thread.shutdown()

    def close_all(self) -> None:
        while self.open:
            self.open.popitem()[1].close()


class Desk:
    """Owns what is open: sessions that rows are shown from and answers given to, and others that numbers are made of.
    `close` ends it."""

    def __init__(self, how: Reviewing) -> None:
        self.how = how
        self.secret = secrets.token_bytes(32)
        self.answering, self.counting = Shelf("answers", OPEN), Shelf("numbers", 1)

    def close(self) -> None:
        self.answering.close()
        self.counting.close()

    def token(self, sheet: Sheet) -> str:
        """What a page must show to write: made for its review alone."""
        told = json.dumps([sheet.trace, sheet.step, sheet.by, sheet.rows], ensure_ascii=True)
        return hmac.new(self.secret, told.encode(), sha256).hexdigest()

    def sheet(self, given: Mapping[str, str]) -> Sheet:
        """The review that an address names. Raises UserError."""
        rows = given.get("rows", str(self.how.rows))
        if not re.fullmatch(r"[0-9]{1,7}", rows, re.ASCII) or not int(rows):
            raise UserError("rows are a number, from 1")
        return Sheet(given["t"], given.get("s", ""), given.get("by", self.how.by), int(rows))

    def steps(self, path: Path) -> list[dict[str, Any]]:
        """The steps of a trace that can be reviewed, and why others cannot."""
        return self.answering.done(self.steps_of, path)

    def steps_of(self, path: Path) -> list[dict[str, Any]]:
        with open_trace(path) as trace, open_run(trace, self.contexts_of(trace.header)) as run:
            labels = read_labels(self.labels_of(path))
            found: list[dict[str, Any]] = []
            for step in run.steps.values():
                reviewed = {label.row for label in labels.of_question(step.question)} & set(step.digests)
                told = {"name": step.name, "operator": step.operator, "words": step.words, "why": ""}
                draws = ["simple", "answer"] if step.labels is not None else ["simple"]
                draws += ["doubt"] if step.labels is not None else []
                found.append({**told, "rows": len(step.keys), "reviewed": len(reviewed), "draws": draws})
            return found + [{"name": name, "why": why} for name, why in run.skipped.items()]

    def contexts_of(self, header: Mapping[str, Any]) -> dict[str, str]:
        """Of the places of data that were said, those of this trace."""
        names = {str(context["name"]) for context in header["contexts"]}
        return {name: path for name, path in self.how.contexts.items() if name in names}

    def labels_of(self, path: Path) -> Path:
        return self.how.labels or labels_beside(path.absolute())

    def session(self, shelf: Shelf, sheet: Sheet, path: Path) -> Session:
        """The open session of a review. Only in the shelf's thread."""
        how = self.how

        def opened() -> Session:
            with open_trace(path) as trace:
                contexts = self.contexts_of(trace.header)
            return open_session(
                path,
                sheet.step,
                contexts=contexts,
                labels=self.labels_of(path),
                by=sheet.by,
                seed=how.seed,
                rows=sheet.rows,
                reviewer=how.reviewer,
                blind=how.blind,
                overlap=how.overlap,
            )

        return shelf.session(sheet, opened)

    def shell(self, sheet: Sheet, path: Path) -> dict[str, Any]:
        """What a review's page is made of, before it asks for its first row."""

        def made() -> dict[str, Any]:
            session = self.session(self.answering, sheet, path)
            told = {"step": session.step.name, "question": session.step.words, "blind": session.blind}
            return {**told, "form": form_view(session.step), "pairs": session.pairs, "labels": str(session.path)}

        return self.answering.done(made)

    def asked(self, sheet: Sheet, path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a page asks: a row, to keep an answer, to take one back, the numbers so far. Raises UserError."""
        if given.get("do") == "numbers":
            return self.counting.done(self.numbers, sheet, path)
        return self.answering.done(self.do, sheet, path, given)

    def do(self, sheet: Sheet, path: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        session = self.session(self.answering, sheet, path)
        match given.get("do"):
            case "next":
                return self.told(session, session.next())
            case "at":
                return self.told(session, drawn_item(session, given.get("number")))
            case "answer" | "cannot tell":
                return self.keep(session, given)
            case "undo":
                taken = session.undo()
                row = None if taken is None else session.row_of(taken)
                shown = session.next() if row is None else session.item(row)
                return {**self.told(session, shown), "undone": taken is not None}
            case _:
                raise UserError("this is nothing that a review's page asks")

    def numbers(self, sheet: Sheet, path: Path) -> dict[str, Any]:
        """The numbers so far."""
        session = self.session(self.counting, sheet, path)
        reviews = {review.step: review for review in session.reviews()}
        if not reviews:
            return {"numbers": []}
        return {"numbers": numbers_view(session.corrected(), reviews.get(session.step.name))}

    def keep(self, session: Session, given: Mapping[str, Any]) -> dict[str, Any]:
        """An answer, kept; then the next row."""
        id = given.get("id")
        if not isinstance(id, str) or not ID.fullmatch(id):
            raise UserError("the answer has no name of its own")
        item = drawn_item(session, given.get("number"))
        if given["do"] == "cannot tell":
            kept = session.cannot_tell(item, id)
        else:
            kept = session.answer(item, read_form(session.step, given), id)
        return {**self.told(session, session.next()), "kept": {"number": item.number, **answered_view(session, kept)}}

    def told(self, session: Session, item: Item | None) -> dict[str, Any]:
        shown = None if item is None else item_view(session, item)
        progress = {**session.progress.as_json(), "all": session.draw.rows}
        return {"item": shown, "progress": progress, "damaged": session.labels.note()}


def drawn_item(session: Session, number: Any) -> Item:
    """A row by its number in the draw. Raises UserError."""
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= len(session.order):
        raise UserError("there is no such row in this draw")
    return session.item(session.order[number - 1][1])
