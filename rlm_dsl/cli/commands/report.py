"""`report`: a period's report from a file that says what to run and show."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.given_once import Once
from rlm_dsl.cli.options import ENGINE, FORCE, MEMORY, THREADS, load_given, model_options, settings, spending_options
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.cli.progress import Bar


class WithDefault(Once):
    """A group whose first word may also be a file: `report FILE` is `report make FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group("report", cls=WithDefault)
def command() -> None:
    """Make the report of FILE (report.yaml) for a period; `report init TRACE` writes such a file.

    Example: rlm-dsl report report.yaml --period 2026-11
    """


@command.command("make")
@click.argument("report", type=click.Path())
@click.option("--period", metavar="PERIOD", help="2026-11, 2026-Q4, 2026-W48, 2026-11-24 or 2026; else this month.")
@model_options(model="the report's own")
@spending_options(spent_on=" on each program")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@FORCE
@THREADS
@MEMORY
@ENGINE
def make_command(report: str, period: str | None, as_json: bool, **given: Any) -> int:
    """Run what is new for a period, verify it, compare it with the last one, write HTML, Markdown and JSON.

    Example: rlm-dsl report make report.yaml --period 2026-11
    """
    from rlm_dsl.report import check_installed

    check_installed()
    from rlm_dsl.cli.approval import asking
    from rlm_dsl.compare.reasons import render_reasons
    from rlm_dsl.engine.execution import declared_types
    from rlm_dsl.models.local.choice import at_their_servers
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.report.build import build_report
    from rlm_dsl.report.charts import in_terminal
    from rlm_dsl.report.output import require_place, write_report
    from rlm_dsl.report.period import check_period, this_month
    from rlm_dsl.report.runs import RunOptions
    from rlm_dsl.report.spec import open_spec

    chosen = check_period(period or this_month())
    spec = open_spec(Path(report))
    require_place(spec, chosen, given.pop("force"))
    own = not given["models"]
    given["models"] = given["models"] or tuple(f"{name}={model}" for name, model in spec.models.items())
    types = {name: type_ for source in spec.programs.values() for name, type_ in declared_types(source).items()}
    chosen_settings = settings(given)
    if own and not given["base_url"]:
        chosen_settings = at_their_servers(chosen_settings, spec.servers)
    keep = chosen_settings.keep
    options = RunOptions(
        chosen_settings,
        Keys(os.environ),
        lambda name, where: load_given({name: where}, types, given["memory"], keep, chosen_settings.engine)[name],
        Bar(),
        lambda asked: note(safe(render_reasons(asked))),
        asking(given["confirm_over"], given["yes"]),
    )
    found = build_report(spec, chosen, options, os.environ)
    files = write_report(found, spec, shlex.join(["rlm-dsl", "report", report, "--period", chosen]))
    if as_json:
        write(
            json.dumps({**found.as_json(), "files": [str(f) for f in files]}, ensure_ascii=False, indent=1, default=str)
        )
    else:
        write(safe("\n".join(report_lines(found))))
        for section in found.sections:
            if section.chart is not None:
                write(in_terminal(section.chart, shutil.get_terminal_size((80, 24)).columns))
        write(safe("\n".join(map(str, files))))
    return 0 if found.ok else 1


@command.command("init")
@click.argument("trace", type=click.Path())
@click.option(
    "--out",
    "--to",
    "out",
    default=".",
    show_default=True,
    metavar="FOLDER",
    help="Where report.yaml and report.rlm go.",
)
def init_command(trace: str, out: str) -> None:
    """Write report.yaml and report.rlm from TRACE, to begin with.

    Example: rlm-dsl report init runs/20261101-120000.trace --out billing
    """
    from rlm_dsl.report.scaffold import write_scaffold
    from rlm_dsl.trace.reader import open_trace

    with open_trace(trace) as held:
        for path in write_scaffold(held, Path(out)):
            write(str(path))
    if "SAY-WHERE" in (Path(out) / "report.yaml").read_text(encoding="utf-8"):
        note("the trace names data that lies elsewhere or needs a connection: say in report.yaml where it is")


def report_lines(found: Any) -> list[str]:
    """A report in a few lines: verdict, what changed, what was asked."""
    lines = [f"{found.title}: {'verified' if found.ok else 'DOES NOT VERIFY'}"]
    if found.changed:
        lines += [f"since {found.since}: {found.changed}"]
    for run in found.runs:
        reviewed = run.view.reviewed.lines() if run.view.reviewed.known or not run.reviews.missing else []
        lines += [*reviewed, *run.reviews.lines()]
    return [*lines, *(run.spent for run in found.runs)]
