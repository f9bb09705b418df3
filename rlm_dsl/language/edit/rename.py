"""Another name for a context in what was written about it.

In: statements, a context's name and its new one. Out: the statements with the new name. Law: nothing but bare names is
changed; whoever calls knows that no column bears the name, since a column would be meant before a context.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from rlm_dsl.language.syntax import tree as t

T = TypeVar("T")


def renamed(node: T, old: str, new: str) -> T:
    """A part of a tree in which one bare name is another."""
    found: Any = node
    if isinstance(node, t.Name):
        found = replace(node, name=new) if node.name == old else node
    elif isinstance(node, tuple):
        found = tuple(renamed(item, old, new) for item in node)
    elif is_dataclass(node) and not isinstance(node, type):
        made = {each.name: renamed(getattr(node, each.name), old, new) for each in fields(node) if each.init}
        found = replace(node, **made)
    return found  # type: ignore[no-any-return]
