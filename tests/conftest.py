"""What all tests share: `pytest --accept` rewrites the expected parts of the corpus, for the difference to be read."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="write what the tests got as what they expect")
