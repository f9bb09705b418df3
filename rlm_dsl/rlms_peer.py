"""The `rlms` package as somebody else's explorer, to be compared with.

In: a question, a text, a model's settings. Out: its answer as text, its turns, what it used.
Law: it runs model-written Python in this very process, so it runs only where that was allowed.
"""

from __future__ import annotations

from typing import Any

from rlm_dsl.answering import peer_failure
from rlm_dsl.runtime.recording import Usage
from rlm_dsl.runtime.settings import OUTPUT, Settings


def answer(
    question: str, text: str, settings: Settings, api_key: str | None, local_python: bool
) -> tuple[str, int, tuple[Usage, ...]]:
    """One completion. Raises UserError for whatever it raises, a broken server among it."""
    assert local_python, "asked for before anything is"
    from rlm import RLM
    from rlm.logger import RLMLogger

    parameters = {"max_completion_tokens": OUTPUT, **settings.parameters}
    root, sub = (
        {
            "model_name": settings.models[alias],
            "base_url": settings.base_url,
            "api_key": api_key or "none",
            "sampling_args": parameters,
        }
        for alias in ("root", "sub")
    )
    explorer = RLM(
        backend="openai",
        backend_kwargs=root,
        other_backends=["openai"],
        other_backend_kwargs=[sub],
        max_iterations=settings.turns,
        max_tokens=settings.limits.tokens,
        logger=RLMLogger(),
    )
    try:
        found = explorer.completion(text, root_prompt=question)
    except Exception as failure:
        raise peer_failure("rlms", failure) from None
    turns = len((found.metadata or {}).get("iterations", ()))
    return str(found.response), turns, usages(found.usage_summary, settings)


def usages(summary: Any, settings: Settings) -> tuple[Usage, ...]:
    """What each model was asked, by the package's own count; where both are one model, the count is of both."""
    return tuple(
        Usage(model, model == settings.models["root"], *(2 * (each.total_calls,)), each.total_input_tokens,
              each.total_output_tokens)
        for model, each in summary.model_usage_summaries.items()
    )  # fmt: skip
