"""From what to print to lines.

In: a document, and the column where it starts. Out: its lines, the first to be put behind what stands there already.
Law: what fits on its line, has no comments and no line end inside stays on one line; else its outermost part breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from rlm_dsl.language.syntax.comments import NO_NOTES, Notes

WIDTH = 100
INDENT = 4


@dataclass(frozen=True, slots=True)
class Plain:
    """Text that never breaks; line ends of a long literal are its own."""

    flat: str
    loose: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Parts side by side; it breaks where they do."""

    parts: tuple[Doc, ...]
    flat: str = field(compare=False)
    loose: bool = field(compare=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands of `and` or `or`; broken, each has its line, led by the operator."""

    first: Doc
    rest: tuple[Doc, ...]
    flat: str = field(compare=False)
    loose: bool = field(compare=False)


@dataclass(frozen=True, slots=True)
class Bracket:
    """Items between brackets; broken, each has its line and a comma. The last notes stand before the closer."""

    opening: str
    items: tuple[Doc, ...]
    closing: str
    notes: tuple[Notes, ...]
    flat: str = field(compare=False)
    loose: bool = field(compare=False)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A head and its calls; broken, each call has its line, led by the pipe."""

    head: Doc
    calls: tuple[Doc, ...]
    notes: tuple[Notes, ...]
    flat: str = field(compare=False)
    loose: bool = field(compare=False)


Doc: TypeAlias = Plain | Row | Chain | Bracket | Pipeline


def plain(text: str) -> Plain:
    return Plain(text, "\n" in text)


def row(*parts: Doc | str) -> Row:
    docs = tuple(plain(part) if isinstance(part, str) else part for part in parts)
    return Row(docs, "".join(doc.flat for doc in docs), _loose(docs))


def chain(first: Doc, rest: Sequence[Doc]) -> Chain:
    docs = (first, *rest)
    return Chain(first, tuple(rest), " ".join(doc.flat for doc in docs), _loose(docs))


def bracket(opening: str, items: Sequence[Doc], closing: str, notes: Sequence[Notes]) -> Bracket:
    flat = opening + ", ".join(item.flat for item in items) + closing
    return Bracket(opening, tuple(items), closing, tuple(notes), flat, _loose(items, notes))


def pipeline(head: Doc, calls: Sequence[Doc], notes: Sequence[Notes]) -> Pipeline:
    docs = (head, *calls)
    return Pipeline(head, tuple(calls), tuple(notes), " | ".join(doc.flat for doc in docs), _loose(docs, notes))


def _loose(docs: Sequence[Doc], notes: Sequence[Notes] = ()) -> bool:
    return any(doc.loose for doc in docs) or any(note != NO_NOTES for note in notes)


def lay(doc: Doc, indent: int, used: int, tail: int = 0) -> list[str]:
    """The lines of `doc` where `used` columns are taken, `tail` must be left, and broken parts stand at `indent`."""
    if isinstance(doc, Plain) or (not doc.loose and used + len(doc.flat) + tail <= WIDTH):
        return [doc.flat]
    match doc:
        case Row():
            return _row(doc, indent, used, tail)
        case Chain():
            return _chain(doc, indent, used, tail)
        case Bracket():
            return _bracket(doc, indent)
        case Pipeline():
            return lay_pipeline(doc, indent, used, tail, indent + INDENT)


def lay_pipeline(doc: Pipeline, indent: int, used: int, tail: int, bar: int) -> list[str]:
    """The head, then a line for each call, its pipe in column `bar`."""
    lines = lay(doc.head, indent, used)
    lines[-1] += _behind(doc.notes[0])
    last = len(doc.calls)
    for at, (call, notes) in enumerate(zip(doc.calls, doc.notes[1:], strict=True), 1):
        lines += _comment_lines(notes.before, bar)
        laid = lay(call, bar + 2, bar + 2, tail if at == last else 0)
        lines += [" " * bar + "| " + laid[0], *laid[1:]]
        lines[-1] += _behind(notes)
    return lines


def _row(doc: Row, indent: int, used: int, tail: int) -> list[str]:
    lines = [""]
    for at, part in enumerate(doc.parts):
        after = doc.parts[at + 1] if at + 1 < len(doc.parts) else None
        room = len(after.flat) if isinstance(after, Plain) and not after.loose else 0
        first, *more = lay(part, indent, used, tail if after is None else room)
        lines = [*lines[:-1], lines[-1] + first, *more]
        used = len(lines[-1].rpartition("\n")[2]) if more or "\n" in first else used + len(first)
    return lines


def _chain(doc: Chain, indent: int, used: int, tail: int) -> list[str]:
    inner = indent + INDENT
    lines = lay(doc.first, inner, used)
    for at, operand in enumerate(doc.rest, 1):
        first, *more = lay(operand, inner, inner, tail if at == len(doc.rest) else 0)
        lines += [" " * inner + first, *more]
    return lines


def _bracket(doc: Bracket, indent: int) -> list[str]:
    if not doc.items:
        return [doc.flat]
    inner = indent + INDENT
    lines = [doc.opening]
    for item, notes in zip(doc.items, doc.notes, strict=False):
        lines += _comment_lines(notes.before, inner)
        first, *more = lay(item, inner, inner, 1)
        lines += [" " * inner + first, *more]
        lines[-1] += "," + _behind(notes)
    return [*lines, *_comment_lines(doc.notes[-1].before, inner), " " * indent + doc.closing]


def comment(text: str) -> str:
    """A comment as it is printed; one that starts with `#` was written without a blank."""
    return f"#{text}" if text.startswith("#") else f"# {text}".rstrip()


def _comment_lines(texts: Sequence[str], indent: int) -> list[str]:
    return [" " * indent + comment(text) for text in texts]


def _behind(notes: Notes) -> str:
    return "" if notes.behind is None else "  " + comment(notes.behind)
