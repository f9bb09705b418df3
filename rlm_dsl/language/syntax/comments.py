"""Where comments go.

In: a tree with comments. Out: for each statement, and each segment or item inside it, the comments that stand there.
Law: every comment gets exactly one place, and the place it is printed at is the place it will be given again.

A comment belongs to the innermost pipeline or bracket around it: on a line of its own it stands before the next segment
or item, else behind the one it follows. Where neither can hold it, the next one outward does, at last the statement.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rlm_dsl.language.syntax.tree import Applied, Call, Comment, Entries, Items, Pipe, Statement, Tree
from rlm_dsl.language.syntax.walk import Node, children


@dataclass(frozen=True, slots=True)
class Notes:
    """Comments at one place: on lines before it, and one behind it on its line."""

    before: tuple[str, ...] = ()
    behind: str | None = None


NO_NOTES = Notes()
Inner = Mapping[tuple[int, int], Notes]  # by a node's identity and the number of its segment or item


@dataclass(frozen=True, slots=True)
class Placed:
    """A statement with its comments: those above it, those moved out of it to just above, inner ones, one behind."""

    statement: Statement
    above: tuple[Comment, ...]
    moved: tuple[Comment, ...]
    inner: Inner
    behind: Comment | None


def place(tree: Tree) -> tuple[tuple[Placed, ...], tuple[Comment, ...]]:
    """Each statement with its comments, and the comments after the last."""
    waiting = deque(sorted(tree.comments, key=lambda comment: comment.offset))
    ends = [statement.span.start for statement in tree.statements[1:]]
    placed = []
    for statement, next_start in zip(tree.statements, [*ends, None], strict=False):
        above = tuple(_take(waiting, statement.span.start))
        inner, moved = _inside(statement, tuple(_take(waiting, statement.span.end)))
        is_behind = waiting and not waiting[0].own_line and (next_start is None or waiting[0].offset < next_start)
        placed.append(Placed(statement, above, moved, inner, waiting.popleft() if is_behind else None))
    return tuple(placed), tuple(waiting)


def _take(waiting: deque[Comment], end: int) -> Iterator[Comment]:
    """The comments before offset `end`, taken from those that wait."""
    while waiting and waiting[0].offset < end:
        yield waiting.popleft()


def _inside(statement: Statement, comments: tuple[Comment, ...]) -> tuple[Inner, tuple[Comment, ...]]:
    """The comments inside a statement, at their places; those that find none are the statement's."""
    homes: dict[tuple[int, int], list[tuple[bool, str]]] = defaultdict(list)
    moved = []
    for comment in comments:
        home = next(_homes(statement, comment), None)
        if home is None:
            moved.append(comment)
        else:
            node, item, before = home
            if isinstance(node, Pipe) and item == 0 and (id(node), 0) in homes:
                item, before = 1, True  # a head holds one comment behind it and none before
            homes[id(node), item].append((before, comment.text))
    return {key: _notes(found) for key, found in homes.items()}, tuple(moved)


def _notes(found: list[tuple[bool, str]]) -> Notes:
    """Only one comment fits behind: several go before, in their order."""
    behind = [text for before, text in found if not before]
    if len(behind) != 1:
        return Notes(tuple(text for _, text in found))
    return Notes(tuple(text for before, text in found if before), behind[0])


def _homes(statement: Statement, comment: Comment) -> Iterator[tuple[Node, int, bool]]:
    """Places for a comment, innermost first: the node, which segment or item, and whether before it."""
    for node in reversed(_path(statement, comment.offset)):
        parts = children(node)
        if parts and isinstance(node, Pipe | Call | Items | Entries | Applied):
            item, before = _item(parts, comment)
            if not isinstance(node, Pipe) or (item > 0 if before else item < len(parts) - 1):
                yield node, item, before


def _path(statement: Statement, offset: int) -> list[Node]:
    """The nodes around an offset, outermost first."""
    path: list[Node] = []
    here: Node | None = statement
    while here is not None:
        path.append(here)
        parts = children(here)
        at = bisect_right(parts, offset, key=lambda part: part.span.start) - 1
        here = parts[at] if at >= 0 and offset < parts[at].span.end else None
    return path


def _item(parts: tuple[Node, ...], comment: Comment) -> tuple[int, bool]:
    """Before the first part that ends later, or behind the last that starts earlier; at worst before the first."""
    if comment.own_line:
        return bisect_right(parts, comment.offset, key=lambda part: part.span.end), True
    behind = bisect_right(parts, comment.offset, key=lambda part: part.span.start) - 1
    return (behind, False) if behind >= 0 else (0, True)
