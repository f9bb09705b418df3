"""The loop: question, turns, answer.

In: a question, a session, a root model. Out: an exploration with its turns and, if it came to one, its answer.
Law: every reply gets an observation; the loop ends by an answer, by its turns or by the budget, and says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rlm_dsl.diagnostics import UserError
from rlm_dsl.explore.prompt import LIMIT, Exchange, Situation, messages
from rlm_dsl.explore.reply import program_text
from rlm_dsl.explore.session import Session, Turn, rests_on_data
from rlm_dsl.program import Bound
from rlm_dsl.request import Answer, Message, ModelSettings, Request
from rlm_dsl.syntax import tree as t

NOTHING = (
    "There was no statement in that reply, so nothing was run. Reply with statements alone, such as\n"
    "show tickets | take(3)"
)
CUT_SHORT = "That reply was cut off before it was finished. Reply with one or two short statements alone."
LAST_TURN = "This is the last turn: give `answer expression` now, from what is bound."
NO_DATA = (
    "That answer rests on no row of any context. Compute it from the tables; if it is meant so, send the same "
    "`answer` again."
)


class Root(Protocol):
    """How the loop reaches the root model and tells of its budget."""

    settings: ModelSettings

    def ask(self, request: Request) -> Answer: ...
    def left(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Told:
    """One turn as it happened."""

    number: int
    reply: str
    program: str
    observation: str
    errors: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Exploration:
    """How an exploration ended: `outcome` is answered, turns or refused; `tree` is the program of the answer."""

    outcome: str
    turns: tuple[Told, ...]
    answer: Bound | None = None
    tree: t.Tree | None = None
    value: Any = None


Tell = Callable[[str, Mapping[str, Any]], None]


def explore(
    question: str,
    session: Session,
    root: Root,
    *,
    turns: int,
    tell: Tell,
    shown: Callable[[Told], None],
    limit: int = LIMIT,
    redact: Callable[[str], str] = str,
) -> Exploration:
    """Ask the root model turn by turn. `shown` is told of each turn as it ends; the last chance is one turn more."""
    told: list[Told] = []
    exchanges: list[Exchange] = []
    look = session.look()
    for number in range(1, turns + 2):
        notice = LAST_TURN if number >= turns else ""
        situation = Situation(question, look, exchanges, session.summaries, number, turns + 1, root.left(), notice)
        prompt = tuple(Message(m.role, redact(m.content)) for m in messages(situation, limit))
        request = Request(root.settings, prompt, purpose="root")
        tell("turn.start", {"turn": number, "prompt_tokens_estimate": request.prompt_tokens})
        answer = root.ask(request)
        reply = answer.text or (answer.refusal or "")
        turn = taken(session, answer, number)
        told.append(Told(number, reply, program_text(reply), turn.observation, turn.errors, request.prompt_tokens))
        tell(
            "turn.end",
            {
                "turn": number,
                "reply": reply,
                "program": told[-1].program,
                "observation": turn.observation,
                "errors": turn.errors,
            },
        )
        shown(told[-1])
        if turn.answered is not None:
            return Exploration("answered", tuple(told), turn.answered, sliced(session, turn), session.answer)
        exchanges.append(Exchange(reply or "(nothing)", turn.observation))
    return Exploration("turns", tuple(told))


def taken(session: Session, answer: Answer, number: int) -> Turn:
    """What a reply comes to: its statements run, or one line on what was wrong with it."""
    program = program_text(answer.text)
    if not program.strip():
        return Turn(CUT_SHORT if answer.finish == "length" else NOTHING, "", 1)
    turn = session.submit(program, name=f"turn {number}")
    if answer.finish == "length":
        turn = replace(turn, observation=f"{turn.observation}\n\n{CUT_SHORT}")
    bare = turn.answered is not None and not rests_on_data(turn.answered.node)
    if bare and turn.accepted not in session.doubted:
        session.doubted.add(turn.accepted)
        return Turn(f"{turn.observation}\n\n{NO_DATA}", turn.accepted, turn.errors)
    return turn


def sliced(session: Session, turn: Turn) -> t.Tree:
    assert turn.answered is not None
    answer = next(s for s in reversed(turn.statements) if isinstance(s, t.Answer))
    return session.sliced(turn.answered, answer, session.environment.contexts)


class NoAnswer(UserError):
    """The exploration ended without an answer; what it found is in its trace."""

    def __init__(self, turns: int) -> None:
        super().__init__(
            f"no answer within {turns} turns",
            "give it more with --turns, or look at the trace for what it tried",
            exit_code=3,
            code="turns",
        )
