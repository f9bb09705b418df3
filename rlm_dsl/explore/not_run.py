"""What of a reply was not run: what stands behind a fault of form, and what rests on a statement that failed.

In: a reply's statements, which of them ran, where problems are. Out: a line that names the others. Law: nothing
that was written is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from rlm_dsl.common.source import Span
from rlm_dsl.explore.reply import STATEMENT
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.show import show

SHOWN = 60
MOST = 8


def not_run(
    tree: t.Tree, ran: Collection[t.Statement], at_fault: Sequence[Span], known: Collection[str], behind: str
) -> Iterator[str]:
    """What is told of statements without a problem of their own that were not run; `behind` is the reply's text behind
    its last statement that could be read, which begins with the one that could not."""
    done = {statement.span for statement in ran}
    idle = [
        each
        for each in tree.statements
        if each.span not in done
        and not isinstance(each, t.ContextStatement)
        and not (isinstance(each, t.Binding) and each.name in known)
        and not has_fault(each, at_fault)
    ]
    if idle:
        yield f"Not run, as they rest on what failed: {listed([named(each) for each in idle])}."
    after = [line.strip() for line in behind.split("\n") if STATEMENT.match(line)][1:]
    if after:
        yield f"Not run, as they stand behind it: {listed([shortened(line) for line in after])}."


def unbound(tree: t.Tree, ran: Collection[t.Statement], at_fault: Sequence[Span]) -> list[str]:
    """The names that statements with problems were to bind."""
    done = {statement.span for statement in ran}
    held = (each for each in tree.statements if isinstance(each, t.Binding) and each.span not in done)
    return [each.name for each in held if has_fault(each, at_fault)]


def has_fault(statement: t.Statement, at_fault: Sequence[Span]) -> bool:
    return any(statement.span.start <= span.start < statement.span.end for span in at_fault)


def named(statement: t.Statement) -> str:
    if isinstance(statement, t.Binding | t.ParamStatement):
        return f"`{statement.name}`"
    return shortened(show(t.Tree((statement,))))


def shortened(text: str) -> str:
    line = " ".join(text.split())
    return f"`{line[:SHOWN]}...`" if len(line) > SHOWN else f"`{line}`"


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
