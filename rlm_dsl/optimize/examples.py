"""Labelled examples: rows with the right answers of a step, and whole runs with their right answer.

In: JSON Lines. Out: examples, split into train, validation and test. Law: which part an example is in depends on what
it shows alone (`review/labels/parts.py`), and on whether it was drawn for learning: such a one is never for the score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.optimize.steps import Tunable
from rlm_dsl.review.labels.parts import PARTS, example_identity, part_of

TOO_FEW = "label 40 at least, 200 to see small gains"
LEAST = {"train": 5, "validation": 8, "test": 8}
FORMS = (
    'write {"text": ..., "label": ...}, {"row": {column: ...}, "label": ...} or '
    '{"context": PATH, "params": {...}, "answer": ...}'
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text that a step shows with the fields of its right answer; or, without a step, contexts (paths by name) and
    params of a whole run with its right answer."""

    step: str
    text: str
    answer: Any
    contexts: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    learning: bool = False
    """Whether it was chosen to be learned from, and so stands for no other row."""

    @property
    def identity(self) -> str:
        """Of what it shows: its answer is no part of it."""
        return example_identity(self.step, self.text, self.contexts, self.params)


def require_enough(path: Path) -> None:
    """Raises UserError for a file that cannot be read, and for one that has too few lines, whatever stands in them."""
    count = sum(1 for line in lines_of(path) if line.strip())
    if not count:
        raise UserError(f"{path} holds no examples", FORMS)
    if count < sum(LEAST.values()):
        raise UserError(f"{counted(count, 'example', 'are')} too few", TOO_FEW)


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text", "examples are UTF-8 JSON Lines") from None
    except OSError as failure:
        raise system_error(failure, path, "read") from None


def read_examples(path: Path, steps: Mapping[str, Tunable]) -> tuple[Labelled, ...]:
    """Raises UserError, naming the line."""
    found: dict[str, Labelled] = {}
    for number, line in enumerate(lines_of(path), 1):
        if not line.strip():
            continue
        example = read_example(line, f"{path}:{number}", steps, path.parent)
        before = found.setdefault(example.identity, example)
        if before.answer != example.answer:
            raise UserError(f"{path}:{number}: an earlier line gives this another right answer", "take one of them out")
    if not found:
        raise UserError(f"{path} holds no examples", FORMS)
    return tuple(found.values())


def read_example(line: str, at: str, steps: Mapping[str, Tunable], folder: Path) -> Labelled:
    try:
        value = json.loads(line)
    except ValueError as failure:
        raise UserError(f"{at}: this is no JSON: {failure}", FORMS) from None
    if not isinstance(value, dict):
        raise UserError(f"{at}: this is no object", FORMS)
    if "answer" in value and ("context" in value or "params" in value) and "text" not in value and "row" not in value:
        given = value.get("context", {})
        contexts = given if isinstance(given, dict) else {"": given}
        paths = {name: str(folder / each) for name, each in contexts.items()}
        return Labelled("", "", value["answer"], paths, value.get("params", {}))
    if not steps:
        raise UserError(f"{at}: the program has no step that asks about rows one by one", "label final answers")
    name = value.get("step", next(iter(steps)))
    if name not in steps or ("step" not in value and len(steps) > 1):
        problem = "which step is this a row of?" if name in steps else f"no step `{name}` can be tuned"
        raise UserError(f"{at}: {problem}", *did_you_mean(str(name), list(steps), what="steps")[:1])
    return Labelled(name, shown(value, steps[name], at), right_answer(value, steps[name], at))


def shown(value: Mapping[str, Any], step: Tunable, at: str) -> str:
    """The text that a step shows of a row: as it is, or made of its columns."""
    if isinstance(text := value.get("text"), str):
        return text
    row = value.get("row")
    if isinstance(row, str):
        return row
    if not isinstance(row, dict) or (missing := [name for name in step.shown if name not in row]):
        wanted = ", ".join(step.shown)
        raise UserError(f"{at}: a row of `{step.name}` has {wanted}" if row is None or missing else FORMS, FORMS)
    return step.text_of(row)


def right_answer(value: Mapping[str, Any], step: Tunable, at: str) -> dict[str, Any]:
    """The fields of a right answer, checked against the step's type."""
    names = [each.name for each in step.result.fields]
    given = value.get("answer")
    if isinstance(given, dict):
        answer = given
    elif len(names) == 1:
        key = next((key for key in (names[0], "label", "answer") if key in value), None)
        answer = {} if key is None else {names[0]: value[key]}
    else:
        answer = {name: value[name] for name in names if name in value}
    if problem := step.misfit(answer):
        raise UserError(f"{at}: this is no answer of `{step.name}`: {problem}", f"its fields: {', '.join(names)}")
    return dict(answer)


@dataclass(frozen=True, slots=True)
class Splits:
    train: tuple[Labelled, ...]
    validation: tuple[Labelled, ...]
    test: tuple[Labelled, ...]


def split(examples: Sequence[Labelled]) -> Splits:
    """Each example in its part. Raises UserError where a part has too few to tell anything."""
    found: dict[str, list[Labelled]] = {name: [] for name, _ in PARTS}
    for example in examples:
        found[part_of(example.identity, example.learning)].append(example)
    counts = ", ".join(f"{len(held)} for {name}" for name, held in found.items())
    if any(len(found[name]) < least for name, least in LEAST.items()):
        raise UserError(f"{counted(len(examples), 'example', 'are')} too few: {counts}", TOO_FEW)
    return Splits(**{name: tuple(held) for name, held in found.items()})
