"""A session of the shell, from its first line to its exit code.

In: loaded contexts, settings, the environment. Out: an exit code. Law: what was opened is closed, however it ends.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from rlm_dsl.cli.output import note
from rlm_dsl.cli.progress import Bar
from rlm_dsl.cli.shell.pipe import from_pipe
from rlm_dsl.cli.shell.runner import ShellRunner
from rlm_dsl.cli.shell.session import Shell
from rlm_dsl.cli.shell.terminal import at_terminal
from rlm_dsl.context.context import Context
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.run import redaction_of
from rlm_dsl.engine.runner import ignore_event
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.explore.session import Session
from rlm_dsl.explore.sub_run import explore_text
from rlm_dsl.language.check import Environment
from rlm_dsl.models.server.limits import within_limits
from rlm_dsl.models.server.servers import Keys
from rlm_dsl.models.settings import Settings


def run_shell(contexts: Mapping[str, Context], settings: Settings, environment: Mapping[str, str]) -> int:
    """A session over the contexts until the input ends."""
    keys = Keys(environment)
    settings = within_limits(settings, keys)
    redaction = redaction_of(keys, settings)
    progress = Bar()
    with (
        live_calls(settings, keys, ignore_event, redaction.redact, explore_text) as calls,
        Warehouse(settings.threads, settings.memory, contexts.values()) as warehouse,
    ):
        progress.watch(calls.models.spent)
        types = {name: context.schema for name, context in contexts.items()}
        session = Session(ShellRunner(warehouse, calls, progress, digests=False), Environment(types), carets=True)
        shell = Shell(session)
        code = at_terminal(shell) if sys.stdin.isatty() else from_pipe(shell)
        if calls.models.spending.calls:
            note(calls.models.spent())
        return code
