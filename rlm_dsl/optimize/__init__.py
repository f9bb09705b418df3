"""Labels in, a better and cheaper program out: the search, honest numbers, what it finds as data."""

from __future__ import annotations

import os
from importlib.util import find_spec

from rlm_dsl.common.diagnostics import UserError

os.environ.setdefault("TQDM_DISABLE", "1")  # read when dspy is imported, which this package alone does


def check_installed() -> None:
    """Raises UserError where the extra that brings the optimizers is not installed."""
    missing = [name for name in ("dspy", "optuna", "scipy", "sklearn") if find_spec(name) is None]
    if missing:
        raise UserError(f"optimizing needs {', '.join(missing)}", "get it with: pip install 'rlm-dsl[optimize]'")
