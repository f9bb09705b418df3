"""Where the real data lies, if it is there: RLM_DSL_REAL_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = os.environ.get("RLM_DSL_REAL_DATA", "")
REAL = Path(FOLDER)
needs_real_data = pytest.mark.skipif(not FOLDER, reason="RLM_DSL_REAL_DATA is not set")
