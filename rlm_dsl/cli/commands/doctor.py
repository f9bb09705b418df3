"""`doctor`: what would not come out the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import CONTEXT, STORE, model_options, named_paths, program_source, settings, settings_option
from rlm_dsl.cli.output import safe, write


@click.command("doctor")
@click.argument("target", type=click.Path())
@CONTEXT
@model_options()
@STORE
@settings_option("Models and servers")
@click.option("--trace", metavar="FOLDER", help="Where the run would be recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(target: str, contexts: tuple[str, ...], trace: str | None, as_json: bool, **given: Any) -> int:
    """Say what about TARGET, a program or a trace, would not come out the same another time. No model is asked,
    nothing is run. Exit code 1 if there is a finding.

    Example: rlm-dsl doctor program.rlm
    """
    from rlm_dsl.language.syntax.parse import parse
    from rlm_dsl.models.cache.place import read_place
    from rlm_dsl.models.server.limits import within_limits
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.replay.doctor import of_packs, of_run, of_slots
    from rlm_dsl.traces import doctor

    if Path(target).is_dir() or target.endswith((".trace", ".zip")):
        found = doctor(target)
    else:
        program = parse(program_source(target))
        chosen = within_limits(settings(given), Keys(os.environ))
        store = read_place(chosen.store)
        places = {} if store.scheme else {"the answer store": store.path}
        paths = {name: given.path for name, given in named_paths(contexts).items()}
        found = of_run(chosen.by_alias(), paths, places | ({"the trace": Path(trace)} if trace else {}), os.environ)
        found += [*of_slots(chosen), *of_packs(program, chosen.rows_together)]
    if as_json:
        write(json.dumps([finding.as_json() for finding in found], ensure_ascii=False, indent=1))
    else:
        lines = [f"{finding.code}: {finding.message}\n  {finding.advice}" for finding in found]
        write(safe("\n".join(lines) if lines else "nothing found that would not come out the same"))
    return 1 if found else 0
