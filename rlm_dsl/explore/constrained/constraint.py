"""Replies kept to a grammar: that of each turn, and what is said where a server takes none.

In: what is bound at a turn. Out: the grammar of a reply; a note, once. Law: nothing stands in a grammar that may not be
sent: a name that redaction would change is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlm_dsl.explore.session import Session
from rlm_dsl.language.reply_grammar.replies import reply_grammar
from rlm_dsl.language.reply_grammar.vocabulary import vocabulary_of
from rlm_dsl.models.request import Request

STATEMENTS = 6
"""Statements of one reply at most: a model that finds no end goes on no longer than that."""
UNCONSTRAINED = "the server takes no grammar of a reply: replies are plain text, as without --constrain"


@dataclass(slots=True)
class Constraint:
    """Owns whether it was said that a server takes no grammar. `takes` says whether it does, as far as is known."""

    question: str
    redact: Callable[[str], str]
    takes: Callable[[Request], bool]
    said: bool = False

    def grammar(self, session: Session) -> str:
        """The grammar of the next reply."""
        found = vocabulary_of(session.environment, self.question, models=session.models, told=self.may_be_told)
        return reply_grammar(found, STATEMENTS)

    def may_be_told(self, name: str) -> bool:
        return self.redact(name) == name

    def note(self, request: Request) -> str:
        """What is to be said after an answer to a request; "" where it was said."""
        if self.said or self.takes(request):
            return ""
        self.said = True
        return UNCONSTRAINED
