"""`dspy.RLM` as somebody else's explorer, to be compared with.

In: a question, a text, a model's settings. Out: its answer as text, its turns, what it used.
Law: model-written Python runs in dspy's own sandbox, unless this process was allowed for it; nobody but the model's
server is asked anything; what a failure had cost is told with it.
"""

from __future__ import annotations

import logging
from typing import Any

import dspy

from rlm_dsl.common.cost_map import keep_cost_map_local
from rlm_dsl.evaluate.no_answer import NoAnswer
from rlm_dsl.explore.typed_question import peer_failure
from rlm_dsl.models.recording import Usage
from rlm_dsl.models.server.servers import Keys, reached
from rlm_dsl.models.settings import Settings


def answer(
    question: str, text: str, settings: Settings, keys: Keys, local_python: bool
) -> tuple[str, int, tuple[Usage, ...]]:
    """One call of the module. Raises NoAnswer for whatever it raises, a broken server among it."""
    logging.getLogger("dspy").setLevel(logging.ERROR)
    keep_cost_map_local()
    interpreter: Any = {"interpreter_factory": dspy.LocalInterpreter} if local_python else {}
    calls = max(0, settings.limits.calls - settings.turns)
    root, sub = (language_model(settings, alias, keys) for alias in ("root", "sub"))
    try:
        module = dspy.RLM(
            "context, query -> answer", max_iters=settings.turns, max_llm_calls=calls, sub_lm=sub, **interpreter
        )
        with dspy.context(lm=root):
            found = module(context=text, query=question)
    except Exception as failure:
        told = peer_failure("dspy.RLM", failure)
        raise NoAnswer(told, min(len(root.history), settings.turns), usages(settings, root, sub)) from None
    return str(found.answer), len(found.trajectory), usages(settings, root, sub)


def usages(settings: Settings, root: Any, sub: Any) -> tuple[Usage, ...]:
    used = usage(settings.chosen("root").model, True, root), usage(settings.chosen("sub").model, False, sub)
    return tuple(each for each in used if each.calls)


def language_model(settings: Settings, alias: str, keys: Keys) -> Any:
    """The model with the parameters that were said; the bound of output that ours has unless said, dspy refuses for
    models that reason."""
    chosen = settings.chosen(alias)
    url = chosen.base_url or settings.base_url
    parameters = {**settings.parameters, **chosen.parameters}
    if "max_completion_tokens" in parameters:
        parameters["max_tokens"] = parameters.pop("max_completion_tokens")
    address, key = reached(settings, url, keys)
    return dspy.LM(f"openai/{chosen.model}", api_base=address, api_key=key, cache=False, **parameters)


def usage(model: str, root: bool, lm: Any) -> Usage:
    """What a language model was asked, by its own history."""
    asked = [dict(entry.get("usage") or {}) for entry in lm.history]
    given = sum(entry.get("prompt_tokens") or 0 for entry in asked)
    said = sum(entry.get("completion_tokens") or 0 for entry in asked)
    return Usage(model, root, len(asked), len(asked), given, said)
