"""The commands, a file each: a file here whose `command` is a click command is one.

Law: a command has no logic; it reads its options, calls the Python interface and prints. What it needs is imported when
it runs, so that --help is quick.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

import click

from rlm_dsl.cli import output
from rlm_dsl.cli.given_once import Once
from rlm_dsl.common.version import version


@click.group(cls=Once, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="rlm-dsl")
def group() -> None:
    """Answer questions over large corpora by small typed programs; every run can be verified offline.

    Exit codes: 0 fine, 1 a finding, 2 bad input or usage, 3 stopped by budget or an outage, 130 interrupted.
    """


def be_quiet(_: click.Context, __: click.Parameter, quiet: bool) -> None:
    if quiet:
        output.QUIET.set(True)


def quietly(command: click.Command) -> click.Command:
    """The command, and those below it, with --quiet and --events."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            quietly(each)
    else:
        told = "Print no notes and no progress: results and problems alone."
        command.params.append(click.Option(["--quiet"], is_flag=True, expose_value=False, callback=be_quiet, help=told))
        told = "Print what happens on stderr as lines of JSON, for schedulers (docs/jobs.md)."
        command.params.append(click.Option(["--events"], is_flag=True, expose_value=False, help=told))
    return command


def add_commands(folders: Iterable[str]) -> None:
    """Every command of this package's folders."""
    for module in pkgutil.iter_modules(folders):
        group.add_command(quietly(importlib.import_module(f"{__name__}.{module.name}").command))


add_commands(__path__)
