"""The pytest plugin: a test's own OpenAI-compatible endpoint.

In: settings, as `rlm_dsl.testing.serve` takes them. Out: the fixture `model_endpoint`.
Law: what a test started is stopped when the test ends, and nothing heavy is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rlm_dsl.testing.server import Server


@pytest.fixture
def model_endpoint() -> Iterator[Callable[..., Server]]:
    """Start endpoints: `server = model_endpoint(gold=[...], script=[...], rate_429=0.1)`; all end with the test."""
    with ExitStack() as servers:

        def start(**settings: Any) -> Server:
            from rlm_dsl.testing.server import serve

            return servers.enter_context(serve(**settings))

        yield start
