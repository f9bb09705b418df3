"""How a run asks live: its stack of models opened, sub-runs wired into it.

In: settings, keys, a log, what explores texts. Out: calls, for as long as they are open. Law: without an explorer no
text can be explored; with one, no deeper than is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rlm_dsl.engine.calls.options import CallOptions, Calls
from rlm_dsl.engine.calls.sub_runs import Explorer, live_sub_runs
from rlm_dsl.language.operators.recurse import DEEPEST
from rlm_dsl.models.attempts import Log
from rlm_dsl.models.known_answers import NONE_KNOWN, KnownAnswers
from rlm_dsl.models.recording import Call
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings
from rlm_dsl.models.stack import Approve, LiveStack, approve_all


@contextmanager
def live_calls(
    settings: Settings,
    keys: Keys,
    log: Log,
    redact: Callable[[str], str] = str,
    explorer: Explorer | None = None,
    depth: int | None = None,
    approve: Approve = approve_all,
    known: KnownAnswers = NONE_KNOWN,
    on_call: Callable[[Call], None] = lambda call: None,
) -> Iterator[Calls[LiveStack]]:
    """Calls over a live stack. `depth` bounds how deep sub-runs go; by default as deep as the language allows. A run
    that has an earlier one's answers has its operators too."""
    deepest = 0 if explorer is None else DEEPEST if depth is None else min(DEEPEST, depth)
    options = CallOptions.of(settings, redact, deepest, known.versions)
    sub_run = None if explorer is None else live_sub_runs(explorer, options, settings.turns, log, settings.card)
    with LiveStack(settings, keys, log, redact, sub_run, approve, known, on_call) as stack:
        try:
            yield Calls(stack, options)
        except KeyboardInterrupt as failure:
            if stack.spending.started is not None:
                failure.add_note(kept_of(stack))
            raise


def kept_of(stack: LiveStack) -> str:
    """What is left of what was asked before an interrupt."""
    if stack.store.read_only:
        return "the answer store is only read: answers so far are kept by the run's trace alone"
    return f"answers so far are kept{', and a batch under way is taken up again' if stack.batch else ''}"
