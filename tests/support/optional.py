"""Packages that tests need and may do without: their tests are passed over where one is missing.

In: a package's name. Out: a mark for tests, made without importing it: what is large is imported where it is used.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")
