"""A candidate: a program that may be better than the one given.

In: a program's text and what is set in it. Out: the text that runs. Law: two candidates with the same text, rows a call
and proxies ask the same requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import re2

from rlm_dsl.common.source import Source
from rlm_dsl.optimize.steps import Tunable
from rlm_dsl.optimize.tuned import TunedCall, with_calls


@dataclass(frozen=True)
class Candidate:
    """A program to be tried: its text, arguments that are set in it, rows a call by step, proxies by digest. Where a
    pattern in the text rules rows out before a step, `prefilters` has it by the step: such rows are not asked about."""

    text: str
    calls: tuple[TunedCall, ...] = ()
    rows_per_call: Mapping[str, int] = field(default_factory=dict)
    proxies: Mapping[str, Any] = field(default_factory=dict)
    prefilters: Mapping[str, str] = field(default_factory=dict)
    origin: str = "as it is"

    def program_text(self) -> str:
        """The whole program, arguments set."""
        return with_calls(Source("program", self.text), self.calls)

    def with_arguments(self, step: Tunable, origin: str, **arguments: Any) -> Candidate:
        """The candidate with arguments of one step set."""
        return replace(self, calls=(*self.calls, TunedCall(step.statement, step.call, arguments)), origin=origin)

    def rules_out(self, step: str, text: str) -> bool:
        return step in self.prefilters and not re2.search(self.prefilters[step], text)
