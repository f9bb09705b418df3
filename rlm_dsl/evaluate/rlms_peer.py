"""The `rlms` package as somebody else's explorer, to be compared with.

In: a question, a text, a model's settings. Out: its answer as text, its turns, what it used.
Law: it runs model-written Python in this very process, so it runs only where that was allowed; what it used is each
client's own count, so that a failure is told with its cost: the package tells none of failures, and where root and
rows are asked of one model it loses the root's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rlm_dsl.evaluate.no_answer import NoAnswer
from rlm_dsl.explore.typed_question import peer_failure
from rlm_dsl.models.recording import Usage
from rlm_dsl.models.server.servers import Keys, reached
from rlm_dsl.models.settings import Settings


def answer(
    question: str, text: str, settings: Settings, keys: Keys, local_python: bool
) -> tuple[str, int, tuple[Usage, ...]]:
    """One completion. Raises NoAnswer for whatever it raises, a broken server among it."""
    assert local_python, "asked for before anything is"
    from rlm.logger import RLMLogger

    root, sub = (server(settings, alias, keys) for alias in ("root", "sub"))
    logger = RLMLogger()
    explorer = counted_explorer()(
        backend="openai",
        backend_kwargs=root,
        other_backends=["openai"],
        other_backend_kwargs=[sub],
        max_iterations=settings.turns,
        max_tokens=settings.limits.tokens,
        logger=logger,
    )
    try:
        found = explorer.completion(text, root_prompt=question)
    except Exception as failure:
        told = peer_failure("rlms", failure)
        raise NoAnswer(told, logger.iteration_count, usages(explorer.asked)) from None
    return str(found.response), logger.iteration_count, usages(explorer.asked)


def counted_explorer() -> Any:
    """The package's explorer, which keeps hold of the clients that it asks: the root's, and the one for rows."""
    from rlm import RLM

    class Counted(RLM):  # type: ignore[misc]
        asked: tuple[Any, ...] = ()

        @contextmanager
        def _spawn_completion_context(self, prompt: Any) -> Iterator[Any]:
            with super()._spawn_completion_context(prompt) as (handler, environment):
                self.asked = (handler.default_client, handler.other_backend_client)
                yield handler, environment

    return Counted


def server(settings: Settings, alias: str, keys: Keys) -> dict[str, Any]:
    chosen = settings.by_alias()[alias]
    address, key = reached(settings, chosen.base_url, keys)
    return {
        "model_name": chosen.model,
        "base_url": address,
        "api_key": key,
        "sampling_args": dict(chosen.parameters),
    }


def usages(clients: Sequence[Any]) -> tuple[Usage, ...]:
    """What the root's client and the one for rows asked of each model."""
    return tuple(
        Usage(model, place == 0, *(2 * (each.total_calls,)), each.total_input_tokens, each.total_output_tokens)
        for place, client in enumerate(clients)
        for model, each in client.get_usage_summary().model_usage_summaries.items()
        if each.total_calls
    )
