"""Answering a question for a user: exploring live, then running the program that came of it, all recorded.

In: a question, contexts, settings. Out: a result and a sealed trace. Law: the result is that of the sliced program, run
on the exploration's own answers without a further call; a program that gives another answer than the exploration did
is an error, not a result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.json_ready import json_ready
from rlm_dsl.common.source import Source
from rlm_dsl.common.well_formed import well_formed
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.options import CallOptions, Calls
from rlm_dsl.engine.calls.sub_runs import replayed_calls
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.progress import NoProgress, Progress
from rlm_dsl.engine.result import Result
from rlm_dsl.engine.run import RunLog, header_of, pace_of, record_run, redaction_of, run_log, spent_of
from rlm_dsl.engine.runner import Runner
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.card_choice import MEDIUM, card_of, chosen_card, prompt_limit
from rlm_dsl.explore.constrained.constraint import Constraint
from rlm_dsl.explore.earlier import Earlier, begin
from rlm_dsl.explore.judge import Judge
from rlm_dsl.explore.loop import NO_CHECKS, Checks, Exploration, NoAnswer, Told, explore
from rlm_dsl.explore.params import with_params
from rlm_dsl.explore.prompt import LIMIT
from rlm_dsl.explore.session import Session
from rlm_dsl.explore.sub_run import explorer_of
from rlm_dsl.explore.typed_answers import asked_for, misfit, read_type
from rlm_dsl.language.check import Environment
from rlm_dsl.language.operators.core.registry import operator_versions, recorded_versions
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.syntax.tree import ContextStatement
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.recorded import Recorded
from rlm_dsl.models.request import Answer, ModelSettings, Request
from rlm_dsl.models.server.limits import within_limits
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import Approve, LiveStack, approve_all
from rlm_dsl.trace.going_on import AT_AN_END, more_turns


def needed_contexts(given: Sequence[Mapping[str, Any]], named: Set[str]) -> dict[str, Any]:
    """The header's contexts: those that the program reads, and beside them those that were only looked at."""
    unused = [dict(context, place=place) for place, context in enumerate(given) if context["name"] not in named]
    needed = [context for context in given if context["name"] in named]
    return {"contexts": needed, **({"contexts_unused": unused} if unused else {})}


@dataclass(frozen=True, slots=True)
class ExploreOptions:
    """How a question is to be explored. `returns` spells the type that the answer must have; `depth` is 0 for no model
    steps, 1 for model steps, and with each more sub-runs may go one deeper; with `judged` a model looks at the evidence
    before an answer is taken; `times` is how often it is explored; `limit` bounds the estimated tokens of a prompt;
    with `constrain` replies are kept to a grammar where the server can."""

    returns: str = ""
    depth: int | None = None
    judged: bool = False
    times: int = 1
    limit: int = LIMIT
    constrain: bool = False

    def as_json(self) -> dict[str, Any]:
        """What is not as it usually is, for a trace's header."""
        return {name: value for name, value in asdict(self).items() if value != getattr(DEFAULT_OPTIONS, name)}


DEFAULT_OPTIONS = ExploreOptions()


def for_the_root(settings: Settings, options: ExploreOptions, *, told: bool) -> tuple[Settings, ExploreOptions]:
    """How much of the language its root is told, and how long its prompts may be; with `told` the window is what its
    server tells."""
    window = settings.window if told else None
    card = chosen_card(settings, window)
    return replace(settings, card=card), replace(options, limit=prompt_limit(options.limit, card, window))


class RootModel:
    """The root model as the loop knows it. Another `sample` is another exploration of the same question."""

    def __init__(self, models: LiveStack, sample: int = 0) -> None:
        self.models, self.sample = models, sample
        self.settings: ModelSettings = models.settings["root"]

    def ask(self, request: Request) -> Answer:
        return self.models.ask(replace(request, sample=self.sample))

    def left(self) -> str:
        return self.models.left()


def answer_question(
    question: str,
    contexts: Mapping[str, Context],
    settings: Settings,
    options: ExploreOptions = DEFAULT_OPTIONS,
    *,
    keys: Keys,
    progress: Progress,
    shown: Callable[[Told], None],
    trace: Path | None,
    approve: Approve = approve_all,
    known: KnownAnswers = NONE_KNOWN,
    earlier: Earlier | None = None,
) -> Result:
    """Explore until there is an answer. `earlier` is the exploration that this one goes on from, and `known` then holds
    its answers. Raises NoAnswer when the turns are used up."""
    if "root" not in settings.models:
        raise UserError("no model is named", "name one: --model gpt-5-mini")
    question = well_formed(question)
    if not question.strip():
        raise UserError("the question is empty", 'ask something: rlm-dsl ask "How many ...?" --context NAME=PATH')
    returns = read_type(options.returns) if options.returns else None
    said = settings
    settings = within_limits(settings, keys)
    if not known.resumed:
        settings, options = for_the_root(settings, options, told=settings.window < said.window)
    redaction = redaction_of(keys, settings).also(() if earlier is None else earlier.secrets)
    settings = replace(settings, rows_per_call={}, proxies={})  # which name steps of a program that is not there yet
    asked = {"question": question, "turns_allowed": settings.turns, "wishes": options.as_json()}
    asked |= {} if settings.card in ("", MEDIUM) else {"card": settings.card}
    asked |= {} if earlier is None else {"parent": earlier.parent}
    operators = operator_versions() if known.versions is None else dict(known.versions)
    header = known.header or header_of(contexts, {}, settings.by_alias(), settings, asked, operators)
    depth = None if options.depth is None else max(0, options.depth - 1)
    with run_log(trace, redaction, known) as log:
        before = {} if earlier is None else {"earlier": earlier.as_event()}
        log.begin({"question": question, **before, **pace_of(settings)}, header, known)
        explorer = explorer_of(options.as_json())
        opened = live_calls(settings, keys, log.tell, redaction.redact, explorer, depth, approve, known, log.note)
        with opened as calls:
            progress.watch(calls.models.spent)
            wanted = asked_for(question, returns)
            explorations = [
                explore_once(
                    wanted,
                    contexts,
                    settings,
                    options,
                    calls,
                    progress,
                    log,
                    shown,
                    sample,
                    earlier,
                    question,
                    known.turns,
                )
                for sample in range(options.times)
            ]
            found, agree = most_agreed(explorations)
            if found.tree is None:
                raise ended(found, trace, (settings.turns, *known.turns)[-1])
            agreement = (agree, len(explorations))
            return run_found_program(question, found, contexts, settings, calls.models, log, header, agreement)


def ended(found: Exploration, trace: Path | None, turns: int) -> UserError:
    """How an exploration ended that came to no answer, and how it is given more turns."""
    failure = found.failure or NoAnswer(turns)
    if trace is not None and failure.code in AT_AN_END:
        failure.add_note(f"to go on: {more_turns(trace, turns)}")
    return failure


def explore_once(
    question: str,
    contexts: Mapping[str, Context],
    settings: Settings,
    options: ExploreOptions,
    calls: Calls[LiveStack],
    progress: Progress,
    log: RunLog,
    shown: Callable[[Told], None],
    sample: int,
    earlier: Earlier | None = None,
    about: str = "",
    allowed_since: Sequence[int] = (),
) -> Exploration:
    """The turns of one exploration, in a warehouse of their own."""
    more = {"exploration": sample + 1} if options.times > 1 else {}

    def tell(kind: str, fields: Mapping[str, Any]) -> None:
        log.tell(kind, {**fields, **more})

    with Warehouse(settings.threads, settings.memory, contexts.values()) as warehouse:
        runner = Runner(warehouse, calls, progress, tell, digests=False)
        types = {name: context.schema for name, context in contexts.items()}
        session = Session(runner, Environment(types, versions=calls.options.versions), models=options.depth != 0)
        returns = read_type(options.returns) if options.returns else None
        judge = Judge(question, session, calls.models, log.redaction.redact) if options.judged else None
        checks = Checks(
            lambda value: "" if returns is None else misfit(value, returns),
            NO_CHECKS.judged if judge is None else judge,
        )
        redact = log.redaction.redact
        constraint = Constraint(question, redact, calls.models.takes_grammars) if options.constrain else None
        return explore(
            question,
            session,
            RootModel(calls.models, sample),
            turns=settings.turns,
            more_turns=allowed_since,
            tell=tell,
            shown=shown,
            limit=options.limit,
            redact=redact,
            checks=checks,
            constraint=constraint,
            before="" if earlier is None else begin(session, earlier),
            about=about,
            size=card_of(settings),
        )


def most_agreed(tried: Sequence[Exploration]) -> tuple[Exploration, int]:
    """The exploration whose answer most came to, the one that asks least among them and then the shortest; and how many
    came to it. Where none has an answer, the first."""
    by_answer: dict[str, list[Exploration]] = {}
    for found in tried:
        if found.tree is not None:
            key = json.dumps(json_ready(found.value), sort_keys=True, ensure_ascii=False)
            by_answer.setdefault(key, []).append(found)
    if not by_answer:
        return tried[0], 0
    most = max(by_answer.values(), key=lambda same: (len(same), -min(map(price, same))[0]))
    return min(most, key=price), len(most)


def price(found: Exploration) -> tuple[int, int]:
    """What an exploration's program asks of models, and its length."""
    assert found.tree is not None
    return found.asked, len(show(found.tree))


def run_found_program(
    question: str,
    found: Exploration,
    contexts: Mapping[str, Context],
    settings: Settings,
    models: LiveStack,
    log: RunLog,
    header: Mapping[str, Any],
    agreement: tuple[int, int],
) -> Result:
    """The program of the answer, run once more on the answers that are there, recorded and sealed."""
    assert found.tree is not None
    types = {name: context.schema for name, context in contexts.items()}
    tree = with_params(found.tree, question, types)
    source = Source("program.rlm", show(tree))
    recorded = models.recording
    known = Recorded(recorded.answers.get, lambda: [c for c in recorded.calls.values() if c.request.rows])
    options = CallOptions(settings.window, log.redaction.redact, versions=recorded_versions(header))
    calls = replayed_calls(models.settings, known, options)
    named = {s.name for s in tree.statements if isinstance(s, ContextStatement)}
    needed = {name: context for name, context in contexts.items() if name in named}
    with Warehouse(settings.threads, settings.memory, needed.values()) as warehouse:
        last: dict[str, Any] = {"turns": len(found.turns), "spent": spent_of(models.recording, settings).told()}
        if found.outcome == "bound":
            last["not_answered"] = len(found.turns)
        if found.doubts:
            last["doubts"] = list(map(log.redaction.redact, found.doubts))
        if agreement[1] > 1:
            last["agreement"] = {"explored": agreement[1], "agree": agreement[0]}
        last |= needed_contexts(header["contexts"], named)
        asked = (calls, models.recording)
        result = record_run(source, needed, {}, settings, *asked, NoProgress(), log, warehouse, {**header, **last})
    if found.value is not None and result.value != found.value:
        raise UserError(
            "the program gives another answer than the exploration did",
            "this is a fault of rlm-dsl; please report it with the trace",
            code="slice",
        )
    not_answered = len(found.turns) if found.outcome == "bound" else 0
    return replace(
        result,
        agreement=agreement if agreement[1] > 1 else None,
        not_answered=not_answered,
        doubts=found.doubts,
    )
