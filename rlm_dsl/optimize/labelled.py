"""What there is to learn from and to test on: a file of examples, what people said in reviews, or both.

In: the files, a program's steps. Out: examples, each text once, and what was left out. Law: labels taken back and rows
that cannot be told are no examples; where two say different things of a text neither is one, and it is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError, printable
from rlm_dsl.common.source import Source
from rlm_dsl.context.context import Context
from rlm_dsl.engine.calls.round import Round
from rlm_dsl.engine.execution import checked_program
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.models.settings import Settings
from rlm_dsl.optimize.examples import Labelled, read_examples, split
from rlm_dsl.optimize.steps import Tunable, tunable_steps
from rlm_dsl.review.labels.file import read_labels
from rlm_dsl.review.labels.label import Label
from rlm_dsl.review.opened import question_digest
from rlm_dsl.review.sampled import agreed

SHOWN = 60
"""Characters of a text that is told of."""


@dataclass(frozen=True, slots=True)
class LabelledRows:
    examples: tuple[Labelled, ...]
    notes: tuple[str, ...] = ()


def require_learnable(
    source: Source,
    contexts: Mapping[str, Context],
    params: Mapping[str, Any],
    settings: Settings,
    examples: Path | None,
    labels: Path | None,
) -> None:
    """Raises UserError for examples that a search would refuse, and ProgramError for such a program: before it begins,
    and before what it computes with is loaded."""
    program = checked_program(source, contexts, params)
    with Warehouse(1, settings.memory, contexts.values()) as warehouse:
        rounds = tunable_steps(program, source.text, warehouse.contexts, settings.by_alias(), settings.window)
    split(labelled_examples(examples, labels, rounds).examples)


def labelled_examples(
    examples: Path | None, labels: Path | None, rounds: Mapping[str, tuple[Tunable, Round]]
) -> LabelledRows:
    """Every example of both files. Raises UserError where there is none."""
    steps = {name: step for name, (step, _) in rounds.items()}
    given = read_examples(examples, steps) if examples is not None else ()
    if labels is None:
        return LabelledRows(given)
    reviewed = reviewed_examples(labels, rounds)
    merged = {example.identity: example for example in given}
    notes, contradicted = list(reviewed.notes), []
    for example in reviewed.examples:
        before = merged.get(example.identity)
        if before is None:
            merged[example.identity] = example
        elif before.answer != example.answer:
            contradicted.append(example)
        elif example.learning:
            merged[example.identity] = replace(before, learning=True)
    for example in contradicted:
        del merged[example.identity]
    if contradicted:
        texts = counted(len(contradicted), "text")
        notes.append(f"{examples} and {labels} differ on {texts}, left out: {shortly(contradicted[0].text)}")
    if not merged:
        raise UserError(
            f"{labels} holds no label to learn from" + "".join(f"; {note}" for note in notes),
            "review rows of a run of this program: rlm-dsl review TRACE --labels FILE",
        )
    return LabelledRows(tuple(merged.values()), tuple(notes))


def reviewed_examples(path: Path, rounds: Mapping[str, tuple[Tunable, Round]]) -> LabelledRows:
    """What people said of rows of these steps, by the question that each asks now."""
    if not path.exists():
        raise UserError(f"{path} is not there", "labels are kept by: rlm-dsl review TRACE")
    held = read_labels(path)
    questions = {asked_by(round_): name for name, (_, round_) in rounds.items()}
    found, left = [], Counter[str]()
    for (question, _), told in held.by_row.items():
        name = questions.get(question)
        if name is None:
            left["answer a question that the program does not ask"] += 1
            continue
        answer, differ = agreed(told)
        if answer is None:
            left["are told differently by reviewers" if differ else "cannot be told"] += 1
        elif rounds[name][0].misfit(answer):
            left[f"are no answer of `{name}`"] += 1
        else:
            found.append(Labelled(name, told[-1].text, dict(answer), learning=for_learning(told)))
    notes = [f"{counted(count, 'reviewed row')} left out: they {why}" for why, count in sorted(left.items())]
    return LabelledRows(tuple(found), (*filter(None, [held.note()]), *notes))


def asked_by(round_: Round) -> str:
    """The digest of a step's question, by which labels are kept."""
    return question_digest(round_.stage.step.operator, round_.values, round_.result)


def for_learning(told: Sequence[Label]) -> bool:
    """Whether a row was only ever chosen to be learned from."""
    return all(label.for_learning for label in told)


def shortly(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
