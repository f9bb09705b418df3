"""rlm-dsl: recursive language models as small typed programs."""

from __future__ import annotations

from typing import Any

__all__ = [
    "RLM",
    "Context",
    "Correction",
    "Report",
    "Result",
    "UserError",
    "ask",
    "load",
    "rerun",
    "resume",
    "run",
    "text",
    "verify",
    "version",
]


def __getattr__(name: str) -> Any:
    """The public names, imported when first used so that `import rlm_dsl` stays quick."""
    if name == "RLM":
        from rlm_dsl.integrations.rlms import RLM

        return RLM
    if name in __all__:
        from rlm_dsl import api

        return getattr(api, name)
    raise AttributeError(f"module 'rlm_dsl' has no attribute {name!r}")
