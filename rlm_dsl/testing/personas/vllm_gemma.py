"""vLLM with a model whose template knows no system, and for which user and assistant take turns.

In: requests, problems and completions as `wire` has them. Out: the same, as vLLM has them. Law: none of its own.

Seen in public: vllm-project/vllm #2080 and #6862, microsoft/autogen #1037 ("Conversation roles must alternate
user/assistant/user/assistant/..."), Gemma's template ("System role not supported").
"""

from __future__ import annotations

from dataclasses import replace

from rlm_dsl.testing.habits import alternating, refusing, without_system
from rlm_dsl.testing.personas.vllm import VLLM
from rlm_dsl.testing.wire import Problem

VLLM_GEMMA = replace(
    VLLM,
    name="vllm-gemma",
    refusals=refusing(
        without_system(Problem(400, "System role not supported")),
        alternating(Problem(400, "Conversation roles must alternate user/assistant/user/assistant/...")),
    ),
    grammars=frozenset({"guided_grammar"}),
)
