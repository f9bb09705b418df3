"""A prefilter: a pattern of terms whose absence rules rows out before a `keep` asks about them.

In: a step, labelled examples. Out: a pattern with its recall, and the program with it. Law: recall is measured on
examples that the pattern was not made from; a step stands as it is where no pattern is worth it, or sure enough.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import re2

from rlm_dsl.common.source import Source
from rlm_dsl.language.edit.call_sites import calls_in, nodes_in
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse
from rlm_dsl.optimize.examples import Labelled
from rlm_dsl.optimize.program_changes.rewrite import with_pipe
from rlm_dsl.optimize.statistics import most_errors
from rlm_dsl.optimize.steps import Tunable

MOST_TERMS = 40
LEAST_RULED_OUT = 0.2
"""The share of rows that a pattern must rule out to be worth a step."""
LEAST_RECALL = 0.9
"""What its recall must be at least, with a certainty of 95 %, on rows that it was not made from."""
WORD = re.compile(r"[^\W\d_]{3,}")


def discriminating_terms(step: Tunable, examples: Sequence[Labelled]) -> list[str]:
    """Words of which every labelled row that is kept holds one, found greedily: each covers the most kept rows that are
    left for the fewest others."""
    field = step.result.fields[0].name
    shown = [(frozenset(WORD.findall(e.text.casefold())), e.answer[field] is True) for e in examples]
    left = {n for n, (_, kept) in enumerate(shown) if kept}
    others = Counter(word for words, kept in shown if not kept for word in words)
    found: list[str] = []
    while left and len(found) < MOST_TERMS:
        covers = Counter(word for n in left for word in shown[n][0])
        if not covers:
            return []
        term = max(covers, key=lambda w: (covers[w] / (1 + others[w]), covers[w], w))
        found.append(term)
        left = {n for n in left if term not in shown[n][0]}
    return [] if left else sorted(found)


@dataclass(frozen=True, slots=True)
class Prefilter:
    """A pattern that rows must hold to be asked about: `recall_at_least` of the rows to keep hold it, with a certainty
    of 95 %, as `kept` labelled ones said that it was not made from; `ruled_out` is the share of them without it."""

    pattern: str
    kept: int
    missed: int
    recall_at_least: float
    ruled_out: float

    def __str__(self) -> str:
        return (
            f"{self.ruled_out:.0%} of the rows ruled out by terms, {self.missed} of {self.kept} right ones among them "
            f"(recall at least {self.recall_at_least:.3f})"
        )


def find_prefilter(step: Tunable, train: Sequence[Labelled], validation: Sequence[Labelled]) -> Prefilter | None:
    """A pattern of terms whose absence rules a row out of a `keep`; None where none is worth it, or sure enough."""
    own = [[e for e in part if e.step == step.name] for part in (train, validation)]
    if not step.call.startswith("keep") or len(step.shown) != 1 or not own[0] or not own[1]:
        return None
    terms = discriminating_terms(step, own[0])
    if not terms:
        return None
    pattern = rf"(?i)\b(?:{'|'.join(terms)})"
    kept = [e for e in own[1] if e.answer[step.result.fields[0].name] is True]
    missed = sum(not re2.search(pattern, e.text) for e in kept)
    out = sum(not re2.search(pattern, e.text) for e in own[1]) / len(own[1])
    found = Prefilter(pattern, len(kept), missed, 1 - most_errors(missed, len(kept), 0.05) if kept else 0.0, out)
    return found if out >= LEAST_RULED_OUT and found.recall_at_least >= LEAST_RECALL else None


def with_prefilter(text: str, step: Tunable, found: Prefilter) -> str:
    """The program with a `where` before a step that is piped into; as it is where it is not."""
    tree = parse(Source("program", text))
    column = step.shown[0] if step.shown[0].isidentifier() else f"`{step.shown[0]}`"
    operator, _, number = step.call.removesuffix("]").partition("[")
    for statement in tree.statements:
        if (statement.name if isinstance(statement, t.Binding) else "answer") != step.statement:
            continue
        calls = [call for call in calls_in(statement) if call.operator == operator]
        meant = calls[int(number) - 1 if number else 0].span
        for pipe in nodes_in(statement, t.Pipe):
            for at, call in enumerate(pipe.calls):
                if call.span == meant:
                    condition = f'it = it | where({column} matches r"{found.pattern}")'
                    parsed = parse(Source("where", condition)).statements[0]
                    assert isinstance(parsed, t.Binding) and isinstance(parsed.value, t.Pipe)
                    return with_pipe(tree, pipe, (*pipe.calls[:at], *parsed.value.calls, *pipe.calls[at:]))
    return text
