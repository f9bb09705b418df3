"""Instructions made of what their writer was shown: weak models hand a row back, or the words they were asked in.

In: an instruction, the rows that are labelled, the prompts of the optimizer. Out: why it is refused, or nothing.
Law: words of the step's own instruction and its labels are never held against an instruction; an instruction of some
length may quote a row, and is refused where a third of what is new in it is copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rlm_dsl.optimize.steps import Tunable

RUN = 5
"""So many words in a row are copied, and not met by chance."""
SHORT = 3
"""A row of so many words or more counts where it stands there whole."""
COPIED = 1 / 3
FIELD = "[[ ##"
"""How dspy marks fields; no instruction needs it."""
WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]|[^\W\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+"
)
"""A word, or a letter of a script that puts nothing between words."""
Words = tuple[str, ...]


def words_of(text: str) -> Words:
    return tuple(WORD.findall(text.casefold()))


@dataclass
class Shown:
    """Texts by their runs of words: of a short one the whole, of any other each run of `RUN` words."""

    runs: set[Words] = field(default_factory=set)

    def add(self, texts: Iterable[str], shortest: int = SHORT) -> None:
        for text in texts:
            words = words_of(text)
            if shortest <= len(words) < RUN:
                self.runs.add(words)
            self.runs.update(runs_of(words, RUN))

    def marked(self, words: Words) -> list[bool]:
        """Which words stand in a run that was shown."""
        found = [False] * len(words)
        for size in {len(run) for run in self.runs}:
            for at, run in enumerate(runs_of(words, size)):
                if run in self.runs:
                    found[at : at + size] = [True] * size
        return found


def runs_of(words: Words, size: int) -> Iterator[Words]:
    return (words[at : at + size] for at in range(len(words) - size + 1))


class Borrowed:
    """What was shown to whoever writes instructions, and the instructions that were refused for it, each with why."""

    def __init__(self, rows: Iterable[str]) -> None:
        self.rows, self.prompts = Shown(), Shown()
        self.rows.add(rows)
        self.refused: dict[str, str] = {}

    def asked(self, prompt: str) -> None:
        """Words in which an instruction was asked for, without any row's."""
        self.prompts.add(prompt.splitlines(), RUN)

    def refuses(self, step: Tunable, instruction: str) -> bool:
        if instruction not in self.refused and (why := self.problem(step, instruction)):
            self.refused[instruction] = why
        return instruction in self.refused

    def problem(self, step: Tunable, instruction: str) -> str:
        """Why an instruction is none; "" where it is one."""
        if FIELD in instruction:
            return "it has the marks of the prompt that asked for it"
        words, own = words_of(instruction), Shown()
        own.add([step.instruction, *map(str, step.labels or ())], 1)
        new = [at for at, known in enumerate(own.marked(words)) if not known]
        for shown, what in ((self.rows, "labelled rows"), (self.prompts, "the prompt that asked for it")):
            marked = shown.marked(words)
            copied = sum(marked[at] for at in new)
            if copied and copied >= COPIED * len(new):
                return f"{copied} of its {len(new)} words are those of {what}"
        return ""


def told(refused: Sequence[tuple[str, str]]) -> str:
    """What was refused, in words: how many, and the first of them."""
    first, why = refused[0]
    short = first if len(first) <= 60 else f"{first[:57]}..."
    count = "an instruction was" if len(refused) == 1 else f"{len(refused)} instructions were"
    return f"{count} refused, such as {short!r}: {why}"
