"""What a session of the shell knows: what is bound, the last answer, what went wrong.

In: an exploration's session. Out: names, the program so far, an exit code. Law: the program so far runs on the same
contexts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rlm_dsl.cli.output import flush, note, safe
from rlm_dsl.explore.session import Session, context_statement, summary
from rlm_dsl.explore.view import view_value
from rlm_dsl.language.program import Param
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.show import show


@dataclass(slots=True)
class Shell:
    """A session with what a person sees of it. `code` is that of the worst that went wrong so far."""

    session: Session
    answer: t.Statement | None = None
    saved: set[Path] = field(default_factory=set)
    code: int = 0

    def failed(self, told: str, code: int = 2) -> None:
        flush()
        note(safe(told))
        self.code = max(self.code, code)

    def summaries_of(self, name: str) -> list[str]:
        """A bound name in a line, or a line for each part of a record of tables."""
        node = self.session.environment.bindings[name]
        if isinstance(node, Param):
            return [view_value(name, node.type, node.value)]
        parts = self.session.summaries.items()
        return [told for label, told in parts if label == name or label.startswith(f"{name}.")]

    def names(self) -> str:
        """Contexts and what is bound, with types and rows."""
        warehouse = self.session.runner.warehouse
        contexts = [f"context {summary(n, r.type, warehouse.count(n))}" for n, r in warehouse.contexts.items()]
        bound = [line for name in self.session.environment.bindings for line in self.summaries_of(name)]
        return "\n".join([*contexts, *bound])

    def program(self) -> str:
        """The program so far in canonical form: contexts, params, bindings and the last answer."""
        heads = [context_statement(name, type_) for name, type_ in self.session.environment.contexts.items()]
        made = sorted(self.session.trees.values(), key=lambda made: not isinstance(made, t.ParamStatement))
        return show(t.Tree((*heads, *made, *([self.answer] if self.answer else []))))
