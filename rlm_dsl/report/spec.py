"""`report.yaml`: what a report runs and shows, read with the place of everything.

In: a file. Out: a `Spec`, or every problem with its line and a caret. Law: in paths, `{period}`, `{year}`
and `{month}` are the digits of the period and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import ProgramError, UserError
from rlm_dsl.common.source import Source
from rlm_dsl.common.system_errors import reason
from rlm_dsl.common.yaml_file import YamlReader, is_mapping, yaml_source
from rlm_dsl.context.given import Given, given_of_node
from rlm_dsl.models.server.address import server_address
from rlm_dsl.report.period import fill_in

if TYPE_CHECKING:
    from yaml import Node

OUTPUTS = ("html", "md", "json")
REVIEWS = re.compile(r"(\d{1,6})(?: (?:rows? )?(?:each|a|per) period)?", re.ASCII)
KINDS = ("text", "findings", "table", "chart", "evidence")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report. `what` is its text, its findings, or the part of an answer that it shows; `node` is where
    that stands in the file."""

    kind: str
    what: Any
    heading: str = ""
    limit: int | None = None
    chart: str = "bar"
    x: str = ""
    y: str = ""
    node: Any = None


@dataclass(frozen=True, slots=True)
class Spec:
    """A report. `programs` are texts by name, one of them "" where there is a single one; `folder` is where the file
    lies, from which all its paths go."""

    source: Source
    folder: Path
    title: str
    contexts: Mapping[str, Given]
    programs: Mapping[str, Source]
    sections: tuple[Section, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)
    """The address at which each of the models is asked; weights of one's own by their digest."""
    baseline: str = ""
    outputs: tuple[str, ...] = OUTPUTS
    out: str = "reports/{period}"
    reviews: int = 0
    """Rows of each model step that are to be reviewed each period."""

    def path(self, written: str, period: str) -> Path:
        """A path of the file for a period."""
        return self.folder / fill_in(written, period)


def open_spec(path: Path) -> Spec:
    """Raises UserError where it cannot be read, ProgramError with every problem in it."""
    source = yaml_source(path, "make one: rlm-dsl report init TRACE")
    reader = _Reader(source, path.parent)
    found = reader.spec()
    if reader.problems or found is None:
        raise ProgramError(reader.problems, source)
    return found


class _Reader(YamlReader):
    def __init__(self, source: Source, folder: Path) -> None:
        super().__init__(source)
        self.folder = folder

    def spec(self) -> Spec | None:
        root = self.root()
        if root is None:
            if not self.problems:
                raise UserError(f"{self.source.name} is empty", "make one: rlm-dsl report init TRACE")
            return None
        readers = {
            "title": self.text,
            "contexts": lambda node: self.each(node, self.context),
            "params": self.plain_mapping,
            "program": self.program,
            "programs": lambda node: self.each(node, self.program),
            "steps": self.inline,
            "models": lambda node: self.each(node, self.text),
            "servers": lambda node: self.each(node, self.address),
            "sections": lambda node: self.listed(node, self.section),
            "baseline": self.path_text,
            "outputs": lambda node: tuple(self.listed(node, lambda each: self.choice(each, *OUTPUTS))),
            "out": self.path_text,
            "reviews": self.reviews,
        }
        held = self.record(root, readers, needs=("title", "contexts", "sections"))
        given = [name for name in ("program", "programs", "steps") if name in held]
        if len(given) != 1 and is_mapping(root):
            self.report(root, "a report runs a program", "write one of program: FILE, programs: {NAME: FILE}, steps: |")
            return None
        if self.problems:
            return None
        programs = held.pop("programs", None) or {"": held.pop("program", None) or held.pop("steps", None)}
        return Spec(self.source, self.folder, programs=programs, **{**held, "sections": tuple(held["sections"])})

    def context(self, node: Node) -> Given:
        given = given_of_node(self, node)
        self.tried(node, lambda: fill_in(given.path, "2000-01"), "")
        return given

    def address(self, node: Node) -> str:
        text = self.text(node)
        return self.tried(node, lambda: server_address(text), text)

    def reviews(self, node: Node) -> int:
        text = str(getattr(node, "value", "")).strip()
        found = REVIEWS.fullmatch(text)
        if found is None or not int(found[1]):
            self.report(node, "this says no number of rows", "write: reviews: 20 each period")
            return 0
        return int(found[1])

    def path_text(self, node: Node) -> str:
        text = self.text(node)
        self.tried(node, lambda: fill_in(text, "2000-01"), "")
        return text

    def program(self, node: Node) -> Source:
        text = self.text(node)
        path = self.folder / text
        try:
            return Source(str(path), path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as failure:
            told = reason(failure) if isinstance(failure, OSError) else "it is no UTF-8 text"
            self.report(node, f"{text} cannot be read: {told}", "a path from this file's folder")
            return Source(text, "")

    def inline(self, node: Node) -> Source:
        return Source("steps", self.text(node))

    def section(self, node: Node) -> Section:
        kinds = [key.value for key, _ in node.value if key.value in KINDS] if is_mapping(node) else []
        if len(kinds) != 1:
            self.report(node, "a section is one of " + ", ".join(KINDS), "such as - table: per_user")
            return Section("text", "")
        kind = kinds[0]
        readers: dict[str, Any] = {kind: self.findings if kind == "findings" else self.text, "heading": self.text}
        if kind in ("table", "evidence"):
            readers["limit"] = self.count
        if kind == "chart":
            readers |= {"kind": lambda each: self.choice(each, "bar", "line", "points"), "x": self.text, "y": self.text}
        held = self.record(node, readers, needs=("x", "y") if kind == "chart" else ())
        place = next(value for key, value in node.value if key.value == kind)
        return Section(
            kind,
            held.get(kind, ""),
            held.get("heading", ""),
            held.get("limit"),
            held.get("kind", "bar"),
            held.get("x", ""),
            held.get("y", ""),
            place,
        )

    def findings(self, node: Node) -> list[str]:
        return self.listed(node, self.text)
