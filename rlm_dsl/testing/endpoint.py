"""The endpoint's command line.

In: options, one for each fault. Out: a server until it is stopped; its base URL on stdout. Law: what makes no sense is
one message and exit 2.

    python -m rlm_dsl.testing.endpoint --port 8808 --gold gold.jsonl --script turns.json
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click

from rlm_dsl.testing.answers import Answering
from rlm_dsl.testing.faults import FAULTS, Faults
from rlm_dsl.testing.gold import load_gold
from rlm_dsl.testing.listen import running
from rlm_dsl.testing.persona import persona_named, personas_by_name
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.routes import Endpoint
from rlm_dsl.testing.script import load_script
from rlm_dsl.testing.settings import Settings

KINDS: dict[str, Any] = {"float": float, "int | None": int, "str": str}


def fault_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each field of Faults, its help included."""
    for told in reversed([each for each in fields(Faults) if each.metadata]):
        name = f"--{told.name.replace('_', '-')}"
        default = None if told.default is MISSING else told.default
        kind: dict[str, Any] = {"is_flag": True} if told.type == "bool" else {"type": KINDS[str(told.type)]}
        shown = isinstance(default, float) and default > 0
        option = click.option(name, told.name, default=default, show_default=shown, help=told.metadata["help"], **kind)
        command = option(command)
    return command


def exact_requests(context: click.Context, parameter: click.Parameter, told: Sequence[str]) -> dict[str, list[int]]:
    """`--at 429:1,2` as `{"429": [1, 2]}`."""
    found: dict[str, list[int]] = {}
    for each in told:
        fault, _, numbers = each.partition(":")
        if not all(number.isdigit() for number in numbers.split(",")):
            raise click.BadParameter(f"{each!r} is not of the form FAULT:1,2")
        found.setdefault(fault, []).extend(map(int, numbers.split(",")))
    return found


def names(context: click.Context, parameter: click.Parameter, told: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for each in told for name in each.split(",") if name.strip())


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(name="python -m rlm_dsl.testing.endpoint")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8808,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--as",
    "persona",
    type=click.Choice(list(personas_by_name())),
    default=OPENAI.name,
    show_default=True,
    help="The family of servers to answer as.",
)
@click.option("--gold", type=FILE, help="Gold answers, JSON Lines.")
@click.option("--script", type=FILE, help="Root turns: .json, or .txt with lines of --- between turns.")
@click.option("--strict-script", is_flag=True, help="Answer 500 past the script's end, not its last turn again.")
@click.option(
    "--fallback",
    type=click.Choice(["error", "first", "learn"]),
    default="error",
    show_default=True,
    help="Without gold: 400 or a first value; learn: what the prompt teaches, gold or not.",
)
@click.option("--error-rate", default=0.0, show_default=True, help="Share of gold answers made wrong on purpose.")
@click.option("--seed", default=0, show_default=True, help="For errors, faults and jitter.")
@click.option("--key", envvar="RLM_DSL_TESTING_KEY", help="The only API key accepted; any without it.")
@click.option("--models", multiple=True, callback=names, help="The only models accepted, separated by commas.")
@click.option(
    "--at", multiple=True, callback=exact_requests, help=f"FAULT:N,N for exact requests: {', '.join(FAULTS)}."
)
@fault_options
def main(
    host: str,
    port: int,
    persona: str,
    gold: Path | None,
    script: Path | None,
    strict_script: bool,
    fallback: Any,
    error_rate: float,
    seed: int,
    key: str | None,
    models: tuple[str, ...],
    **faults: Any,
) -> None:
    """Serve scripted answers in OpenAI's API; nothing it says is a model's."""
    try:
        answering = Answering(
            load_gold(gold) if gold else None,
            load_script(script, strict_script) if script else None,
            fallback,
            error_rate,
            seed,
        )
        faulty, character = Faults(**faults, seed=seed), persona_named(persona)
        settings = Settings(answering, faulty, key, models, host, port, keep_requests=False, persona=character)
        asyncio.run(until_stopped(Endpoint(settings)))
    except (ValueError, OSError) as failure:
        told = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        raise click.UsageError(told) from None
    except KeyboardInterrupt:
        return


async def until_stopped(endpoint: Endpoint) -> None:
    """Serves until SIGINT or SIGTERM; prints the base URL when ready."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with running(endpoint) as base_url:
        click.echo(base_url)
        await stopping.wait()


if __name__ == "__main__":
    main()
