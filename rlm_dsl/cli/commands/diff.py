"""`diff`: two runs beside each other."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import FORCE
from rlm_dsl.cli.output import write
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.own_files import PAGE, require_own


@click.command("diff")
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@click.option("--step", metavar="NAME", default="", help="One step in full, as it is called in B.")
@click.option("--rows", is_flag=True, help="The rows that differ too.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Rows shown of each kind.")
@click.option("--json", "form", flag_value="json", help="Print it as JSON.")
@click.option("--md", "form", flag_value="md", help="Print it as Markdown, short enough for a comment.")
@click.option("--html", metavar="FILE", help="Write it as a page.")
@FORCE
def command(a: str, b: str, step: str, rows: bool, limit: int, form: str | None, html: str | None, force: bool) -> int:
    """Hold the runs of traces A and B beside each other: program, data, steps, rows, answer, prompts, cost.

    Exit codes: 0 the same, 1 different, 2 not comparable.

    Example: rlm-dsl diff october.trace november.trace --html diff.html
    """
    from rlm_dsl.cli.render.diff import diff_markdown, diff_text
    from rlm_dsl.common.diagnostics import did_you_mean
    from rlm_dsl.compare.diff import diff
    from rlm_dsl.trace.reader import open_trace

    with open_trace(a) as one, open_trace(b) as other:
        found = diff(one, other)
        names = [each.pair.name for each in found.steps]
        if step and step not in names:
            raise UserError(f"there is no step `{step}`", *did_you_mean(step, names, what="steps"))
        if html:
            write_page(found, require_own(Path(html), PAGE, force), a, b)
        match form:
            case None if html:
                write(html)
            case "json":
                write(json.dumps(found.as_json(), ensure_ascii=False, indent=1, default=str))
            case "md":
                write(diff_markdown(found))
            case _:
                width = shutil.get_terminal_size((100, 24)).columns
                write(diff_text(found, width, step=step, rows=rows, limit=limit))
        return 0 if found.same else 1


def write_page(found: Any, path: Path, a: str, b: str) -> None:
    from rlm_dsl.report import check_installed

    check_installed()
    from rlm_dsl.cli.html_page import put
    from rlm_dsl.report.pages import diff_page
    from rlm_dsl.report.summary import summarize_difference

    put(
        path,
        diff_page(
            found, summarize_difference(found), shlex.join(["rlm-dsl", "diff", a, b, "--html", str(path)]), (a, b)
        ),
    )
