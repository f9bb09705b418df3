"""`check`: the problems of programs, told to people, programs and GitHub.

In: program texts and the data they are about. Out: problems in one of three forms. Law: all problems of all programs
are told, errors and warnings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.diagnostics import Diagnostic, ProgramError, github_annotation, render_all
from rlm_dsl.common.source import Source
from rlm_dsl.engine.execution import declared_types
from rlm_dsl.language.check import Environment, check_program
from rlm_dsl.language.syntax.parse import parse


@dataclass(frozen=True, slots=True)
class CheckedSource:
    """A program's text with what is wrong with it."""

    source: Source
    problems: tuple[Diagnostic, ...]


def check_source(
    source: Source, contexts: tuple[str, ...], params: Mapping[str, Any], load: Callable[..., dict[str, Any]]
) -> CheckedSource:
    """What is wrong with one program; `load` loads contexts as a program declares them."""
    try:
        data = load(contexts, declared_types(source)) if contexts else {}
        types = {name: context.schema for name, context in data.items()}
        program = check_program(parse(source), source, Environment(types, {}, params))
        return CheckedSource(source, program.warnings)
    except ProgramError as failure:
        return CheckedSource(failure.source, failure.diagnostics)


def problems_text(found: Sequence[CheckedSource], form: str) -> str:
    if form == "json":
        problems = [problem.as_json(one.source) for one in found for problem in one.problems]
        return json.dumps(problems, ensure_ascii=False, indent=1)
    if form == "github":
        return "\n".join(github_annotation(problem, one.source) for one in found for problem in one.problems)
    return "\n\n".join(render_all(one.problems, one.source) for one in found if one.problems)
