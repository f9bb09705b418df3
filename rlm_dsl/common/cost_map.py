"""dspy and litellm fetch a list of prices from the web on their first call, unless they are told to use their own.

In: nothing. Out: nothing; they are told. Law: what the user has said in the environment stays.
"""

from __future__ import annotations

import os

SAID = "LITELLM_LOCAL_MODEL_COST_MAP"


def keep_cost_map_local() -> None:
    """From now on this process asks nobody but the servers that it was given."""
    os.environ.setdefault(SAID, "True")
