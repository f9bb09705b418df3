"""The version of this package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """The installed version, or `0+source` from a checkout that is not installed."""
    try:
        return installed("rlm-dsl")
    except PackageNotFoundError:
        return "0+source"
