"""Files that people write in YAML, read with the place of every value.

In: a file's text, readers for what is known there. Out: values, or every problem with its line and a caret.
Law: a name that is not known is a problem, never passed over; what is read is data, and tags make nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rlm_dsl.common.diagnostics import Diagnostic, UserError, did_you_mean
from rlm_dsl.common.source import Source, Span
from rlm_dsl.common.system_errors import system_error

if TYPE_CHECKING:
    from yaml import Node

T = TypeVar("T")
OPEN_BRACE = re.compile(r"\{\w+\}")
IN_QUOTES = 'braces open a mapping: a text with braces stands in quotes, such as "data/{period}.csv"'


def yaml_source(path: Path, *hints: str) -> Source:
    """A file's text. Raises UserError where it cannot be read."""
    try:
        return Source(str(path), path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text", "write it as UTF-8") from None
    except FileNotFoundError:
        raise UserError(f"there is no file {path}", *hints) from None
    except OSError as failure:
        raise system_error(failure, path, "read", *hints) from None


class YamlReader:
    """Reads nodes into values, each with its place, and collects what is wrong."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Diagnostic] = []

    def report(self, node: Node, message: str, *hints: str) -> None:
        self.problems.append(Diagnostic("Y01", message, span_of(node), hints))

    def root(self) -> Node | None:
        """The document's node; None for an empty one, and for what is no YAML, which is then among the problems."""
        import yaml

        try:
            return yaml.compose(self.source.text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as failure:
            mark = getattr(failure, "problem_mark", None)
            at = 0 if mark is None else min(mark.index, len(self.source.text))
            told = getattr(failure, "problem", None) or "this is no YAML"
            line = self.source.text[:at].rpartition("\n")[2] + self.source.text[at:].partition("\n")[0]
            hints = (IN_QUOTES,) if OPEN_BRACE.search(line) else ()
            self.problems.append(Diagnostic("Y01", f"this is no YAML: {told}", Span(at, at + 1), hints))
            return None

    def tried(self, node: Node, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except UserError as failure:
            self.report(node, failure.message, *filter(None, [failure.hint]))
            return otherwise

    def share(self, node: Node) -> float:
        found = self.amount(node)
        if not 0 <= found <= 1:
            self.report(node, "a share is from 0 to 1", "such as max_failed: 0.2")
        return found

    def count(self, node: Node) -> int:
        text = self.text(node).replace("_", "")
        if not text.isdigit() or int(text) < 1:
            self.report(node, f"this is no count: {text}", "write a whole number from 1 on")
            return 1
        return int(text)

    def amount(self, node: Node) -> float:
        text = self.text(node)
        if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
            self.report(node, f"this is no amount: {text}", "write a number, such as 1.5")
            return 1.0
        return float(text)

    def text(self, node: Node) -> str:
        if node.id != "scalar":
            self.report(node, "one value is expected here", *([IN_QUOTES] if is_mapping(node) else []))
            return ""
        return str(node.value)

    def plain_mapping(self, node: Node) -> dict[str, Any]:
        """Parameters as YAML has them: numbers, texts, lists."""
        import yaml

        if not is_mapping(node):
            self.report(node, "names with their values are expected here", "such as temperature: 0")
            return {}
        found: dict[str, Any] = yaml.SafeLoader("").construct_document(node)
        return found

    def plain(self, node: Node) -> Any:
        """A value as YAML has it, however deep."""
        import yaml

        try:
            return yaml.SafeLoader("").construct_object(node, deep=True)
        except yaml.YAMLError as failure:
            self.report(node, f"this is no value: {getattr(failure, 'problem', None) or 'YAML does not know it'}")
            return None

    def choice(self, node: Node, *known: str) -> str:
        text = self.text(node)
        if text not in known:
            self.report(node, f"`{text}` is none of these", *did_you_mean(text, list(known), what="possible values"))
            return known[0]
        return text

    def listed(self, node: Node, read: Callable[[Node], T]) -> list[T]:
        if node.id != "sequence":
            self.report(node, "a list is expected here", "each item on a line of its own, after a dash")
            return []
        return [read(item) for item in node.value]

    def flag(self, node: Node) -> bool:
        return self.choice(node, "true", "false") == "true"

    def each(self, node: Node, read: Callable[[Node], T]) -> dict[str, T]:
        """Values by names that the user chose."""
        if not is_mapping(node):
            self.report(node, "names with their values are expected here")
            return {}
        return {str(key.value): read(value) for key, value in node.value}

    def record(self, node: Node, readers: Mapping[str, Callable[[Node], Any]], needs: tuple[str, ...] = ()) -> Any:
        """Values by names that are known here."""
        if not is_mapping(node):
            self.report(node, "names with their values are expected here", f"such as {next(iter(readers))}: ...")
            return {}
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.value not in readers:
                self.report(key, f"`{key.value}` is not known here", *did_you_mean(str(key.value), list(readers)))
            elif key.value in found:
                self.report(key, f"`{key.value}` is given twice")
            else:
                found[key.value] = readers[key.value](value)
        for name in needs:
            if name not in found:
                self.report(node, f"`{name}` is missing", f"write {name}: ...")
        return found


def is_mapping(node: Node) -> bool:
    return bool(node.id == "mapping")


def span_of(node: Node) -> Span:
    """A node's place; of one over several lines, where it begins."""
    start, end = node.start_mark, node.end_mark
    return Span(start.index, end.index if start.line == end.line and end.index > start.index else start.index + 1)
