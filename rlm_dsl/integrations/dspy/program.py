"""`Program`: one of our programs as a dspy.Module, for people who want dspy's own tools.

In: a program, its data; params and other data at each call. Out: a prediction with the answer and the program that ran.
Law: the program runs as `rlm_dsl.run` runs it, budgeted and recorded; dspy's cache and rollouts have no part in it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dspy

from rlm_dsl.common.atomic_write import write_named
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.source import Source
from rlm_dsl.engine.execution import checked_program, declared_types
from rlm_dsl.engine.progress import NoProgress
from rlm_dsl.engine.run import run_program
from rlm_dsl.engine.run_trace import recorded_calls
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.integrations.dspy.models import note_usage, settings_of
from rlm_dsl.integrations.python_data import given_contexts
from rlm_dsl.integrations.rlms import free_trace
from rlm_dsl.models.request import ModelSettings
from rlm_dsl.models.settings import Limits, Settings
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.prompt_search.predictors import Predictors
from rlm_dsl.optimize.steps import Tunable, tunable_steps
from rlm_dsl.optimize.tuned import Tuned, merge_calls, program_digest
from rlm_dsl.trace.reader import Trace


class Program(Predictors):
    """A program whose steps are predictors, which any of dspy's optimizers may tune; `save` and `load` keep what they
    found. `contexts` are the data, by the names that the program knows (a Path, a text, rows, a table); a call may
    hand in other data, and params. `more` are fields of Settings (store, concurrency, ...)."""

    def __init__(
        self,
        program: str | Path,
        contexts: Mapping[str, Any],
        params: Mapping[str, Any] | None = None,
        *,
        limits: Limits | None = None,
        traces: str | Path | None = None,
        **more: Any,
    ) -> None:
        text = program.read_text(encoding="utf-8") if isinstance(program, Path) else program
        name = program.name if isinstance(program, Path) else "program"
        Settings(**more)  # a field that it has not is a TypeError now, not at the first call
        loaded = given_contexts(known_names(Source(name, text), contexts))
        super().__init__(
            Candidate(text),
            steps_of(Source(name, text), loaded, params or {}),
            contexts=loaded,
            params=dict(params or {}),
            name=name,
            limits=limits or Limits(),
            traces=None if traces is None else Path(traces),
            more=more,
        )

    def forward(self, **inputs: Any) -> Any:
        """Run it; inputs are params, or data by the name of a context. Raises ProgramError, UserError."""
        held = self.held
        models = [each.lm for each in self.steps.values() if each.lm is not None]
        lm = models[0] if models else dspy.settings.lm
        if lm is None:
            raise UserError("no language model is configured", "dspy.configure(lm=dspy.LM('openai/NAME'))")
        data = {name: value for name, value in inputs.items() if name in held["contexts"]}
        params = {**held["params"], **{name: value for name, value in inputs.items() if name not in data}}
        settings, keys = settings_of(lm, None, held["limits"], Settings().turns, held["more"])
        source = Source(held["name"], self.candidate().program_text())
        with tempfile.TemporaryDirectory() as spare:
            trace = Path(spare) / "run.trace" if held["traces"] is None else free_trace(held["traces"])
            contexts = {**held["contexts"], **given_contexts(data)}
            result = run_program(source, contexts, params, settings, keys=keys, progress=NoProgress(), trace=trace)
            self.note_calls(recorded_calls(Trace.open(trace)).values())
        note_usage(result.usage)
        return dspy.Prediction(answer=result.value, program=source.text)

    async def aforward(self, **inputs: Any) -> Any:
        """The same without holding up the event loop."""
        return await asyncio.to_thread(self.forward, **inputs)

    def write_tuned(self, path: str | Path) -> None:
        """What an optimizer found, as `PROGRAM.tuned.yaml`: `rlm-dsl run` takes it from there. It has no scores."""
        found = self.candidate()
        made = {"optimizer": "dspy", "dspy": dspy.__version__}
        tuned = Tuned(program_digest(found.text), merge_calls(found.calls), made=made)
        write_named(Path(path), tuned.yaml())


def known_names(source: Source, contexts: Mapping[str, Any]) -> dict[str, Any]:
    """The data by the names that the program knows; an older one may know `context` as `context_rows`."""
    declared = declared_types(source)
    older = {name: f"{name}_rows" for name in contexts if name not in declared and f"{name}_rows" in declared}
    return {older.get(name, name): given for name, given in contexts.items()}


def steps_of(source: Source, contexts: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Tunable]:
    """The steps of a program that can be tuned. Raises ProgramError."""
    unnamed: dict[str, ModelSettings] = defaultdict(lambda: ModelSettings("", ""))
    with Warehouse(contexts=contexts.values()) as warehouse:
        program = checked_program(source, contexts, params)
        found = tunable_steps(program, source.text, warehouse.contexts, unnamed, Settings().window)
    return {name: step for name, (step, _) in found.items()}
