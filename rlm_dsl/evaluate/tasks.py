"""Tasks: questions over data, with the answers that are right.

In: a file of JSON Lines, and what to take where a line leaves it out. Out: tasks with their identities.
Law: every line is a task or an error that names the line; a task's identity covers all that its score rests on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.hashing import identity, without_floats
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.context.files.find import said_in
from rlm_dsl.context.given import Given, given_of, is_given
from rlm_dsl.evaluate.scoring import METRICS, NO_ANSWER, usual_type
from rlm_dsl.explore.typed_answers import read_type
from rlm_dsl.language.names import check_name, is_usable
from rlm_dsl.language.types import Type

KNOWN = ("id", "question", "context", "text", "answer", "metric", "returns", "group", "answer_type")
EXAMPLE = '{"question": "How many ...?", "context": "tickets.csv", "answer": 7, "metric": "numeric"}'


@dataclass(frozen=True, slots=True)
class Data:
    """Where a context is: a path and how it is read, or a text that the task holds itself."""

    given: Given = field(default_factory=lambda: Given(""))
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One question. `answer` is the right one (for `oolong`, every accepted one); `answer_type` is OOLONG's own."""

    id: str
    question: str
    contexts: Mapping[str, Data]
    answer: Any
    metric: str
    returns: Type
    group: str = ""
    answer_type: str = ""

    def identity(self, digests: Mapping[str, str]) -> str:
        """Hex sha256 over the task and its data, which enters by the digests of its contexts."""
        parts = [self.id, self.question, dict(digests), self.answer, self.metric, str(self.returns), self.answer_type]
        return identity("task-v1", without_floats(parts))


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a task has that does not say it."""

    contexts: Mapping[str, Data] = field(default_factory=dict)
    metric: str | None = None
    returns: str | None = None


def read_tasks(path: Path, defaults: Defaults) -> tuple[Task, ...]:
    """The tasks of a file. Raises UserError, naming the line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text", "tasks are UTF-8 JSON Lines") from None
    except OSError as failure:
        raise system_error(failure, path, "read") from None
    tasks = tuple(task_of(line, number, path, defaults) for number, line in enumerate(lines, 1) if line.strip())
    if not tasks:
        raise UserError(f"{path} has no tasks", f"write one a line: {EXAMPLE}")
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            raise UserError(f"{path}: two tasks are called {task.id}", "give each an id of its own")
        seen.add(task.id)
    return tasks


def task_of(line: str, number: int, path: Path, defaults: Defaults) -> Task:
    at = f"{path}:{number}"
    try:
        given = json.loads(line)
    except ValueError as failure:
        raise UserError(f"{at}: no JSON: {failure}", f"write one task a line: {EXAMPLE}") from None
    problem = next(problems(given, defaults), None)
    if problem is not None:
        raise UserError(f"{at}: {problem[0]}", *problem[1])
    metric = given.get("metric") or defaults.metric or "exact"
    answer_type = str(given.get("answer_type", ""))
    returns = given.get("returns") or defaults.returns
    type_ = read_type(returns) if returns else usual_type(metric, given["answer"], answer_type)
    contexts = contexts_of(given, at, path.parent) or defaults.contexts
    if not contexts:
        raise UserError(f"{at}: the task has no data", 'name some: "context": "tickets.csv", or --context NAME=PATH')
    name = str(given.get("id", f"line-{number}"))
    group = str(given.get("group", ""))
    return Task(name, given["question"], contexts, given["answer"], metric, type_, group, answer_type)


def problems(given: Any, defaults: Defaults) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is wrong with a line's object, with hints."""
    if not isinstance(given, dict):
        yield "a task is an object", (f"such as {EXAMPLE}",)
        return
    if not isinstance(given.get("question"), str) or not given["question"].strip():
        near = did_you_mean("question", [name for name in given if name not in KNOWN], what="fields of this line")
        yield "the task has no question", near
    if given.get("answer") is None:
        yield "the task has no answer", ("an answer is what scores are made by; null is none",)
    metric = given.get("metric") or defaults.metric or "exact"
    if metric not in METRICS:
        yield f"no metric is called {metric!r}", did_you_mean(str(metric), list(METRICS), what="metrics")
    elif "answer" in given and (misfit := METRICS[metric].misfit(given["answer"], str(given.get("answer_type", "")))):
        yield misfit, (NO_ANSWER,)
    if not isinstance(given.get("text", ""), str):
        yield "`text` is data as one text", ('a file is named by "context"',)


def contexts_of(given: Mapping[str, Any], at: str, folder: Path) -> dict[str, Data]:
    """A task's own data by name; paths are relative to the folder of the tasks. Data is a path, or a mapping with a
    path and how it is read."""
    found = {"text": Data(text=given["text"])} if "text" in given else {}
    named = given.get("context", {})
    if isinstance(named, str):
        stem = Path(named.partition("::")[0]).stem
        named = {stem if is_usable(stem) else "data": named}
    if not isinstance(named, dict) or not all(
        (isinstance(each, str) and each) or is_given(each) for each in named.values()
    ):
        raise UserError(f"{at}: `context` is a path or paths by name", 'write {"tickets": "tickets.csv"}')
    for name, each in named.items():
        name, _, form = name.partition(":")
        check_name(name)
        said = given_of(each) if is_given(each) else Given(each, form or None)
        found[name] = Data(replace(said, path=said_in(folder, said.path)))
    return found
