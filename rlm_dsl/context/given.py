"""What a user gives as a context: a path, and how it is to be read.

In: `NAME:FORMAT(option=value, ...)=PATH` of a command line, a mapping of Python, a node of a YAML file. Out: names and
`Given`. Law: the three say the same; what is wrong with one option is told with its place.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.diagnostics import Diagnostic, ProgramError, UserError, did_you_mean
from rlm_dsl.common.source import Source, Span
from rlm_dsl.common.yaml_file import YamlReader, is_mapping
from rlm_dsl.context.files.presence import is_there
from rlm_dsl.context.options import NO_OPTIONS, OPTIONS, OptionError, ReadingOptions, options_of, read_option

if TYPE_CHECKING:
    from yaml import Node

PATH, FORMAT = "path", "format"
EXAMPLE = "write tickets=tickets.csv, or 'tickets:csv(header=no)=tickets.csv'"
CODE = "O01"
NAMED = re.compile(r"(?P<name>[^=:(]*)(?::(?P<format>[^=(]*))?(?P<open>\()?")
OPTION = re.compile(r"\s*(?P<option>[^\s=,()\[\]\"']+)\s*=\s*")
VALUE = re.compile(
    r"""
    "(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>(?:[^'\\]|\\.)*)' | (?P<list>\[) | (?P<bare>[^\s,()\[\]"'=][^,)\]"'=]*)
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
ESCAPES = {"t": "\t", "\\": "\\", '"': '"', "'": "'"}


@dataclass(frozen=True, slots=True)
class Given:
    """Where data lies, and how it is to be read. `written` is where that was said, for problems that show up later."""

    path: str
    format: str | None = None
    options: ReadingOptions = NO_OPTIONS
    written: Written | None = None

    def placed(self, failure: OptionError) -> Exception:
        """What is wrong with an option, shown where it was written if that is known."""
        return failure if self.written is None else self.written.problem(failure)


@dataclass(frozen=True, slots=True)
class Written:
    """The text in which options stand, and the place of each."""

    source: Source
    places: Mapping[str, Span]

    def problem(self, failure: OptionError) -> ProgramError:
        span = self.places.get(failure.option, Span(0, len(self.source.text)))
        return problem(self.source, span, failure.message, failure.hint)


def problem(source: Source, span: Span, message: str, hint: str = "") -> ProgramError:
    return ProgramError([Diagnostic(CODE, message, span, (hint,) if hint else ())], source)


def read_given(text: str) -> tuple[str, Given]:
    """The name and what stands for it. Raises UserError or ProgramError for what is not of the grammar."""
    source = Source("(data)", text)
    found = NAMED.match(text)
    assert found is not None
    name, form, at = found["name"], found["format"], found.end()
    options = NO_OPTIONS
    places: Mapping[str, Span] = {}
    if found["open"]:
        options, places, at = _Options(source, at).read()
    if not name or text[at : at + 1] != "=" or at + 1 == len(text):
        if not found["open"]:
            raise UserError(f"no context: {text!r}", EXAMPLE)
        raise problem(source, Span(at, at + 1), "`=PATH` is expected behind the options", EXAMPLE)
    return name, Given(text[at + 1 :], form or None, options, Written(source, places))


def named_or_path(text: str) -> Given:
    """What is given with or without a name: a path that is there, or a glob that finds something, is one as it is."""
    if "=" not in text or is_there(text) or next(glob.iglob(text, recursive=True), None) is not None:
        return Given(text)
    return read_given(text)[1]


class _Options:
    """Reads `option=value, ...)`; owns where it is."""

    def __init__(self, source: Source, at: int) -> None:
        self.source, self.text, self.at = source, source.text, at
        self.values: dict[str, Any] = {}
        self.places: dict[str, Span] = {}

    def read(self) -> tuple[ReadingOptions, dict[str, Span], int]:
        """The options, their places, and where the text goes on."""
        while not self.took(")"):
            found = OPTION.match(self.text, self.at)
            if found is None:
                raise self.expected("an option", f"options: {', '.join(OPTIONS)}")
            name, start = found["option"], found.start("option")
            self.at = found.end()
            value = self.value()
            self.places[name] = span = Span(start, self.at)
            if name in self.values:
                raise problem(self.source, span, f"`{name}` is given twice")
            try:
                self.values[name] = read_option(name, value)
            except OptionError as failure:
                raise problem(self.source, span, failure.message, failure.hint) from None
            if not self.took(",") and not self.sees(")"):
                raise self.expected("a comma or `)`", "a value that holds such signs is quoted")
        return ReadingOptions(**self.values), self.places, self.at

    def value(self) -> Any:
        found = VALUE.match(self.text, self.at)
        if found is None:
            raise self.expected("a value", 'a sign that the grammar uses is quoted: delimiter=","')
        self.at = found.end()
        if found["list"]:
            return self.items()
        if found["bare"] is not None:
            return found["bare"].strip()
        held = found["double"] if found["double"] is not None else found["single"]
        return ESCAPED.sub(lambda mark: ESCAPES.get(mark[1], mark[0]), held)

    def items(self) -> list[str]:
        found: list[str] = []
        while not self.took("]"):
            item = self.value()
            if not isinstance(item, str):
                raise self.expected("a value", "a list holds no lists")
            found.append(item)
            if not self.took(",") and not self.sees("]"):
                raise self.expected("a comma or `]`", "a list is written [a, b]")
        return found

    def sees(self, mark: str) -> bool:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1
        return self.text.startswith(mark, self.at)

    def took(self, mark: str) -> bool:
        there = self.sees(mark)
        self.at += len(mark) if there else 0
        return there

    def expected(self, what: str, hint: str) -> ProgramError:
        return problem(self.source, Span(self.at, self.at + 1), f"{what} is expected here", hint)


def is_given(value: Any) -> bool:
    """Whether a mapping of Python names data: a table of columns holds lists, and this a path."""
    return isinstance(value, Mapping) and isinstance(value.get(PATH), str | os.PathLike)


def given_of(value: Mapping[str, Any]) -> Given:
    """What a mapping of Python says: `{"path": ..., "format": ..., "header": "no"}`. Raises UserError."""
    held = dict(value)
    path, form = os.fspath(held.pop(PATH)), held.pop(FORMAT, None)
    if form is not None and not isinstance(form, str):
        raise UserError("`format` is the name of a format", 'such as "format": "csv"')
    return Given(path, form, options_of(held))


def given_of_node(reader: YamlReader, node: Node, path: bool = True) -> Given:
    """What a node of a YAML file says: a path, or a mapping with `path`, `format` and options; problems go to the
    reader. Without `path` it may say how data is read that the command line names."""
    if not is_mapping(node):
        return Given(reader.text(node))
    held: dict[str, Any] = {}
    places: dict[str, Span] = {}
    known = [PATH, FORMAT, *OPTIONS]
    for key, value in node.value:
        name = str(key.value)
        places[name] = Span(key.start_mark.index, key.end_mark.index)
        if name in held:
            reader.report(key, f"`{name}` is given twice")
        elif name not in known:
            reader.report(key, f"no option is called `{name}`", *did_you_mean(name, known, what="options", most=16))
        else:
            held[name] = value_of(reader, name, value)
    if path and not held.get(PATH):
        reader.report(node, "`path` is missing", "write path: ...")
    form, given = held.pop(FORMAT, None), held.pop(PATH, "")
    options = ReadingOptions(**{name: value for name, value in held.items() if value is not None})
    return Given(given, form, options, Written(reader.source, places))


def value_of(reader: YamlReader, name: str, node: Node) -> Any:
    if name in (PATH, FORMAT):
        return reader.text(node)
    texts = reader.listed(node, reader.text) if node.id == "sequence" else reader.text(node)
    try:
        return read_option(name, texts)
    except OptionError as failure:
        reader.report(node, failure.message, *filter(None, [failure.hint]))
        return None


def at_path(given: Given, path: str) -> Given:
    """The same reading of what lies elsewhere."""
    return replace(given, path=path)
