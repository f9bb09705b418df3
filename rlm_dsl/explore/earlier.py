"""What a question goes on from: the question before it, its program and its answer.

In: a finished trace, or what a child's log says of one. Out: `Earlier`; a session in which its names are bound.
Law: of the earlier exploration only text comes along; what it bound is checked and run anew, on the answers that are
known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.explore.prompt import fitting
from rlm_dsl.explore.session import Session
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse, parse_prefix
from rlm_dsl.language.syntax.show import show
from rlm_dsl.trace.events import read_events
from rlm_dsl.trace.layout import EVENTS
from rlm_dsl.trace.reader import Trace

SAID, GAVE = 1_200, 1_600
"""Estimated tokens that the earlier program and what it gave may take in a prompt."""
ASKED_BEFORE = """\
Asked before this: {question}
Its program, of which all names are bound still; nothing of it is asked again:
{program}
It gave:
{gave}"""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An exploration that another goes on from. `program` is that of its answer; `beside` is what it bound that the
    answer does not rest on; `parent` is what a header says of it; `secrets` were taken out of its requests."""

    question: str
    program: str
    beside: str = ""
    parent: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    def as_event(self) -> dict[str, str]:
        """For the first event of a run's log: what it takes to go on with it where its parent is not at hand."""
        return {"question": self.question, "program": self.program, "beside": self.beside}


def earlier_of(trace: Trace, changed: Collection[str] = ()) -> Earlier:
    """What a finished trace came to; `changed` are contexts that are not what they were. The parent is named by its
    head, wherever it lies."""
    tree = parse(Source("program.rlm", trace.program))
    kept = tuple(s for s in tree.statements if not isinstance(s, t.ContextStatement | t.Show))
    beside = () if "agreement" in trace.header else tuple(bound_beside(trace, kept))
    question = trace.header.get("question") or ""
    different = {"contexts": sorted(changed)} if changed else {}
    parent = {"name": trace.name, "head": trace.head, "question": question, "different": different}
    return Earlier(
        question,
        show(t.Tree(kept)),
        show(t.Tree(beside)) if beside else "",
        parent,
    )


def bound_beside(trace: Trace, kept: tuple[t.Statement, ...]) -> Iterator[t.Statement]:
    """What the turns of an exploration bound, in order, but for what its program holds."""
    known = {s.name for s in kept if isinstance(s, t.Binding | t.ParamStatement)}
    for text in accepted_in(trace):
        for statement in parse_prefix(Source("turn", text)).tree.statements:
            if isinstance(statement, t.Binding | t.ParamStatement) and statement.name not in known:
                known.add(statement.name)
                yield statement


def accepted_in(trace: Trace) -> list[str]:
    """The program text of each turn, as far as it ran."""
    found: list[str] = []
    for event in read_events(trace.folder / EVENTS):
        content = event.content if event.sound else {}
        if content.get("type") == "run.resume":  # which goes through the turns before it again
            found = []
        if content.get("type") == "turn.end" and not content.get("sub_run"):
            found.append(str(content.get("accepted", "") if content.get("errors") else content.get("program", "")))
    return found


def begin(session: Session, earlier: Earlier) -> str:
    """Bind what was bound; the words on it for the prompt. Raises UserError where it cannot be bound any more."""
    may_ask, session.models = session.models, True
    turn = session.submit(earlier.program, name="program.rlm")
    if turn.errors:
        raise UserError(
            f"what was found before does not hold on this data:\n{turn.observation}",
            "ask the first question anew on it, and go on from there",
            code="D03",
        )
    told = [turn.observation]
    if earlier.beside:
        before = set(session.trees)
        session.submit(earlier.beside, name="bound beside")
        told += [session.summaries[name] for name in session.trees if name not in before and name in session.summaries]
    session.begin(models=may_ask)
    return ASKED_BEFORE.format(
        question=earlier.question or "(a program was run)",
        program=fitting(earlier.program.rstrip(), SAID),
        gave=fitting("\n".join(told), GAVE),
    )
