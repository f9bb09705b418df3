"""`grep` finds the lines that ripgrep finds: generated patterns over generated files, odd bytes among them.

What the two read differently is written for each in its own way (docs/patterns.md says why): `\\d \\w \\s \\b` are
ASCII here and Unicode there. A line that is no UTF-8 is compared for patterns without "any character", for ripgrep's
`.` matches no such byte, and here it is U+FFFD.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_dsl.context.format_registry import own_column
from rlm_dsl.context.loading import load
from rlm_dsl.context.options import ReadingOptions
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.language.patterns.prefilters import lookup
from rlm_dsl.language.patterns.validate import problem
from rlm_dsl.plan.stages import physical_name
from tests.support.contexts import lines_as_read
from tests.support.small import calls_of, planned

RG = shutil.which("rg")
needs_ripgrep = pytest.mark.skipif(RG is None, reason="ripgrep (rg) is not installed")
ASKED = ["--no-config", "--text", "--encoding", "none", "--engine", "default", "--line-number", "--no-filename",
         "--no-heading", "--color", "never", "--threads", "1"]  # fmt: skip
"""`--text` for files with NUL, `--encoding none` so that a byte order mark stays in its line."""


@dataclass(frozen=True)
class Spelled:
    """A pattern here and in ripgrep; `any` if it has a part that matches every character."""

    ours: str
    theirs: str
    any: bool = False


def same(*pieces: str) -> list[Spelled]:
    return [Spelled(piece, piece) for piece in pieces]


LETTERS = same(
    *["a", "b", "k", "s", "S", "K", "7", "-", " ", "=", r"\.", r"\[", r"\(", r"\|", r"\$", "é", "σ", "ß", "foo", "bar"],
    *["error", "FOO=", "foobar", r"\x41", r"\x{e9}", r"\t", r"\r", r"\x00", "ſ", "٣", "\u2028", "\ufeff"],
)
SETS = [
    *same("[ab]", "[a-f]", "[Ff]", "[0-3]", "[-a]", r"[\]b]", "[[:alpha:]]", "[[:digit:]_]", "[[:space:]]", "[é-ö]"),
    *same(r"\pL", r"\p{Lu}", r"\p{Greek}", r"\p{Nd}", r"[\p{Ll}0-9]"),
    *[Spelled(piece, piece, True) for piece in (".", "[^a]", "[^a-z0-9 ]", r"\PL", r"[^\pL]", "[[:^alpha:]]")],
    *[Spelled(r"\d", "[0-9]"), Spelled(r"\w", "[0-9A-Za-z_]"), Spelled(r"\s", r"[\t\f\r ]")],
    *[Spelled(r"\D", "[^0-9]", True), Spelled(r"\W", "[^0-9A-Za-z_]", True), Spelled(r"\S", r"[^\t\f\r ]", True)],
    *[Spelled(r"[\d.]", "[0-9.]"), Spelled(r"[^\w\s]", r"[^0-9A-Za-z_\t\f\r ]", True)],
]
PLACES = [*same("^", "$"), Spelled(r"\b", r"(?-u:\b)"), Spelled(r"\B", r"(?-u:\B)")]
TIMES = ["", "", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}", "*?", "+?", "{2,}"]


def repeated(piece: Spelled, times: str) -> Spelled:
    grouped = times and len(piece.ours) > 1 and not piece.ours.startswith(("[", "\\", "("))
    ours, theirs = (f"(?:{piece.ours})", f"(?:{piece.theirs})") if grouped else (piece.ours, piece.theirs)
    return Spelled(f"{ours}{times}", f"{theirs}{times}", piece.any)


def joined(pieces: list[Spelled], between: str = "") -> Spelled:
    ours, theirs = (between.join(texts) for texts in ([p.ours for p in pieces], [p.theirs for p in pieces]))
    return Spelled(ours, theirs, any(piece.any for piece in pieces))


def grouped(piece: Spelled, head: str) -> Spelled:
    return Spelled(f"({head}{piece.ours})", f"({head}{piece.theirs})", piece.any)


def flagged(piece: Spelled, flags: str) -> Spelled:
    return Spelled(flags + piece.ours, flags + piece.theirs, piece.any)


ONE = st.one_of(
    st.builds(repeated, st.sampled_from(LETTERS), st.sampled_from(TIMES)),
    st.builds(repeated, st.sampled_from(SETS), st.sampled_from(TIMES)),
    st.sampled_from(PLACES),
)


def larger(inner: st.SearchStrategy[Spelled]) -> st.SearchStrategy[Spelled]:
    choice = st.lists(inner, min_size=1, max_size=4).map(lambda pieces: joined(pieces, "|"))
    group = st.builds(grouped, choice, st.sampled_from(["", "?:", "?P<n>", "?i:"]))
    return st.one_of(
        st.lists(st.one_of(inner, group), min_size=1, max_size=4).map(joined),
        st.builds(repeated, group, st.sampled_from(TIMES)),
    )


def odd_places(pattern: str) -> bool:
    """`^` behind something, or `$` before something: ripgrep 13 misses lines with `$^` and `\\b^`, which its library
    finds."""
    bare = re.sub(r"^\(\?[ims]+\)|\[\^", "", pattern)
    return re.search(r"[^(|:]\^|\$[^)|]", bare) is not None


PATTERNS = st.builds(
    flagged,
    st.one_of(
        st.lists(ONE, min_size=1, max_size=4).map(joined),
        st.recursive(ONE, larger, max_leaves=8),
        st.lists(st.recursive(ONE, larger, max_leaves=4), min_size=2, max_size=4).map(lambda p: joined(p, "|")),
    ),
    st.sampled_from(["", "", "", "(?i)", "(?s)", "(?m)"]),
).filter(lambda spelled: problem(spelled.ours) is None and not odd_places(spelled.ours))

PIECES = [
    *[
        b"a",
        b"b",
        b"k",
        b"s",
        b"K",
        b"7",
        b"42",
        b"-",
        b" ",
        b"=",
        b".",
        b"[",
        b"(",
        b"|",
        b"$",
        b"foo",
        b"bar",
        b"error",
    ],
    *[
        b"FOO=",
        b"foobar",
        b"A",
        b"\t",
        b"\r",
        b"\0",
        b"\x0b",
        b"\x0c",
        b"_",
        b"xyz",
        b"Error: 7",
        b"\xff",
        b"\xc3",
        b"\xe2\x80",
    ],
    *[
        text.encode()
        for text in ("é", "É", "σ", "ς", "Σ", "ß", "ẞ", "ſ", "\u212a", "٣", "\u2028", "\x85", "\ufeff", "🙂", "ö")
    ],
]
LINES = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=7).map(b"".join),
    st.lists(st.sampled_from(PIECES[:24]), max_size=4).map(b"".join),
    st.sampled_from([b"", b"\r", b" ", b"foo bar " * 40]),
)
FILES = st.builds(
    lambda mark, lines, ends: mark + b"\n".join(lines) + (b"\n" if ends else b""),
    st.sampled_from([b"", b"", b"\xef\xbb\xbf"]),
    st.lists(LINES, max_size=40),
    st.booleans(),
)


def ripgrep(pattern: str, path: Path) -> list[int]:
    """The numbers of the lines that ripgrep finds."""
    done = subprocess.run([str(RG), *ASKED, "-e", pattern, str(path)], capture_output=True, check=False)
    assert done.returncode in (0, 1), (pattern, done.stderr.decode())
    return [int(line.partition(b":")[0]) for line in done.stdout.split(b"\n")[:-1]]


class Loaded:
    """A file as a context in a warehouse of its own, and beside it one of its lines alone, for ripgrep: line ends and a
    byte order mark are none of the text here."""

    def __init__(self, content: bytes, path: Path) -> None:
        path.write_bytes(content)
        self.path = path.with_suffix(".lines")
        lines = [content[start:end] for _, start, end, _ in lines_as_read(content)]
        self.path.write_bytes(b"".join(line + b"\n" for line in lines))
        self.warehouse = Warehouse(threads=1)
        context = load("log", str(path), options=ReadingOptions(encoding="utf-8"))
        self.warehouse.load("log", context.schema, context.rows, own_column(context))
        self.types = {"log": context.schema}
        self.broken = {number for number, line in enumerate(lines, 1) if not is_utf8(line)}

    def grep(self, pattern: str) -> list[int]:
        """The numbers of the lines that the language finds: text, plan, query."""
        plan = planned(f'answer log | grep(r"{pattern}") | select(line)', self.types, self.warehouse)
        (leaf,) = plan.targets[-1].leaves
        Runner(self.warehouse, calls_of(), NoProgress(), digests=False).run(plan)
        made = next(relation for relation in plan.made.values() if physical_name(relation) == leaf.table)
        found = [line for (line,) in self.warehouse.table(made)]
        for stage in plan.stages:
            self.warehouse.drop(stage.name)
        return found


def is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def agree(loaded: Loaded, spelled: Spelled) -> None:
    left_out = loaded.broken if spelled.any else set()
    ours = [line for line in loaded.grep(spelled.ours) if line not in left_out]
    theirs = [line for line in ripgrep(spelled.theirs, loaded.path) if line not in left_out]
    assert ours == theirs, (spelled, lookup(spelled.ours))


@needs_ripgrep
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(FILES, st.lists(PATTERNS, min_size=8, max_size=16))
def test_the_same_lines_are_found(tmp_path: Path, content: bytes, patterns: list[Spelled]) -> None:
    compare(tmp_path, content, patterns)


@needs_ripgrep
@pytest.mark.proof
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(FILES, st.lists(PATTERNS, min_size=16, max_size=32))
def test_the_same_lines_are_found_by_thousands_of_patterns(
    tmp_path: Path, content: bytes, patterns: list[Spelled]
) -> None:
    compare(tmp_path, content, patterns)


LATE_BEGINNING = re.compile(r"(\$|\\[bBA]|\)).*\^", re.DOTALL)
"""A line's beginning after something that takes no room, such as `$^` or `(\\B)(^)`: ripgrep (13) does not find the
empty lines that fit it, RE2 and Rust's own engine do."""


def compare(folder: Path, content: bytes, patterns: list[Spelled]) -> None:
    loaded = Loaded(content, folder / "log.txt")
    try:
        for spelled in patterns:
            if not LATE_BEGINNING.search(spelled.ours):
                agree(loaded, spelled)
    finally:
        loaded.warehouse.close()


ODD = b"\xef\xbb\xbffoo\r\n\nfoo\0bar\n\xff bar\n\xc3\xa9 \xd9\xa3\n\xc5\xbf \xe2\x84\xaa\nFOO\n \t\nlast foo"


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Loaded]:
    loaded = Loaded(ODD, tmp_path / "odd.txt")
    yield loaded
    loaded.warehouse.close()


@needs_ripgrep
@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        ("foo", [1, 3, 9]),
        ("^foo", [1, 3]),
        ("foo$", [1, 9]),
        (r"foo\r$", []),
        ("^$", [2]),
        ("", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (r"foo\x00bar", [3]),
        ("(?i)FOO", [1, 3, 7, 9]),
        ("(?i)s k", [6]),
        ("bar|last", [3, 4, 9]),
        (r"^\x{feff}", []),
        ("^[ \t]+$", [8]),
    ],
)
def test_odd_lines(odd: Loaded, pattern: str, lines: list[int]) -> None:
    assert odd.grep(pattern) == ripgrep(pattern, odd.path) == lines


@needs_ripgrep
@pytest.mark.parametrize(
    ("pattern", "ours", "theirs"),
    [(r"\d", [], [5]), (r"^\w", [1, 3, 7, 9], [1, 3, 5, 6, 7, 9]), ("^.bar|. bar", [4], [])],
)
def test_what_differs_is_known(odd: Loaded, pattern: str, ours: list[int], theirs: list[int]) -> None:
    """The differences that docs/patterns.md tells: Unicode digits and words, and bytes that are no UTF-8."""
    assert odd.grep(pattern) == ours and ripgrep(pattern, odd.path) == theirs
