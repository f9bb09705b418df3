"""The options that commands share, and what they mean.

In: words of the command line. Out: contexts, settings, programs. What is needed is imported when it is used, so that
--help is quick.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli import completions
from rlm_dsl.cli.events import emit
from rlm_dsl.cli.output import note, safe
from rlm_dsl.cli.progress import loading_bar, waiting
from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.common.system_errors import system_error
from rlm_dsl.trace.line_ends import keep_line_ends

CONTEXT = click.option(
    "--context",
    "contexts",
    multiple=True,
    metavar="NAME=PATH",
    shell_complete=completions.named_paths,
    help="Data by name: a file, folder or glob; NAME:FORMAT(OPTION=VALUE, ...)=PATH says how it is read "
    "(load --help lists formats and options).",
)
LABELS = click.option(
    "--labels", type=click.Path(), help="Reviewed rows, by which numbers get intervals, if not those beside."
)
THREADS = click.option("--threads", type=click.IntRange(1), help="Threads of the query engine, in this process.")
LARGEST = 1 << 28
"""Bytes of a key or a proof."""
FORCE = click.option("--force", is_flag=True, help="Write it even over a file of another kind.")
ENGINE = click.option(
    "--engine",
    metavar="local|ray|ray:ADDRESS",
    help="What reads and works on the data: this process, or the tasks of a Ray cluster.",
)
MEMORY = click.option("--memory", metavar="2GB", help="Memory of the query engine, and of each task of an --engine.")

STORE = click.option(
    "--store",
    metavar="PLACE",
    help="Where answers are kept: a file, postgresql://..., or read-only; else RLM_DSL_STORE or the user's data.",
)
PRICE = click.option("--price", metavar="IN/OUT", help="Dollars for a million tokens, for all models of the run.")
TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(0.1), show_default="120", help="Seconds to wait for an answer."
)
CONFIRM_OVER = click.option(
    "--confirm-over", type=click.FloatRange(0), metavar="USD", help="Ask before a step may cost more."
)
BATCH = click.option("--batch", is_flag=True, help="Hand a step's requests to the server's Batch API and wait for it.")
PACK = click.option(
    "--pack",
    metavar="auto|N",
    show_default="auto",
    help="Rows that may go together in a request; 1: each alone. auto: as many as are answered as they are alone.",
)
YES = click.option("--yes", is_flag=True, help="Spend within the budget without asking.")
BUDGET = "calls=1000,tokens=2000000"
RECORDED = "as recorded"
"""What holds where a command goes on from a recorded run."""
Options = Callable[[Callable[..., Any]], Callable[..., Any]]
"""What gives a command its options, as `click.option` does."""


def model_options(
    *, model: str = "", base_url: str = "OPENAI_BASE_URL or OpenAI's own", parameters: str = ""
) -> Options:
    """Whom a command asks, each with what holds where it is not given."""
    options = (
        click.option(
            "--model",
            "models",
            multiple=True,
            metavar="[ALIAS=]NAME",
            help=or_else("The model; root=NAME and sub=NAME for different ones", model),
        ),
        click.option("--base-url", help=or_else("Any OpenAI-compatible server", base_url)),
        click.option(
            "--parameter",
            "parameters",
            multiple=True,
            metavar="NAME=JSON",
            help=or_else("Sent with every request, such as temperature=0", parameters),
        ),
    )
    return lambda command: with_options(options, command)


def spending_options(
    *,
    budget: str = BUDGET,
    limits: str = "calls=N,tokens=N,usd=X,seconds=X",
    spent_on: str = "",
    in_flight: str = "",
    max_failed: str | None = "0.2",
    confirms: bool = True,
    packs: bool = True,
    from_file: str = "Models, servers, limits",
) -> Options:
    """What a command may spend and how fast. `budget` and `max_failed` are what holds unless something else is said;
    `spent_on` and `in_flight` say of what that is the most; a command that never stops to ask has no `confirms`,
    one whose rows go together as they did has no `packs`;
    `from_file` is what it takes from the settings file."""
    failed = click.option(
        "--max-failed",
        type=click.FloatRange(0, 1),
        show_default=max_failed or False,
        help="Share of a step's rows that may fail.",
    )
    options = (
        click.option(
            "--budget",
            metavar=limits,
            show_default=budget,
            help=f"The most to spend{spent_on}, checked before each call.",
        ),
        PRICE,
        click.option(
            "--concurrency",
            type=click.IntRange(1),
            show_default="16; of a local server its slots",
            help=f"Requests in flight at most{in_flight}.",
        ),
        TIMEOUT,
        *([] if max_failed is None else [failed]),
        STORE,
        settings_option(from_file),
        *([CONFIRM_OVER] if confirms else []),
        BATCH,
        *([PACK] if packs else []),
        *([YES] if confirms else []),
    )
    return lambda command: with_options(options, command)


def settings_option(holds: str) -> Options:
    """The settings file, and what a command takes from it."""
    return click.option("--settings", "file", metavar="FILE", help=or_else(holds, "./rlm-dsl.yaml"))


def or_else(told: str, otherwise: str) -> str:
    """What an option is for, and what holds without it."""
    return f"{told}; else {otherwise}." if otherwise else f"{told}."


def with_options(options: Sequence[Any], command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


def named_paths(contexts: tuple[str, ...]) -> dict[str, Any]:
    """What is given by each name (`Given`), from NAME=PATH and NAME:FORMAT(OPTION=VALUE, ...)=PATH."""
    from rlm_dsl.context.given import read_given

    found: dict[str, Any] = {}
    for text in contexts:
        name, given = read_given(text)
        if name in found:
            raise UserError(f"context {name} is given twice")
        found[name] = given
    return found


def paths_alone(contexts: tuple[str, ...]) -> dict[str, str]:
    """Where the data of a recorded run lies now; it is read as it was."""
    named = named_paths(contexts)
    for name, given in named.items():
        if given.options:
            raise UserError(
                f"{name} is read as it was recorded", f"name its place alone: --context {name}={given.path}"
            )
    return {name: given.path for name, given in named.items()}


def load_all(
    contexts: tuple[str, ...],
    declared: dict[str, Any] | None = None,
    memory: str | None = None,
    file: str | None = None,
    program: Any = None,
    engine: str | None = None,
) -> dict[str, Any]:
    """The contexts loaded, with notes on what a person should know of them. Where no program declares them, a name that
    none can write is refused first. `file` is the settings file, if one is named; of a `program`'s (Source) data what
    it does not name is told, and not read."""
    from rlm_dsl.models.settings_file import found_settings

    text = None if program is None else program.text
    named = with_file(named_paths(contexts), found_settings(file).contexts, declared, text)
    if not named:
        raise UserError("no data is named", "name some: --context tickets=tickets.csv")
    wanted = named if text is None else used(named, text, declared or {})
    from rlm_dsl.context.placement import Placement

    file_settings = found_settings(file)
    placed = file_settings.engine if engine is None else Placement.read(engine)
    return load_given(wanted, declared, memory, file_settings.keep, placed)


def used(named: Mapping[str, Any], program: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    """The data that a program names; any other is told. Where it lacks some, that is told when it is checked."""
    found = {name: given for name, given in named.items() if name in declared or name in program}
    if not found.keys() >= declared.keys():
        return dict(named)
    for name in named:
        if name not in found:
            hint = "".join(f"; {each}" for each in did_you_mean(name, list(declared), what="its contexts"))
            note(f"note: the program names no context `{name}`, which is not read{safe(hint)}")
    return found


def with_file(
    named: Mapping[str, Any], file: Mapping[str, Any], declared: Mapping[str, Any] | None, program: str | None = None
) -> dict[str, Any]:
    """What the command line names, read as the settings file says where it says nothing of that itself; and, where it
    names nothing, the data of that file, for a program what it declares, or names where it declares nothing."""
    if not named:
        wanted = declared or ([name for name in file if name in program] if program is not None else file)
        return {name: given for name, given in file.items() if given.path and name in wanted}
    return {
        name: replace(file[name], path=given.path) if name in file and not (given.format or given.options) else given
        for name, given in named.items()
    }


def load_given(
    named: Mapping[str, Any],
    declared: Mapping[str, Any] | None = None,
    memory: str | None = None,
    keep: str | None = None,
    engine: Any = None,
) -> dict[str, Any]:
    """Contexts from what is given by each name; `keep` is the folder in which data is kept between runs, and `engine`
    (a Placement) works on it, if it is another than this process."""
    from rlm_dsl.common.memory import memory_bytes
    from rlm_dsl.context.loading import require_options
    from rlm_dsl.engine.storage.open import open_context
    from rlm_dsl.language.names import check_name

    found: dict[str, Any] = {}
    for name in named if declared is None else ():
        check_name(name, "name it otherwise: --context {name}=PATH")
    if engine is not None:
        from rlm_dsl.engine.clusters.open_cluster import open_cluster

        with waiting(f"connecting to {engine.engine}, or starting it"):
            open_cluster(engine)
    for name, given in named.items():
        type_ = (declared or {}).get(name)
        require_options(given, type_)
        with loading_bar(name) as progress:
            found[name], notes = open_context(
                name,
                given.path,
                format=given.format,
                declared=type_,
                progress=progress,
                memory=memory_bytes(memory) if memory else None,
                options=given.options,
                keep=keep,
                engine=engine,
            )
        for told in (*found[name].notes, *notes):
            note(f"note: {name}: {safe(told)}")
    return found


def settings(given: dict[str, Any], *, budget: str = BUDGET, **more: Any) -> Any:
    """The settings of a run: what the command line says, else the settings file, else the usual. `budget` is the
    command's own, which also holds for whatever a --budget does not name."""
    from rlm_dsl.models.cache.place import first_place
    from rlm_dsl.models.prices import Price
    from rlm_dsl.models.settings import DEFAULT_URL, Limits, Settings, read_models
    from rlm_dsl.models.settings_file import found_settings

    file = found_settings(given["file"])
    given["confirm_over"] = file.confirm_over if given.get("confirm_over") is None else given["confirm_over"]
    told = given.get("budget")
    models: dict[str, Any] = {**file.models, **read_models(given.get("models", ()))}
    if "root" in models:
        models.setdefault("sub", models["root"])
    chosen: dict[str, Any] = {
        "limits": Limits.read(told, budget) if told else file.budget or Limits.read(budget),
        "concurrency": given.get("concurrency") or file.concurrency,
        "timeout_seconds": given.get("timeout") or file.timeout_seconds,
        "store": first_place(given["store"], file.store),
        "heads": file.heads,
        "keep": file.keep,
        "engine": given.get("engine") or file.engine,
        "max_failed": file.max_failed if given.get("max_failed") is None else given["max_failed"],
        "window": file.window,
        "card": given.get("card") or file.card,
        "pack": file.pack if given.get("pack") is None else given["pack"],
    }
    if "budget" in given:
        emit("budget", **{name: getattr(chosen["limits"], name) for name in ("calls", "tokens", "usd", "seconds")})
    return Settings(
        models=models,
        base_url=given.get("base_url") or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL,
        parameters={
            **file.parameters,
            **{name: json_value(name, text) for name, text in pairs(given.get("parameters", ()))},
        },
        price=Price.read(given["price"]) if given.get("price") else None,
        prices=file.prices,
        servers=file.servers,
        threads=given.get("threads"),
        memory=given.get("memory"),
        batch=given.get("batch", False),
        **{name: value for name, value in chosen.items() if value is not None},
        **more,
    )


def pairs(given: tuple[str, ...]) -> list[tuple[str, str]]:
    """Names and values of NAME=VALUE, each name once."""
    split = [text.partition("=") for text in given]
    seen: set[str] = set()
    for text, (name, separator, _) in zip(given, split, strict=True):
        if not separator or not name:
            raise UserError(f"no NAME=VALUE: {text!r}")
        if name in seen:
            raise UserError(f"{name} is given twice: {text!r}", "give each name one value")
        seen.add(name)
    return [(name, value) for name, _, value in split]


def json_value(name: str, text: str) -> Any:
    """A value as JSON; what is no JSON is taken as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def new_trace() -> Path:
    import datetime

    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder, number = Path("runs") / f"{stamp}.trace", 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{stamp}-{number}.trace"
    keep_line_ends(folder.parent, ours=True)
    return folder


def declared_contexts(source: Any) -> dict[str, Any]:
    """The types of a program's `context` lines, which say how its data is to be loaded."""
    from rlm_dsl.engine.execution import declared_types

    return declared_types(source)


def file_bytes(path: str) -> bytes:
    """What a small file holds, such as a key. Raises UserError for one of more than `LARGEST` bytes."""
    from rlm_dsl.context.files.find import missing

    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise UserError(f"{path} has more than {LARGEST:,} bytes, and is not read")
        return content
    except FileNotFoundError:
        raise missing(path) from None
    except OSError as failure:
        raise system_error(failure, path, "read") from None


TUNED = click.option(
    "--tuned", "tuned_file", metavar="FILE", help="What optimizing found; else PROGRAM.tuned.yaml, or none."
)


def tuned(path: str, source: Any, given: str | None, chosen: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The program as it was tuned, the settings that go with it, and what a header says of it."""
    from rlm_dsl.optimize.tuned import apply_tuned, find_tuned, proxy_lines, tuning_line

    found = None if path == "-" and given is None else find_tuned(Path(path), given)
    if found is not None:
        for line in (tuning_line(source, found), *proxy_lines(found.proxies)):
            note(safe(line))
    return apply_tuned(source, found, chosen)


def given_program(path: str | None, lines: Sequence[str]) -> tuple[str, Any]:
    """A program by its path, or by its text in words of the command line, which has no path: as standard input has."""
    from rlm_dsl.common.source import Source

    if (path is None) == (not lines):
        what = "no program is named" if path is None else f"both {path} and -e name a program"
        raise UserError(what, "name a file, or write the program: -e 'answer t | count()'")
    return (path, program_source(path)) if path is not None else ("-", Source("(command line)", "\n".join(lines)))


def program_source(path: str) -> Any:
    """A program's text from a file or standard input."""
    import sys

    from rlm_dsl.common.source import Source
    from rlm_dsl.context.files.find import missing

    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return Source("(standard input)" if path == "-" else path, content.decode("utf-8"))
    except FileNotFoundError:
        raise missing(path) from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text", "programs are UTF-8") from None
    except OSError as failure:
        raise system_error(failure, path, "read") from None
