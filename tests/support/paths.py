"""Where things lie in the repository, for tests in whatever room."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "corpus"
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
