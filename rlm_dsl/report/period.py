"""A report's period, and what stands for it in texts and paths.

In: a period, such as 2026-11; a text. Out: the text for that period. Law: `{period}`, `{year}` and `{month}` are the
digits of the period and nothing else.
"""

from __future__ import annotations

import datetime
import re

from rlm_dsl.common.diagnostics import UserError

PERIOD = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?|-Q[1-4]|-W[0-5]\d)?")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
NAMES = ("period", "year", "month")


def fill_in(text: str, period: str) -> str:
    """A text with the period's names filled in. Raises UserError for a name that is none."""
    year, _, rest = period.partition("-")
    known = {"period": period, "year": year, "month": rest[:2] if re.fullmatch(r"\d\d(-\d\d)?", rest) else rest}

    def named(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise UserError(f"{{{match[1]}}} is no name of a period", "there are {period}, {year} and {month}")
        return known[match[1]]

    return PLACEHOLDER.sub(named, text)


def this_month() -> str:
    return datetime.date.today().strftime("%Y-%m")


def check_period(period: str) -> str:
    if not PERIOD.fullmatch(period):
        raise UserError(f"this is no period: {period}", "write 2026-11, 2026-Q4, 2026-W48, 2026-11-24 or 2026")
    return period
