"""`sql`: a trace queried."""

from __future__ import annotations

import csv
import io
import json

import click

from rlm_dsl.cli.options import CONTEXT, paths_alone
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.cli.render.table import table_text


@click.command("sql")
@click.argument("trace", type=click.Path())
@click.argument("query")
@CONTEXT
@click.option("--json", "as_json", is_flag=True, help="All rows as JSON, an object each.")
@click.option("--csv", "as_csv", is_flag=True, help="All rows as CSV.")
def command(trace: str, query: str, contexts: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """Query TRACE in SQL: views steps, rows, calls, attempts, turns, evidence and events, and step.NAME for the rows
    of a step (docs/traces.md has their columns); of one that another's query took up they are computed again, by the
    recorded answers. Read-only, and cut off from files and network.

    Example: rlm-dsl sql traces/tickets.trace "select step, count(*) from calls group by all"
    """
    from rlm_dsl.common.json_ready import json_ready
    from rlm_dsl.traces import sql

    shown = 100
    columns, rows = sql(trace, query, limit=None if as_json or as_csv else shown + 1, contexts=paths_alone(contexts))
    held = [[json_ready(value) for value in row] for row in rows]
    if as_json:
        write(
            json.dumps(
                [dict(zip(columns, row, strict=True)) for row in held], ensure_ascii=False, indent=1, default=str
            )
        )
    elif as_csv:
        text = io.StringIO()
        out = csv.writer(text, lineterminator="\n")
        out.writerow(columns)
        out.writerows([told(value) for value in row] for row in held)
        write(text.getvalue(), end="")
    else:
        write(safe(table_text(columns, held, limit=shown, width=60)))
        note("what the trace says was not checked here; see: rlm-dsl verify")


def told(value: object) -> object:
    """A value as a cell of CSV: lists and records as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else value
