"""Whether the suite runs with several rows in a request: `RLM_DSL_PACK=auto pytest`.

In: the environment, where the suite says one row a request unless told otherwise. Out: yes or no. Law: what a test
demands of values, traces and budgets holds either way; only how many requests there are may depend on it.
"""

from __future__ import annotations

import os


def in_packs() -> bool:
    return os.environ.get("RLM_DSL_PACK", "1") != "1"
