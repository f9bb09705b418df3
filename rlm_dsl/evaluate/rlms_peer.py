"""The `rlms` package as somebody else's explorer, to be compared with.

In: a question, a text, a model's settings. Out: its answer as text, its turns, what it used.
Law: it runs model-written Python in this very process, so it runs only where that was allowed.
"""

from __future__ import annotations

from typing import Any

from rlm_dsl.explore.typed_question import peer_failure
from rlm_dsl.models.recording import Usage
from rlm_dsl.models.server.servers import Keys, reached
from rlm_dsl.models.settings import Settings


def answer(
    question: str, text: str, settings: Settings, keys: Keys, local_python: bool
) -> tuple[str, int, tuple[Usage, ...]]:
    """One completion. Raises UserError for whatever it raises, a broken server among it."""
    assert local_python, "asked for before anything is"
    from rlm import RLM
    from rlm.logger import RLMLogger

    root, sub = (server(settings, alias, keys) for alias in ("root", "sub"))
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


def server(settings: Settings, alias: str, keys: Keys) -> dict[str, Any]:
    chosen = settings.by_alias()[alias]
    address, key = reached(settings, chosen.base_url, keys)
    return {
        "model_name": chosen.model,
        "base_url": address,
        "api_key": key,
        "sampling_args": dict(chosen.parameters),
    }


def usages(summary: Any, settings: Settings) -> tuple[Usage, ...]:
    """What each model was asked, by the package's own count; where both are one model, the count is of both."""
    return tuple(
        Usage(model, model == settings.chosen("root").model, *(2 * (each.total_calls,)), each.total_input_tokens,
              each.total_output_tokens)
        for model, each in summary.model_usage_summaries.items()
    )  # fmt: skip
