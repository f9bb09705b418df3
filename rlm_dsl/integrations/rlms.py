"""`RLM`: a completion over a prompt of any length, in the way of the `rlms` package.

In: a model and its server; a prompt (text, texts, messages, tables by name) and a question. Out: a `Completion`.
Law: nothing that a model writes is executed but statements of the language; each completion is one bounded run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError, printable_lines
from rlm_dsl.context.context import Context
from rlm_dsl.explore.loop import Told
from rlm_dsl.explore.typed_answers import read_type
from rlm_dsl.explore.typed_question import Answered, answer_typed
from rlm_dsl.integrations.python_data import given_contexts, refuse_arguments
from rlm_dsl.language.types import Type
from rlm_dsl.models.recording import Usage
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Models, Settings, settings_of

TEXT_NAME = "prompt"
"""What a prompt without a name is called in programs."""
SEEN = 1_500
"""Characters of the beginning and of the end of a prompt that stand in the question, where no question is given."""
LANGUAGE_ALONE = "models write the language of rlm-dsl here, and nothing else of theirs is executed"
REFUSED = {
    "environment": LANGUAGE_ALONE,
    "environment_kwargs": LANGUAGE_ALONE,
    "custom_tools": LANGUAGE_ALONE,
    "custom_sub_tools": LANGUAGE_ALONE,
    "custom_system_prompt": "the prompt teaches the language; say what is special in root_prompt",
    "other_backends": 'name the model for rows: model={"root": NAME, "sub": NAME}',
    "other_backend_kwargs": 'name the model for rows: model={"root": NAME, "sub": NAME}',
    "persistent": "hand in several contexts by name instead: completion({'first': .., 'second': ..}, question)",
    "compaction": "prompts are bounded whatever the number of turns",
    "logger": "name a folder for traces: traces=FOLDER",
    "max_budget": "say it in dollars: budget={'usd': 2.5}",
    "max_timeout": "say it in seconds: budget={'seconds': 600}; timeout_seconds=60 is for one answer",
    "max_errors": "say how many turns there may be: max_iterations=20",
}


@dataclass(frozen=True, slots=True)
class ModelUsageSummary:
    """What one model was asked; `new_calls` of the calls were made, the rest were known before."""

    total_calls: int
    total_input_tokens: int
    total_output_tokens: int
    total_cost: float | None = None
    new_calls: int = 0


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """What a completion used, by model: calls of rows included."""

    model_usage_summaries: Mapping[str, ModelUsageSummary]

    @property
    def total_input_tokens(self) -> int:
        return sum(each.total_input_tokens for each in self.model_usage_summaries.values())

    @property
    def total_output_tokens(self) -> int:
        return sum(each.total_output_tokens for each in self.model_usage_summaries.values())

    @property
    def total_cost(self) -> float | None:
        costs = [each.total_cost for each in self.model_usage_summaries.values() if each.total_cost is not None]
        return sum(costs) if costs else None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer: `response` as text, `value` typed; `metadata` holds the turns and the program that gives it again."""

    root_model: str
    prompt: Any
    response: str
    value: Any
    usage_summary: UsageSummary
    execution_time: float
    metadata: Mapping[str, Any]
    trace: Path | None = None
    error: str | None = field(default=None)

    @property
    def program(self) -> str:
        return str(self.metadata["program"])

    def to_dict(self) -> dict[str, Any]:
        prompt = self.prompt if isinstance(self.prompt, str | list | dict) else str(self.prompt)
        return {
            "root_model": self.root_model,
            "prompt": prompt,
            "response": self.response,
            "usage_summary": self.usage_summary.to_dict(),
            "execution_time": self.execution_time,
            "metadata": dict(self.metadata),
        }


class RLM:
    """Holds the settings of completions. `more` are fields of Settings (concurrency, parameters, store, price, ...)."""

    def __init__(
        self,
        model: Models | None = None,
        *,
        backend: str = "openai",
        backend_kwargs: Mapping[str, Any] | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        max_iterations: int = 20,
        max_tokens: int | None = None,
        budget: Mapping[str, float] | None = None,
        traces: str | Path | None = None,
        verbose: bool = False,
        sampling_args: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        peers = {name: more.pop(name) for name in list(more) if name in REFUSED}
        refuse_arguments(peers, REFUSED, "RLM")
        server = server_of(backend, backend_kwargs or {}, model, base_url, api_key)
        limits = {**dict(budget or {}), **({} if max_tokens is None else {"tokens": max_tokens})}
        parameters = {**more.pop("parameters", {}), **server.parameters, **dict(sampling_args or {})}
        if "max_tokens" in parameters:
            parameters["max_completion_tokens"] = parameters.pop("max_tokens")
        try:
            self.settings = settings_of(
                server.model, server.base_url, limits, turns=max_iterations, parameters=parameters, **more
            )
        except TypeError as failure:
            raise TypeError(f"RLM: {failure}") from None
        self.keys = Keys(os.environ, server.api_key)
        self.traces, self.verbose = None if traces is None else Path(traces), verbose

    def __repr__(self) -> str:
        return f"RLM({dict(self.settings.models)!r}, base_url={self.settings.base_url!r})"

    def completion(
        self, prompt: Any, root_prompt: str | None = None, *, returns: str | Type | None = None
    ) -> Completion:
        """Answer `root_prompt` over the prompt; without it, the task that the prompt itself holds.

        Texts are data and never paths; a `Path` is a file. Raises UserError: budget, turns, server, type.
        """
        type_ = read_type(returns) if isinstance(returns, str) else returns
        contexts = contexts_of(prompt)
        question = root_prompt if root_prompt is not None else own_question(prompt)
        found = answer_typed(
            question,
            contexts,
            self.settings,
            returns=type_,
            keys=self.keys,
            trace=None if self.traces is None else free_trace(self.traces),
            shown=tell if self.verbose else lambda told: None,
        )
        return completion_of(found, prompt, self.settings)

    async def acompletion(
        self, prompt: Any, root_prompt: str | None = None, *, returns: str | Type | None = None
    ) -> Completion:
        """The same without holding up the event loop."""
        return await asyncio.to_thread(self.completion, prompt, root_prompt, returns=returns)


@dataclass(frozen=True, slots=True)
class Server:
    """Which model where, with which parameters."""

    model: Models
    base_url: str | None
    api_key: str | None = field(repr=False)
    parameters: Mapping[str, Any]


OPENAI_LIKE = ("openai", "vllm", "openrouter")
KNOWN_KWARGS = ("model_name", "base_url", "api_key", "sampling_args")


def server_of(
    backend: str,
    kwargs: Mapping[str, Any],
    model: Models | None,
    base_url: str | None,
    api_key: str | None,
) -> Server:
    """The server as our own arguments name it, or as `backend_kwargs` do. Raises UserError."""
    if backend not in OPENAI_LIKE:
        raise UserError(
            f"no backend: {backend!r}", "name an OpenAI-compatible server: RLM(model=NAME, base_url=URL, api_key=KEY)"
        )
    if unknown := [name for name in kwargs if name not in KNOWN_KWARGS]:
        raise UserError(f"backend_kwargs has no {', '.join(unknown)}", f"it has {', '.join(KNOWN_KWARGS)}")
    chosen = model or kwargs.get("model_name")
    if not chosen:
        raise UserError("no model is named", 'name one: RLM(model="gpt-5-mini")')
    return Server(
        chosen, base_url or kwargs.get("base_url"), api_key or kwargs.get("api_key"), kwargs.get("sampling_args") or {}
    )


def contexts_of(prompt: Any) -> dict[str, Context]:
    """A prompt's tables: those of a dict by name, anything else as one."""
    if isinstance(prompt, Mapping):
        if not prompt or not all(isinstance(name, str) for name in prompt):
            raise UserError("a prompt that is a dict holds data by name", "write {'tickets': [...], 'rules': '...'}")
        return given_contexts(prompt)
    return given_contexts({TEXT_NAME: prompt})


def own_question(prompt: Any) -> str:
    """The task that stands in a prompt: a text's beginning and end, or the last message of a user."""
    if isinstance(prompt, list) and all(isinstance(item, dict) for item in prompt):
        said = [item.get("content") for item in prompt if item.get("role") == "user"]
        if said and isinstance(said[-1], str):
            return said[-1]
    if not isinstance(prompt, str) or not prompt.strip():
        raise UserError("no question is asked", "completion(data, 'How many ...?')")
    if len(prompt) <= 2 * SEEN:
        return prompt
    return (
        f"Do what the user's own words below ask for. They are long: all of them stand in the table `{TEXT_NAME}`, and "
        f"this is their beginning and their end.\n\n{prompt[:SEEN]}\n[...]\n{prompt[-SEEN:]}"
    )


def completion_of(found: Answered, prompt: Any, settings: Settings) -> Completion:
    """The completion, its turns laid out as `rlms` logs them."""
    value = found.value
    return Completion(
        settings.chosen("root").model,
        prompt,
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
        value,
        summary_of(found.result.usage, settings),
        found.result.seconds,
        {
            "program": found.result.program,
            "iterations": iterations(found.turns, value),
            "evidence": [each.as_json() for each in found.result.evidence],
        },
        found.result.trace,
    )


def iterations(turns: Sequence[Told], value: Any) -> list[dict[str, Any]]:
    return [
        {
            "iteration": told.number,
            "response": told.reply,
            "code_blocks": [{"code": told.program, "result": {"stdout": told.observation}}] if told.program else [],
            "final_answer": value if told is turns[-1] else None,
        }
        for told in turns
    ]


def summary_of(usage: Iterable[Usage], settings: Settings) -> UsageSummary:
    """Usage by model, its roles together."""
    found: dict[str, ModelUsageSummary] = {}
    for each in usage:
        held = found.get(each.model, ModelUsageSummary(0, 0, 0))
        given, said = held.total_input_tokens + each.prompt_tokens, held.total_output_tokens + each.completion_tokens
        price = settings.price_of(each.model)
        cost = None if price is None else price.of(given, said)
        found[each.model] = ModelUsageSummary(
            held.total_calls + each.calls, given, said, cost, held.new_calls + each.new
        )
    return UsageSummary(found)


def tell(told: Told) -> None:
    """A turn for people who watch."""
    sys.stderr.write(printable_lines(f"turn {told.number}\n{told.program}\n{told.observation}") + "\n")


def free_trace(folder: Path) -> Path:
    """The next trace's folder, made at once so that no other completion takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        with suppress(FileExistsError):
            (path := folder / f"{number:04d}.trace").mkdir()
            return path
    raise AssertionError
