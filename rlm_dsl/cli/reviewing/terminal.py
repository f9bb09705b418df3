"""Reviewing in a terminal: a row is shown, a key is pressed, the answer is kept, the next row is shown.

In: a session, a stream of keys or lines. Out: labels in the session's file. Law: nothing that a row holds steers the
terminal; what ends the command, at whatever time, loses no answer that was given.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

import click

from rlm_dsl.cli.output import safe, tell, write
from rlm_dsl.cli.reviewing.single_keys import SingleKeys, single_keys
from rlm_dsl.cli.reviewing.text import answered_text, item_text
from rlm_dsl.common.atomic_write import write_named
from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.own_files import require_own
from rlm_dsl.review.keys import by_one_key, keys_of
from rlm_dsl.review.labels.exchange import CANNOT_TELL
from rlm_dsl.review.session import Item, Session

EXPORTS = {"csv": (b"question,reviewer,when",), "jsonl": (b'"question": ',), "label-studio": (b"rlm_question",)}
UNDO, UNKNOWN, END = "u", "?", "\x04"
LEAVE = ("q", "\x03", END, "\x1b")


def review_rows(session: Session, keys: TextIO) -> None:
    """Row after row, until all are answered, the reviewer leaves, or the keys end. At a terminal where a key says all,
    each is read as it is pressed; else lines are."""
    by_key = keys.isatty() and by_one_key(session.step.labels)
    try:
        with single_keys(keys) if by_key else nullcontext(SingleKeys(lambda: line_of(keys))) as read:
            while (item := session.next()) is not None:
                read.forget()
                tell(safe(item_text(session, item)))
                if not one_row(session, item, read.pressed):
                    return
    except (KeyboardInterrupt, click.Abort):
        tell("")


def one_row(session: Session, item: Item, pressed: Callable[[], str]) -> bool:
    """Ask about a row until it is answered; False where the reviewer leaves."""
    while True:
        said = pressed()
        if said in LEAVE:
            return False
        if said == UNDO:
            taken = session.undo()
            tell("nothing to take back" if taken is None else "taken back: it comes again")
            return True
        try:
            told = session.cannot_tell(item) if said == UNKNOWN else session.answer(item, meant(session, said))
        except UserError as problem:
            tell(safe("; ".join(filter(None, (problem.message, problem.hint)))))
            continue
        tell(safe(answered_text(session, told)))
        return True


def line_of(keys: TextIO) -> str:
    """A line; at the end of all lines what leaves."""
    return line.strip() if (line := keys.readline()) else END


def meant(session: Session, said: str) -> Any:
    """The answer that a key or line means."""
    labels = session.step.labels
    if labels is None:
        return fields_said(session, said)
    by_key = keys_of(labels)
    if said in by_key:
        return by_key[said]
    begun = [label for label in labels if isinstance(label, str) and said and label.startswith(said)]
    return begun[0] if len(begun) == 1 else said


def fields_said(session: Session, said: str) -> Any:
    """An answer that is no label: JSON, or the one field's text."""
    import json

    try:
        value = json.loads(said)
    except ValueError:
        value = said
    return value if isinstance(value, dict) or len(session.step.fields()) == 1 else {session.step.fields()[0]: value}


def write_export(session: Session, path: Path, form: str, force: bool) -> None:
    """The drawn rows in a file; never over one that is none of these."""
    require_own(path, EXPORTS.get(form, (b"rlm_question",)), force)
    rows, text = len(session.exported()), session.export(form)
    write_named(path, text)
    write(f"{counted(rows, 'row')} in {safe(str(path))}; a row that nobody can tell is `{CANNOT_TELL}`")
