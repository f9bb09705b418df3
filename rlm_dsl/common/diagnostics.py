"""A problem with a program as a value, and its renderings for people, models and machines.

In: a code, a span, what is wrong and what to write instead. Out: text with a caret, or a JSON-ready dict.
Law: rendering loses nothing: code, place, message and every hint stand in both forms.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rlm_dsl.common.source import Source, Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem. `code` is stable (see docs), `hints` say what to do instead."""

    code: str
    message: str
    span: Span
    hints: tuple[str, ...] = ()
    severity: Severity = "error"

    def as_json(self, source: Source) -> dict[str, object]:
        """Places are lines and columns from 1; `end_*` is one past the last character."""
        start, end = source.place(self.span.start), source.place(self.span.end)
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hints": list(self.hints),
            "file": source.name,
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
        }


def github_annotation(diagnostic: Diagnostic, source: Source) -> str:
    """The problem as a workflow command, which GitHub shows beside the line in a pull request."""
    start, end = source.place(diagnostic.span.start), source.place(diagnostic.span.end)
    places = {
        "file": source.name,
        "line": start.line,
        "endLine": end.line,
        "col": start.column,
        "endColumn": end.column,
    }
    if start.line != end.line:
        del places["col"], places["endColumn"]
    told = [f"{name}={escaped(str(value), ':,')}" for name, value in {**places, "title": diagnostic.code}.items()]
    message = "\n".join([diagnostic.message, *(f"hint: {hint}" for hint in diagnostic.hints)])
    return f"::{diagnostic.severity} {','.join(told)}::{escaped(message)}"


def escaped(text: str, more: str = "") -> str:
    """Text for a workflow command: percent, line ends and what else ends a part are written as percent codes."""
    return "".join(f"%{ord(c):02X}" if c in "%\r\n" + more else c for c in printable_lines(text))


def printable_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


class ProgramError(Exception):
    """Raised when a program has problems; carries them all with their source."""

    def __init__(self, diagnostics: Iterable[Diagnostic], source: Source) -> None:
        self.diagnostics = tuple(diagnostics)
        self.source = source
        super().__init__(render_all(self.diagnostics, source))


class UserError(Exception):
    """Something the user can mend outside a program: a file, a key, a setting. One message, one hint.

    `exit_code` follows the command line's: 2 bad input or usage, 3 stopped by budget or an outage.
    """

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 2, code: str = "input") -> None:
        self.message, self.hint, self.exit_code, self.code = message, hint, exit_code, code
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)


class StepFailed(UserError):
    """One step failed, and another statement may do better: an exploration is told `instead`, and goes on."""

    def __init__(
        self, message: str, hint: str = "", *, exit_code: int = 2, code: str = "input", instead: str = ""
    ) -> None:
        super().__init__(message, hint, exit_code=exit_code, code=code)
        self.instead = instead or hint


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if one is near."""
    candidates = list(known)
    lowered = {candidate.lower(): candidate for candidate in candidates}
    if name.lower() in lowered:
        return lowered[name.lower()]
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.66)
    return lowered[found[0]] if found else None


def did_you_mean(name: str, known: Sequence[str], *, what: str = "known", most: int = 12) -> tuple[str, ...]:
    """A hint with the nearest name, else with the names there are, `most` of them."""
    if near := nearest(name, known):
        return (f"did you mean `{near}`?",)
    if not known:
        return ()
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return (f"{what}: {', '.join(map(in_backticks, known[:most]))}{more}",)


def in_backticks(name: str) -> str:
    """A name with blanks as it has to be written; another as it is."""
    return f"`{name}`" if " " in name and "`" not in name else name


LONGEST_LINE = 240
"""Characters of a line that a problem shows."""


def render(diagnostic: Diagnostic, source: Source) -> str:
    """The one text form: message, place, line, caret under the span, hints."""
    place = source.place(diagnostic.span.start)
    written, at = source.line(place.line), place.column - 1
    line, column = around(printable(written), len(printable(written[:at])) + 1)
    marked = len(printable(written[at : at + diagnostic.span.end - diagnostic.span.start]))
    width = max(1, min(marked, len(line) - column + 1))
    gutter = " " * len(str(place.line))
    caret = cells(line[: column - 1]) * " " + "^" * max(1, cells(line[column - 1 :][:width]))
    out = [
        f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}",
        f"{gutter}--> {source.name}:{place.line}:{place.column}",
        f"{place.line} | {line}",
        f"{gutter} | {caret}",
    ]
    return "\n".join(out + [f"{gutter} = hint: {hint}" for hint in diagnostic.hints])


def told_to_models(problems: Iterable[Diagnostic], source: Source) -> list[str]:
    """The form for models, which copy what they are shown: no line of it could be taken for a program's. Of problems
    that are equal, one is told with the lines of all."""
    alike: dict[tuple[str, str, str, tuple[str, ...]], list[Diagnostic]] = {}
    for problem in problems:
        alike.setdefault((problem.severity, problem.code, problem.message, problem.hints), []).append(problem)
    several = "\n" in source.text.strip()
    return [told_once(held, source, several) for held in alike.values()]


def told_once(problems: Sequence[Diagnostic], source: Source, several: bool) -> str:
    """Equal problems as one: the lines where they are, the text of the first."""
    first = problems[0]
    lines = list(dict.fromkeys(source.place(problem.span.start).line for problem in problems))
    where = f" in line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}" if several else ""
    text = printable(" ".join(source.text[first.span.start : first.span.end].split()))
    at = f" at `{text[:SHOWN]}{'...' if len(text) > SHOWN else ''}`" if text and text not in first.message else ""
    return "\n".join(
        [f"{first.severity}[{first.code}]{where}{at}: {first.message}", *(f"  hint: {hint}" for hint in first.hints)]
    )


SHOWN = 60
"""Characters of a place that a model is told."""


def around(line: str, column: int) -> tuple[str, int]:
    """A long line cut to what stands around a column (from 1), and the column's place in it."""
    if len(line) <= LONGEST_LINE:
        return line, column
    start = max(0, column - 1 - LONGEST_LINE // 3)
    cut = line[start : start + LONGEST_LINE]
    before, after = "… " if start else "", " …" if start + LONGEST_LINE < len(line) else ""
    return f"{before}{cut}{after}", column - start + len(before)


def render_all(diagnostics: Iterable[Diagnostic], source: Source) -> str:
    return "\n\n".join(render(diagnostic, source) for diagnostic in diagnostics)


def printable(text: str) -> str:
    """Text safe for a terminal: control and format characters become visible escapes, tabs one blank. What is so
    already costs a look at it."""
    text = text.replace("\t", " ")
    if text.isprintable():
        return text
    odd = {c for c in set(text) if unicodedata.category(c) in HIDDEN}
    if len(odd) > FEW:
        return text.translate({ord(c): ascii_escape(c) for c in odd})
    for character in odd:
        text = text.replace(character, ascii_escape(character))
    return text


HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")
FEW = 16
"""So many characters are replaced one by one."""


def ascii_escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def cells(text: str) -> int:
    """Terminal cells a text takes: wide East Asian characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
