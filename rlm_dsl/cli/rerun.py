"""What `rerun` and `what-if` share: a recorded run made anew, told before and after.

In: words of the command line. Out: text. Law: what is asked anew and why is told before it is asked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.options import (
    CONTEXT,
    ENGINE,
    LABELS,
    MEMORY,
    RECORDED,
    THREADS,
    json_value,
    model_options,
    named_paths,
    new_trace,
    pairs,
    program_source,
    settings,
    spending_options,
    tuned,
    with_options,
)
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.cli.progress import Bar


def rerun_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What may be different, and how it is told."""
    options = (
        CONTEXT,
        click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value for this run."),
        click.option("--trace", "--to", "to", metavar="FOLDER", help="Where the new trace goes; else runs/TIME.trace."),
        LABELS,
        click.option("--json", "as_json", is_flag=True, help="Print answer, trace and reasons as JSON."),
        click.option("--dry-run", is_flag=True, help="Say what would be asked first and why; ask nothing."),
        THREADS,
        MEMORY,
        ENGINE,
    )
    spends = spending_options(budget=RECORDED, max_failed=RECORDED, packs=False, from_file="Servers, prices, pace")
    return with_options(options, model_options(model=RECORDED, base_url=RECORDED, parameters=RECORDED)(spends(command)))


def tuned_again(trace: str, path: str | None, tuned_file: str | None, chosen: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Another program than the recorded one, or the recorded one by a tuned file; the settings that go with it, and
    what a header says of it."""
    from rlm_dsl.common.source import Source
    from rlm_dsl.trace.reader import open_trace

    if path is not None:
        return tuned(path, program_source(path), tuned_file, chosen)
    if tuned_file is None:
        return None, chosen, {}
    with open_trace(trace) as held:
        text = held.header.get("tuned", {}).get("before") or held.program
    return tuned("program.rlm", Source("program.rlm", text), tuned_file, chosen)


def run_again(
    trace: str,
    given: dict[str, Any],
    path: str | None = None,
    tuned_file: str | None = None,
    at: str = "",
    sets: tuple[str, ...] = (),
    corrections: tuple[Any, ...] = (),
) -> None:
    """Run a recorded program again with what is different, and tell of it."""
    from rlm_dsl.cli.approval import DryRun, asking, dry
    from rlm_dsl.cli.render.rerun import dry_run_text, rerun_text
    from rlm_dsl.cli.render.result import result_text
    from rlm_dsl.common.memory import memory_bytes
    from rlm_dsl.compare.reasons import Asked, render_reasons
    from rlm_dsl.compare.rerun import Different, rerun
    from rlm_dsl.models.server.servers import Keys
    from rlm_dsl.models.settings import Limits, read_models
    from rlm_dsl.review.labels.file import labels_beside
    from rlm_dsl.review.telling import with_reviews
    from rlm_dsl.trace.reader import open_trace

    chosen = settings({**given, "parameters": ()})
    source, with_tuned, extra = tuned_again(trace, path, tuned_file, chosen)
    different = Different(
        named_paths(given["contexts"]),
        {name: json_value(name, text) for name, text in pairs(given["params"])},
        read_models(given["models"]),
        given["base_url"] or "",
        {name: json_value(name, text) for name, text in pairs(given["parameters"])},
        source,
        at,
        sets,
        corrections,
        with_tuned.rows_per_call,
        with_tuned.proxies,
        extra,
    )
    dry_run = given["dry_run"]
    asked: list[Asked] = []

    def tell(about: Asked) -> None:
        asked.append(about)
        note(safe(render_reasons(about)))

    with open_trace(trace) as held:
        try:
            found = rerun(
                held,
                different,
                chosen,
                Limits.read(given["budget"]) if given["budget"] else None,
                keys=Keys(os.environ),
                progress=Bar(),
                to=None if dry_run else Path(given["to"]) if given["to"] else new_trace(),
                told=tell,
                approve=dry if dry_run else asking(given["confirm_over"], given["yes"]),
                memory=memory_bytes(given["memory"]) if given["memory"] else None,
                max_failed=given["max_failed"],
            )
        except DryRun:
            found = None
    if found is not None and not dry_run:
        reviews = Path(given["labels"]) if given.get("labels") else labels_beside(Path(trace))
        found = replace(found, result=with_reviews(found.result, reviews))
    corrected = {"corrected_rows": list(found.corrected)} if found and found.corrected else {}
    told: dict[str, Any] = {"asked": [each.as_json() for each in asked], **corrected}
    if found is None or dry_run:
        write(json.dumps({"dry_run": True, **told}) if given["as_json"] else safe(dry_run_text(found)))
        return
    if given["as_json"]:
        told |= {"answer": found.result.value, "trace": str(found.result.trace), "followed": found.again}
        if found.result.reviewed is not None and found.result.estimates:
            told |= {"reviews": found.result.reviewed.as_json()}
        write(json.dumps(told, ensure_ascii=False))
        return
    write(result_text(found.result))
    write(safe(rerun_text(found, trace)))
