"""Pages and reports: a trace, two, an optimization or a month's report as one file that people like to read."""

from __future__ import annotations

from importlib.util import find_spec

from rlm_dsl.common.diagnostics import UserError


def check_installed() -> None:
    """Raises UserError where the extra that makes pages is not installed."""
    missing = [name for name in ("jinja2", "vl_convert") if find_spec(name) is None]
    if missing:
        raise UserError(f"pages need {', '.join(missing)}", "get it with: pip install 'rlm-dsl[report]'")
