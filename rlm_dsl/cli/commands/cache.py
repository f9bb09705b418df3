"""`cache`: look after the answer store."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlm_dsl.cli.given_once import Once
from rlm_dsl.cli.options import FORCE, STORE, settings, settings_option
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.cli.render.table import table_text
from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.own_files import ANSWERS, require_own
from rlm_dsl.common.system_errors import system_error

if TYPE_CHECKING:
    from rlm_dsl.models.cache.protocol import Entry

SETTINGS = settings_option("Where the store is")


@contextmanager
def opened_store(store: str | None, file: str | None, *, read_only: bool = False) -> Iterator[Any]:
    """The store that is named here or in the settings file; one that is not there is not made."""
    from rlm_dsl.models.cache.opening import open_place
    from rlm_dsl.models.cache.place import read_place

    place = read_place(settings({"store": store, "file": file}).store)
    if not place.scheme and not place.path.exists():
        raise UserError(f"there is no answer store at {place.path}", "it is made by the first run that asks a model")
    held = open_place(replace(place, read_only=place.read_only or read_only))
    try:
        yield held
    finally:
        held.close()


def opened_target(store: str | None, file: str | None) -> Any:
    """The same, made where it is not there."""
    from rlm_dsl.models.cache.opening import open_store

    return closing(open_store(settings({"store": store, "file": file}).store))


@click.group("cache", cls=Once)
def command() -> None:
    """The answer store: every answer that was paid for, kept for the next run.

    Example: rlm-dsl cache stats
    """


@command.command("stats")
@STORE
@SETTINGS
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def stats_command(store: str | None, file: str | None, as_json: bool) -> None:
    """How many answers there are, of which models, since when.

    Example: rlm-dsl cache stats --json
    """
    with opened_store(store, file, read_only=True) as held:
        found = held.stats()
    if as_json:
        write(json.dumps(found.as_json(), ensure_ascii=False))
        return
    write(f"{found.path}: {counted(found.answers, 'answer')}, {counted(found.bytes, 'byte')}")
    if found.models:
        rows = [
            [model, f"{count:,}", f"{size:,}", day(first), day(last)]
            for model, count, size, first, last in found.models
        ]
        write(safe(table_text(("model", "answers", "bytes", "oldest", "newest"), rows)))
    if found.batches:
        write(f"batches under way: {found.batches:,}; the run that submitted one takes its answers when it runs again")


def day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d") if seconds else "unknown"


@command.command("gc")
@STORE
@SETTINGS
@click.option("--older", metavar="30d", help="Only answers older than this: 12h, 30d, 8w.")
@click.option("--model", help="Only answers of this model.")
@click.option("--keep", metavar="1GB", help="Only the oldest, so that the newest of this size stay.")
@click.option("--dry-run", is_flag=True, help="Say what would go.")
@click.option("--yes", is_flag=True, help="Take them out without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print how many as JSON.")
def gc_command(
    store: str | None,
    file: str | None,
    older: str | None,
    model: str | None,
    keep: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take answers out: they are asked and paid for again when they are wanted. Traces keep their own.

    What is given together narrows: --model M --keep 1GB takes answers of M alone, the oldest, until M's are no larger
    than that. What would go is told first.

    Example: rlm-dsl cache gc --older 90d --dry-run
    """
    from rlm_dsl.cli.approval import confirmed
    from rlm_dsl.common.memory import memory_bytes
    from rlm_dsl.models.cache.maintenance import going, seconds

    if not (older or model or keep):
        raise UserError("what shall go is not said", "name --older 30d, --model NAME or --keep 1GB")
    with opened_store(store, file, read_only=dry_run) as held:
        found = going(held, seconds(older) if older else None, model, memory_bytes(keep) if keep else None)
        told = going_text(found)
        if found and not dry_run:
            confirmed(f"{told} would go from {held.told}", "take them out?", yes, "say --yes to take them out")
            held.discard(entry.key for entry in found)
    if as_json:
        write(json.dumps({"answers": len(found), "bytes": sum(entry.bytes for entry in found), "dry_run": dry_run}))
    else:
        write(safe(f"{told} {'would go' if dry_run else 'went'}"))


def going_text(found: list[Entry]) -> str:
    """`30 answers (12,345 bytes): 20 of a, 10 of b`."""
    told = f"{counted(len(found), 'answer')} ({counted(sum(entry.bytes for entry in found), 'byte')})"
    models = Counter(entry.model for entry in found).most_common()
    return f"{told}: {', '.join(f'{count:,} of {model}' for model, count in models)}" if found else "no answers"


@command.command("export")
@STORE
@SETTINGS
@click.option("--to", metavar="FILE", help="Where it goes; else standard output.")
@FORCE
def export_command(store: str | None, file: str | None, to: str | None, force: bool) -> None:
    """Write every request with its answer, a line of JSON each. Keys and secrets were never in it.

    Example: rlm-dsl cache export --to answers.jsonl
    """
    from rlm_dsl.models.cache.maintenance import lines

    with opened_store(store, file, read_only=True) as held:
        if to is None:
            for line in lines(held):
                write(line)
            return
        try:
            with require_own(Path(to), ANSWERS, force).open("w", encoding="utf-8", newline="\n") as out:
                count = sum(1 for line in lines(held) if out.write(line + "\n"))
        except OSError as failure:
            raise system_error(failure, to, "written") from None
    note(counted(count, "answer"))


@command.command("import")
@click.argument("place")
@STORE
@SETTINGS
@click.option("--json", "as_json", is_flag=True, help="Print how much came as JSON.")
def import_command(place: str, store: str | None, file: str | None, as_json: bool) -> None:
    """Add what the store at PLACE holds, a file or postgresql://HOST/DB, to this one: what is there already stays.

    Example: rlm-dsl cache import answers.sqlite --store postgresql://db/answers
    """
    from rlm_dsl.models.cache.maintenance import copy
    from rlm_dsl.models.cache.opening import open_place
    from rlm_dsl.models.cache.place import read_place

    source = replace(read_place(place), read_only=True)
    with closing(open_place(source)) as held, opened_target(store, file) as to:
        came = copy(held, to)
        told = f"{counted(came['answers'], 'answer')} came from {held.told} to {to.told}"
    write(json.dumps(came) if as_json else safe(told))
