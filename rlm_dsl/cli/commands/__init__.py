"""The commands, a file each: a file here whose `command` is a click command is one.

Law: a command has no logic; it reads its options, calls the Python interface and prints. What it needs is imported when
it runs, so that --help is quick.
"""

from __future__ import annotations

import importlib
import pkgutil

import click

from rlm_dsl.version import version


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="rlm-dsl")
def group() -> None:
    """Answer questions over large corpora by small typed programs; every run can be verified offline.

    Exit codes: 0 fine, 1 a finding, 2 bad input or usage, 3 stopped by budget or an outage, 130 interrupted.
    """


for module in pkgutil.iter_modules(__path__):
    group.add_command(importlib.import_module(f"{__name__}.{module.name}").command)
