"""`cite`: from an answer to the bytes it rests on."""

from __future__ import annotations

import json
import os

import click

from rlm_dsl.cli.options import CONTEXT, LABELS, paths_alone
from rlm_dsl.cli.output import note, safe, write


@click.command("cite")
@click.argument("trace", type=click.Path())
@click.argument("value", required=False)
@CONTEXT
@LABELS
@click.option("--all", "every", is_flag=True, help="Every place, not the first ones alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the citations as JSON, with whole texts.")
def command(
    trace: str, value: str | None, contexts: tuple[str, ...], labels: str | None, every: bool, as_json: bool
) -> int:
    """Show the places in the sources that TRACE's answer rests on, with their text. VALUE is a part of it (`total`) or
    a row of one (`per_user[2]`). Each place's bytes are compared with what was recorded.

    Example: rlm-dsl cite traces/tickets.trace 'per_user[2]'
    """
    from rlm_dsl.cli.render.citations import SHOWN, citations_text, cited_json
    from rlm_dsl.engine.evidence import LISTED
    from rlm_dsl.trace.secrets import Redaction
    from rlm_dsl.traces import cite, reviews

    limit = None if every else LISTED if as_json else SHOWN
    secrets = Redaction.of(os.environ)
    found = cite(trace, value or "", paths_alone(contexts), limit=limit)
    if as_json:
        held = reviews(trace, labels=labels, contexts=paths_alone(contexts))
        told = secrets.redact_json([cited_json(citation, held) for citation in found])
        write(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        held = reviews(trace, labels=labels, contexts=paths_alone(contexts))
        write(safe(secrets.redact(citations_text(found, held))))
        note("whether the answer rests on these places was not checked here; see: rlm-dsl verify")
    return 0 if all(citation.holds for citation in found) else 1
