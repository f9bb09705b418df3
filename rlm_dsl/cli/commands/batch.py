"""`batch`: look after what was handed to servers' Batch APIs."""

from __future__ import annotations

import datetime
import json
import os

import click

from rlm_dsl.cli.commands.cache import opened_store
from rlm_dsl.cli.given_once import Once
from rlm_dsl.cli.options import STORE, settings, settings_option
from rlm_dsl.cli.output import safe, write
from rlm_dsl.cli.render.table import table_text

SETTINGS = settings_option("How servers are reached, and the store")
JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


@click.group("batch", cls=Once)
def command() -> None:
    """Batches under way: what runs with --batch submitted and no run has collected yet.

    Example: rlm-dsl batch list
    """


@command.command("list")
@STORE
@SETTINGS
@JSON
def list_command(store: str | None, file: str | None, as_json: bool) -> None:
    """Which batches are under way, by server. The run that submitted one takes its answers when it runs again.

    Example: rlm-dsl batch list --json
    """
    from rlm_dsl.models.batch_api.under_way import batches_under_way

    with opened_store(store, file) as held:
        found = batches_under_way(held)
    if as_json:
        write(json.dumps([one.as_json() for one in found], ensure_ascii=False))
    elif found:
        rows = [[one.server, one.batch, f"{one.requests:,}", moment(one.submitted)] for one in found]
        write(safe(table_text(("server", "batch", "requests", "submitted"), rows, len(rows), 80)))
    else:
        write("no batch is under way")


def moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


@command.command("cancel")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@STORE
@SETTINGS
@JSON
def cancel_command(ids: tuple[str, ...], store: str | None, file: str | None, as_json: bool) -> int:
    """End batches at their servers and forget them: those with these IDs, or all. Says what may still be billed.

    Example: rlm-dsl batch cancel batch_abc123
    """
    from rlm_dsl.engine.run import redaction_of
    from rlm_dsl.models.batch_api.under_way import end_batches
    from rlm_dsl.models.server.servers import Keys

    chosen, keys = settings({"store": store, "file": file}), Keys(os.environ)
    with opened_store(store, file) as held:
        found = []
        for one in end_batches(chosen, keys, redaction_of(keys, chosen).redact, held, ids):
            found.append(one)
            if not as_json:
                write(safe(f"{one.under_way.server}: {one.told}"))
    if as_json:
        write(json.dumps([one.as_json() for one in found], ensure_ascii=False))
    elif not found:
        write("no batch is under way")
    return 3 if any(one.outcome == "failed" for one in found) else 0
