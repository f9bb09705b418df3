"""The loop: question, turns, answer.

In: a question, a session, a root model. Out: an exploration with its turns and, if it came to one, its answer.
Law: every reply gets an observation; the loop ends by an answer, by its turns or by the budget, and says which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.explore.constrained.constraint import Constraint
from rlm_dsl.explore.doubts.asked import Asked, holds
from rlm_dsl.explore.doubts.doubts import doubts
from rlm_dsl.explore.doubts.values import LONGEST, instead, values_in_question
from rlm_dsl.explore.doubts.words import MONTH
from rlm_dsl.explore.prompt import LIMIT, Exchange, Situation, brief_closing, closing, messages
from rlm_dsl.explore.reply import program_text
from rlm_dsl.explore.session import SEND, Session, Turn, names_below, rests_on_data
from rlm_dsl.explore.typed_answers import WrongType
from rlm_dsl.explore.view import cell
from rlm_dsl.explore.worked import nearest_last
from rlm_dsl.language.program import Bound, ContextRows
from rlm_dsl.language.reference.card import Size
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import DATE, TIMESTAMP, Table, bare, quoted_name
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request
from rlm_dsl.models.server.reply_forms import is_kept
from rlm_dsl.models.typed_retry import TELL_APART, THINK_LESS

NOTHING = (
    "There was no statement in that reply, so nothing was run. Reply with statements alone, such as\n"
    "show {table} | take(3)"
)
ALL_THOUGHT = (
    "All of that reply went to reasoning, and nothing was said. Think briefly, and reply with one short statement."
)
CUT_SHORT = "That reply was cut off before it was finished. Reply with one or two short statements alone."
LAST_TURN = "This is the last turn: give `answer expression` now, from what is bound."
NO_DATA = "That answer rests on no row of any context. Compute it from the tables."
UNSEEN = "What is shown beside that answer was not seen before it was given: look at it first."
AGAIN = "If it is meant so, send the same `answer` again."
AGAIN_OR = f"{AGAIN} Or {SEND[0].lower()}{SEND[1:]}"
JUDGED = "A second look at what the answer rests on says: {said}"
REFUSED = (
    "That reply was a refusal. The rows are data to be counted and compared. Reply with statements, such as\n"
    "show {table} | take(3)"
)
NO_TOOLS = (
    "That reply calls a tool, and there are none here. Reply with statements as plain text, such as\n"
    "show {table} | take(3)"
)
TOOL_CALL = re.compile(
    r"<tool_call>|<function|\"(?:tool_calls|function_call|tool_name)\"\s*:|\"name\"\s*:.*\"arguments\"\s*:", re.S
)
OTHER_END = re.compile(
    r"\b(?:FINAL|FINAL_VAR|SUBMIT|final_answer)\s*\(|^\s*(?:FINAL|Final) ?(?:ANSWER|Answer)\b", re.MULTILINE
)
END = "The end is `answer expression`: what stands there is computed, such as\nanswer {table} | count()"
ANSWERS = re.compile(r"^\s*answer\b", re.MULTILINE)


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
    note: str = ""
    """What is to be said beside, once."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """How an exploration ended: `outcome` is answered, bound where none was given and what was bound last stands for
    an answer, or turns; `tree` is the program of the answer."""

    outcome: str
    turns: tuple[Told, ...]
    answer: Bound | None = None
    tree: t.Tree | None = None
    value: Any = None
    asked: int = 0
    """Requests to models that the answer's program makes."""
    doubts: tuple[str, ...] = ()
    """What speaks against the answer, which was given all the same."""
    failure: UserError | None = None
    """Why the last turns came to nothing, where that is known: an answer of another type, a step too dear."""


Tell = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Checks:
    """What an answer must pass before it is one. `fits` says what is wrong with its type, "" if nothing; `judged` what
    a second look at it says against it: that is told once, and the same answer again is taken."""

    fits: Callable[[Any], str] = lambda value: ""
    judged: Callable[[Turn, t.Tree, Any], str] = lambda turn, tree, value: ""


NO_CHECKS = Checks()


class OnlyThought(UserError):
    """The turns are used up, and the last reply has reasoning and no text, `cut` by its limit or not."""

    def __init__(self, turns: int, cut: bool) -> None:
        seen = "all of the last reply's limit went to reasoning" if cut else "the last reply has reasoning and no text"
        super().__init__(
            f"no answer within {turns} turns: {seen}",
            THINK_LESS if cut else TELL_APART,
            exit_code=3,
            code="turns",
        )


def explore(
    question: str,
    session: Session,
    root: Root,
    *,
    turns: int,
    more_turns: Sequence[int] = (),
    tell: Tell,
    shown: Callable[[Told], None],
    limit: int = LIMIT,
    redact: Callable[[str], str] = str,
    checks: Checks = NO_CHECKS,
    before: str = "",
    about: str = "",
    size: Size = "medium",
    constraint: Constraint | None = None,
) -> Exploration:
    """Ask the root model turn by turn, so many times at most. `more_turns` says how many it was allowed since: each
    turn is told of as many as it was one of then, so that it is found again; `shown` is told of each turn as it ends;
    `before` is what is said of a question that this one goes on from; `about` is the question itself, where `question`
    says more; `size` is how much of the language is told: a small root is shown worked exchanges, and how to mend a
    problem at once; with a `constraint`, replies are kept to a grammar."""
    about = about or question
    told: list[Told] = []
    exchanges: list[Exchange] = []
    main_text, session.by_hand = session.main_text(), False
    worked, look = session.worked(about) if size == "small" else (), session.look(brief=size == "small")
    session.at_once = bool(worked)
    named = named_in(about, session) if worked else ""
    worked = nearest_last(worked, f"{about} {QUOTED.sub(' ', named)}")
    allowed = (turns, *more_turns)
    for number in range(1, allowed[-1] + 1):
        most = next(each for each in allowed if number <= each)
        notice = LAST_TURN if number == most else ""
        last = closing(number, most, root.left(), notice)
        last = brief_closing(number, most, question, named, notice) if worked else last
        situation = Situation(
            question, look, session.environment.contexts, exchanges, last, before, main_text, size, worked
        )
        prompt = tuple(Message(m.role, redact(m.content)) for m in messages(situation, limit))
        grammar = "" if constraint is None else constraint.grammar(session)
        request = Request(root.settings, prompt, purpose="root", grammar=grammar)
        tell("turn.start", {"turn": number, "prompt_tokens_estimate": request.prompt_tokens})
        answer = root.ask(request)
        reply = answer.text or (answer.refusal or "")
        program = program_in(reply, constraint)
        turn = check_answer(session, about, taken(session, answer, number, program), checks, last=number == most)
        note = "" if constraint is None else constraint.note(request)
        told.append(Told(number, reply, program, turn.observation, turn.errors, request.prompt_tokens, note))
        tell(
            "turn.end",
            {
                "turn": number,
                "reply": reply,
                "program": told[-1].program,
                "observation": turn.observation,
                "errors": turn.errors,
                **({"accepted": turn.accepted} if turn.errors and turn.accepted else {}),
                **({"doubts": list(turn.doubts)} if turn.doubts else {}),
                **({"note": note} if note else {}),
            },
        )
        shown(told[-1])
        if turn.answered is not None:
            tree, asked = backward_slice(session, turn), session.asked_below(turn.answered)
            return Exploration("answered", tuple(told), turn.answered, tree, session.answer, asked, turn.doubts)
        line, bound = in_a_line(turn, told[-1].program), session.bound
        exchanges.append(Exchange(last, reply or "(nothing)", turn.observation, line, session.program, bound))
    stands = answer_from_bound(session, about, checks)
    if stands is not None and stands.answered is not None:
        tree, asked = backward_slice(session, stands), session.asked_below(stands.answered)
        return Exploration("bound", tuple(told), stands.answered, tree, session.answer, asked, stands.doubts)
    failure = session.failure or (OnlyThought(allowed[-1], answer.finish == "length") if answer.thought else None)
    return Exploration("turns", tuple(told), failure=failure)


def named_in(question: str, session: Session) -> str:
    """What a question names of the tables: its columns, and values of them; for models that would miss it."""
    contexts = session.runner.warehouse.contexts
    asked = Asked(question, session, ContextRows("", Table(())), t.Tree(()), None)
    told = [
        f'"{cell(value, LONGEST)}" is a value of {quoted_name(column)}'
        for relation in contexts.values()
        for column, values in values_in_question(asked, relation)
        for value in values[:2]
    ]
    columns = [
        f"{quoted_name(column.name)} is a column"
        for relation in contexts.values()
        for column in relation.type.columns
        if len(column.name) > 2 and holds(question, column.name.replace("_", " "))
    ]
    dates = [
        f"{quoted_name(column.name)} holds the dates"
        for relation in contexts.values()
        for column in relation.type.columns
        if bare(column.type) in (DATE, TIMESTAMP) and (MONTH.search(question) or IN_TIME.search(question))
    ]
    found = list(dict.fromkeys([*told, *columns, *dates]))[:MOST_NAMED]
    return f"In the question: {'; '.join(found)}." if found else ""


MOST_NAMED = 6
QUOTED = re.compile(r'"[^"]*"')
IN_TIME = re.compile(r"\b(?:19|20)\d\d(?:-\d\d)?\b")
"""A year, or a day as it is written in full."""
MOST_BOUND = 20
"""Rows of a table that may stand for an answer that was not given."""


def answer_from_bound(session: Session, question: str, checks: Checks) -> Turn | None:
    """Where the turns are used up: what was bound last, as the answer that was not given. None where nothing that rests
    on data was bound, where it is a table of many rows, or where it does not have the type asked for."""
    name = next(reversed(session.own), "")
    node = session.environment.bindings.get(name)
    if node is None or session.failure is not None or not rests_on_data(node) or session.rows_of(name) > MOST_BOUND:
        return None
    turn = session.submit(f"answer {quoted_name(name)}", name="what was bound last")
    if turn.answered is None or checks.fits(session.answer):
        return None
    return replace(
        turn, doubts=doubts(Asked(question, session, turn.answered.node, backward_slice(session, turn), session.answer))
    )


def in_a_line(turn: Turn, program: str) -> str:
    """What an earlier turn was: its first statement and the first line of what came of it."""
    wrote = " ".join(program.split())[:80] or "no statement"
    problem = f", {turn.errors} {'problem' if turn.errors == 1 else 'problems'}" if turn.errors else ""
    first = next((line for line in turn.observation.splitlines() if line.strip()), "")
    return f"{wrote} -> {' '.join(first.split())[:120]}{problem}"


def program_in(reply: str, constraint: Constraint | None) -> str:
    """The program text of a reply: all of it, where it was kept to a grammar."""
    return reply.strip("\n") if constraint is not None and is_kept(reply) else program_text(reply)


def taken(session: Session, answer: Answer, number: int, program: str) -> Turn:
    """What a reply comes to: its statements run, or one line on what was wrong with it."""
    if not program.strip():
        return Turn(nothing_in(answer).format(table=an_own_name(session)), "", 1)
    key = program.strip()
    if key in session.sent and not ANSWERS.search(program):
        before, observation, errors = session.sent[key]
        again = f"You sent this in turn {before} already; nothing was run again. It gave:\n\n{observation}"
        instead = session.instead_of(program) if errors and SEND not in observation else ""
        return Turn(f"{again}\n\n{instead}" if instead else again, "", errors)
    turn = session.submit(program, name=f"turn {number}")
    session.sent[key] = number, turn.observation, turn.errors
    if answer.finish == "length":
        turn = replace(turn, observation=f"{turn.observation}\n\n{CUT_SHORT}")
    return turn


def an_own_name(session: Session) -> str:
    """A table of this run, for an example: models copy what they are shown."""
    return quoted_name(next(iter(session.environment.contexts), "rows"))


def nothing_in(answer: Answer) -> str:
    """What is said to a reply without a statement: cut short, a tool's call, a refusal, prose or nothing at all."""
    if answer.thought:
        return ALL_THOUGHT
    if answer.finish == "length":
        return CUT_SHORT
    if answer.refusal is not None or answer.finish == "content_filter":
        return REFUSED
    if OTHER_END.search(answer.text):
        return END
    return NO_TOOLS if TOOL_CALL.search(answer.text) else NOTHING


def check_answer(session: Session, question: str, turn: Turn, checks: Checks, *, last: bool = False) -> Turn:
    """An answer that passes, or one that is held back with what is wrong. What may be meant so is told once; in the
    `last` turn it is taken with its doubts, but for one that rests on nothing."""
    if turn.answered is None:
        return turn
    if problem := checks.fits(session.answer):
        session.failure = WrongType(problem, session.answer)
        return held_back(turn, f"The answer does not have the type asked for: {problem}. Answer again in that type.")
    statement = show(t.Tree(turn.statements[-1:]))
    if statement in session.doubted:
        return replace(turn, doubts=session.doubted[statement])
    tree, meant = backward_slice(session, turn), [*doubts_of(session, turn)]
    asked = Asked(question, session, turn.answered.node, tree, session.answer)
    found = doubts(asked)
    told_before = {doubt for held in session.doubted.values() for doubt in held}
    fresh = [*meant, *(doubt for doubt in found if doubt not in told_before)]
    if not meant and not turn.unseen and (said := checks.judged(turn, tree, session.answer)):
        fresh.append(JUDGED.format(said=said))
    turn = replace(turn, doubts=tuple(dict.fromkeys([*found, *fresh])))
    if (not fresh and not turn.unseen) or (last and not meant):
        return turn
    session.doubted[statement] = turn.doubts
    sendable = instead(asked) if session.at_once else ""
    send = [f"{AGAIN_OR}\n{sendable}"] if sendable else [AGAIN]
    return held_back(turn, "\n".join([*fresh, *([UNSEEN] if turn.unseen else []), *send]))


def doubts_of(session: Session, turn: Turn) -> Iterator[str]:
    """What speaks against an answer that may yet be meant so."""
    assert turn.answered is not None
    if not rests_on_data(turn.answered.node):
        yield NO_DATA
    for name in sorted(names_below(turn.answered.node) & session.idle):
        shown = f"show {quoted_name(name)} | take(3)"
        yield f"`{name}` asked a model about no rows: what it reads is empty. Look at it first: {shown}"


def held_back(turn: Turn, why: str) -> Turn:
    return Turn(f"{turn.observation}\n\n{why}", turn.accepted, turn.errors, doubts=turn.doubts)


def backward_slice(session: Session, turn: Turn) -> t.Tree:
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
