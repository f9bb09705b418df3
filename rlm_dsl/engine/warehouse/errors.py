"""What the engine says when it refuses or fails, in a person's words.

In: its error and the query. Out: a message and what to do instead. Law: the query is kept for a trace, and not shown.
"""

from __future__ import annotations

import re

from rlm_dsl.common.diagnostics import UserError


class EngineError(UserError):
    """The engine refused or failed; said in a person's words, the query kept for a trace."""

    def __init__(self, failure: Exception, query: str) -> None:
        self.query = query
        told = str(failure).split("\n", 1)[0]
        found = MISSING.match(told)
        self.missing = found[1] if found else None
        """The name of a table that the query reads and that there is not."""
        message, hint = plain_words(told)
        super().__init__(message, hint, code="engine")


MISSING = re.compile(r"Catalog Error: Table with name (.*) does not exist!")
WORDS = (
    (r"left the years 1 to 9999", "a date left the years 1 to 9999", "take fewer days or seconds"),
    (
        r"DECIMAL\b|Overflow in HUGEINT",
        "a decimal left the range of 38 digits",
        "round what goes into it: round(x, 2), or take floats: to_float(x)",
    ),
    (r"[Oo]verflow|out of range", "a whole number left the range of 64 bits", "use floats: to_float(x)"),
    (
        r"max_temp_directory_size",
        "the run needs more memory and disk than there is",
        "narrow the rows first: a join or pairs() of large tables makes very many",
    ),
    (
        r"[Oo]ut of [Mm]emory|could not allocate",
        "the run needs more memory than it may take",
        "narrow the rows first, or give more with --memory",
    ),
    (r"could not parse string|strptime", "a date's format has a code that is none", "see strptime codes: %Y-%m-%d"),
    (r"[Ii]nterrupted", "interrupted", ""),
)


def plain_words(told: str) -> tuple[str, str]:
    for seen, message, hint in WORDS:
        if re.search(seen, told):
            return message, hint
    return f"the query engine stopped: {told}", ""
