"""What is bound before a place of a text, kept while somebody types in it.

In: the text of the moment, an offset. Out: where a statement before it begins, and what is bound there. Law: what is
kept is dropped with the first change before it; to read on from there gives what reading the whole text gives,
but for a name that is bound twice, and wrongly at first.
"""

from __future__ import annotations

from itertools import islice

from rlm_dsl.common.diagnostics import ProgramError
from rlm_dsl.common.source import Source
from rlm_dsl.integrations.editor.reading import EMPTY, NEXT_STATEMENT, environment_after
from rlm_dsl.language.check import Environment, check
from rlm_dsl.language.syntax.parse import parse

STEP = 40
"""Statements between two places that are kept."""
TRIES = 20
"""Ends that are tried for a part that does not parse: what looks like a statement may stand in a bracket."""


class Checkpoints:
    """Owns what is known of the last text."""

    def __init__(self, step: int = STEP) -> None:
        self.text, self.step = "", step
        self.held: list[tuple[int, Environment]] = [(0, EMPTY)]

    def before(self, text: str, offset: int) -> tuple[int, Environment]:
        """The begin of a statement at or before an offset, not far from it, and what is bound there."""
        same = common_start(self.text, text)
        self.held = [each for each in self.held if each[0] <= same and begins(text, each[0])]
        self.text = text
        at = max(n for n, each in enumerate(self.held) if each[0] <= offset)
        while len(self.held) == at + 1 and self.went_on(offset):
            at += 1
        return self.held[at]

    def went_on(self, offset: int) -> bool:
        """Whether another place was found that lies at or before the offset."""
        start, known = self.held[-1]
        ends = [match.start() for match in islice(NEXT_STATEMENT.finditer(self.text, start + 1), self.step + TRIES)]
        ends = [end for end in ends if end <= offset]
        if not ends:
            return False
        first = min(self.step, len(ends)) - 1
        for end in ends[first:]:
            try:
                tree = parse(Source("", self.text[start:end]))
            except ProgramError:
                continue
            self.held.append((end, check(tree, known).environment))
            return True
        if len(ends) < self.step + TRIES:
            return False  # the statement that somebody is writing
        self.held.append((ends[first], environment_after(self.text[start : ends[first]], known)))
        return True


def begins(text: str, at: int) -> bool:
    """Whether a statement begins there, and does not go on from the line before."""
    return at == 0 or NEXT_STATEMENT.match(text, at) is not None


def common_start(a: str, b: str) -> int:
    """How many characters two texts begin alike with."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
