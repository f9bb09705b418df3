"""A program's text with one pipe rewritten.

In: a tree, a pipe of it, other calls. Out: text. Law: all else stands as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.show import show


def with_pipe(tree: t.Tree, old: t.Pipe, calls: Sequence[t.Call]) -> str:
    """The text of a tree in which a pipe has other calls."""

    def changed(node: Any) -> Any:
        if isinstance(node, t.Pipe) and node.span == old.span:
            return replace(node, calls=tuple(calls))
        if isinstance(node, tuple):
            return tuple(map(changed, node))
        if hasattr(node, "__dataclass_fields__") and not isinstance(node, t.Number | t.Text | t.Name):
            return replace(node, **{n: changed(getattr(node, n)) for n in node.__dataclass_fields__ if "span" not in n})
        return node

    return show(replace(tree, statements=changed(tree.statements)))
