"""An OpenAI-compatible endpoint for tests, answering from labels and scripts.

In: gold answers, scripted turns, faults. Out: a server that any OpenAI client can talk to.
Law: nothing it says can be taken for a model's: every reply names `rlm_dsl.testing/...` as its model.

    with serve(gold=[{"text": "I lost my card", "label": "cards"}], error_rate=0.05) as server:
        client = OpenAI(base_url=server.base_url, api_key="any")

Importing this package loads nothing else; the names below are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_dsl.testing.gold import Gold, is_wrong
    from rlm_dsl.testing.script import Script
    from rlm_dsl.testing.server import serve

__all__ = ["Gold", "Script", "is_wrong", "serve"]

HOMES = {"Gold": "gold", "is_wrong": "gold", "Script": "script", "serve": "server"}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
