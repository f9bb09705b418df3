"""`test`: traces as regression tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from rlm_dsl.cli.options import CONTEXT, FORCE, paths_alone
from rlm_dsl.cli.output import write
from rlm_dsl.common.atomic_write import write_named
from rlm_dsl.common.own_files import VERDICTS, require_own


@click.command("test")
@click.argument("folder", type=click.Path(), default="traces")
@CONTEXT
@click.option("-k", "only", metavar="TEXT", default="", help="Only traces that have this in their name.")
@click.option("--junit", metavar="FILE", help="Write a JUnit report there too.")
@FORCE
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def command(folder: str, contexts: tuple[str, ...], only: str, junit: str | None, force: bool, as_json: bool) -> int:
    """Take each trace of FOLDER (traces/ unless said) as a test; no model is asked.

    It must verify; where its data has changed, its program must still come to the blessed answer by what was recorded.
    Runs that stopped before their answer are told, and not tested.

    Example: rlm-dsl test traces --junit report.xml
    """
    from rlm_dsl.cli.render.junit import junit_report
    from rlm_dsl.cli.render.verdicts import flaky_text, summary_text, verdict_text
    from rlm_dsl.common.diagnostics import UserError
    from rlm_dsl.compare.flaky import find_flaky
    from rlm_dsl.compare.regression import run_test, traces_in

    paths = [path for path in traces_in(Path(folder)) if only in path.name]
    if not paths:
        raise UserError(f"no trace of {folder} has {only!r} in its name")
    if junit:
        require_own(Path(junit), VERDICTS, force)
    given = paths_alone(contexts)
    found = []
    for path in paths:
        found.append(run_test(path, given, os.environ))
        if not as_json:
            write(verdict_text(found[-1]))
    flaky = find_flaky(paths)
    if junit:
        write_named(Path(junit), junit_report(found))
    if as_json:
        held = {"tests": [each.as_json() for each in found], "flaky": [each.as_json() for each in flaky]}
        write(json.dumps(held, ensure_ascii=False, indent=1, default=str))
    else:
        write(flaky_text(flaky) + summary_text(found))
    return 0 if all(each.ok for each in found) and not all(each.skipped for each in found) else 1
