"""The commands and their options. What a command needs is imported when it runs, so that --help is quick."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rlm_dsl.cli.output import Bar, loading_bar, note, safe, write
from rlm_dsl.diagnostics import UserError
from rlm_dsl.version import version

CONTEXT = click.option(
    "--context",
    "contexts",
    multiple=True,
    metavar="NAME=PATH",
    help="Data by name: a file, folder or glob; NAME:documents=PATH says the format.",
)
THREADS = click.option("--threads", type=click.IntRange(1), help="Threads of the query engine.")
MEMORY = click.option("--memory", metavar="2GB", help="Memory of the query engine.")


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that may ask a model."""
    options = (
        click.option(
            "--model",
            "models",
            multiple=True,
            metavar="[ALIAS=]NAME",
            help="The model; root=NAME and sub=NAME for different ones.",
        ),
        click.option("--base-url", help="Any OpenAI-compatible server; else OPENAI_BASE_URL."),
        click.option(
            "--parameter",
            "parameters",
            multiple=True,
            metavar="NAME=JSON",
            help="Sent with every request, such as temperature=0.",
        ),
        click.option(
            "--budget",
            default="calls=1000,tokens=2000000",
            show_default=True,
            help="The most to spend, checked before each call.",
        ),
        click.option("--price", metavar="IN/OUT", help="Dollars for a million tokens, to show cost."),
        click.option(
            "--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Requests in flight at most."
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(0.1),
            default=120.0,
            show_default=True,
            help="Seconds to wait for an answer.",
        ),
        click.option("--store", metavar="PATH", help="Where answers are kept; else RLM_DSL_STORE or the user's data."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="rlm-dsl")
def group() -> None:
    """Answer questions over large corpora by small typed programs; every run can be verified offline.

    Exit codes: 0 fine, 1 a finding, 2 bad input or usage, 3 stopped by budget or an outage, 130 interrupted.
    """


def named_paths(contexts: tuple[str, ...]) -> dict[str, tuple[str, str | None]]:
    """Path and format by name, from NAME=PATH and NAME:FORMAT=PATH."""
    found: dict[str, tuple[str, str | None]] = {}
    for given in contexts:
        name, separator, path = given.partition("=")
        name, _, form = name.partition(":")
        if not separator or not name or not path:
            raise UserError(f"no context: {given!r}", "write --context tickets=tickets.csv")
        if name in found:
            raise UserError(f"context {name} is given twice")
        found[name] = (path, form or None)
    return found


def load_all(
    contexts: tuple[str, ...], declared: dict[str, Any] | None = None, memory: str | None = None
) -> dict[str, Any]:
    """The contexts loaded, with notes on what a person should know of them."""
    from rlm_dsl.runtime.storing import obtain
    from rlm_dsl.runtime.warehouse import memory_bytes

    if not contexts:
        raise UserError("no data is named", "name some: --context tickets=tickets.csv")
    found = {}
    for name, (path, form) in named_paths(contexts).items():
        with loading_bar(name) as progress:
            found[name], notes = obtain(
                name,
                path,
                format=form,
                declared=(declared or {}).get(name),
                progress=progress,
                memory=memory_bytes(memory) if memory else None,
            )
        for told in (*found[name].notes, *notes):
            note(f"note: {name}: {safe(told)}")
    return found


def settings(given: dict[str, Any], **more: Any) -> Any:
    from rlm_dsl.runtime.settings import DEFAULT_URL, Limits, Price, Settings, read_models

    return Settings(
        models=read_models(given["models"]),
        base_url=given["base_url"] or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL,
        parameters={name: json_value(name, text) for name, text in pairs(given["parameters"])},
        limits=Limits.read(given["budget"]),
        price=Price.read(given["price"]) if given["price"] else None,
        concurrency=given["concurrency"],
        timeout_seconds=given["timeout"],
        store=given["store"],
        threads=given["threads"],
        memory=given["memory"],
        **more,
    )


def pairs(given: tuple[str, ...]) -> list[tuple[str, str]]:
    split = [text.partition("=") for text in given]
    for text, (name, separator, _) in zip(given, split, strict=True):
        if not separator or not name:
            raise UserError(f"no NAME=VALUE: {text!r}")
    return [(name, value) for name, _, value in split]


def json_value(name: str, text: str) -> Any:
    """A value as JSON; what is no JSON is taken as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@group.command()
@click.argument("question")
@CONTEXT
@model_options
@click.option("--turns", type=click.IntRange(1), default=20, show_default=True, help="Turns of the root model.")
@click.option("--trace", metavar="FOLDER", help="Where the trace goes; else runs/TIME.trace.")
@click.option("--no-trace", is_flag=True, help="Leave no trace.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON alone.")
@THREADS
@MEMORY
def ask(
    question: str, contexts: tuple[str, ...], turns: int, trace: str | None, no_trace: bool, as_json: bool, **given: Any
) -> None:
    """Explore the contexts until QUESTION is answered."""
    from rlm_dsl.cli.telling import told_result, told_turn
    from rlm_dsl.explore.asking import answer_question

    folder = None if no_trace else Path(trace) if trace else new_trace()
    chosen = settings(given, turns=turns)
    result = answer_question(
        question,
        load_all(contexts, memory=given["memory"]),
        chosen,
        api_key=os.environ.get("OPENAI_API_KEY"),
        environment=os.environ,
        progress=Bar(),
        shown=lambda told: note(told_turn(told)),
        trace=folder,
    )
    write(json.dumps(result.value, ensure_ascii=False) if as_json else told_result(result))


def new_trace() -> Path:
    import datetime

    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder, number = Path("runs") / f"{stamp}.trace", 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{stamp}-{number}.trace"
    return folder


@group.command()
@click.argument("program", type=click.Path())
@CONTEXT
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value for this run.")
@model_options
@click.option("--answers", metavar="TRACE", help="Use the answers of this trace and ask no model.")
@click.option("--trace", metavar="FOLDER", help="Record the run there.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON alone.")
@THREADS
@MEMORY
def run(
    program: str,
    contexts: tuple[str, ...],
    params: tuple[str, ...],
    answers: str | None,
    trace: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Run PROGRAM (a file, or - for standard input) over the contexts."""
    from rlm_dsl.cli.telling import told_result
    from rlm_dsl.explore.sub_run import explore_text
    from rlm_dsl.runtime.running import run_program
    from rlm_dsl.trace.file import Trace

    source = program_source(program)
    recorded = Trace.open(Path(answers)) if answers else None
    result = run_program(
        source,
        load_all(contexts, declared(source), given["memory"]),
        {name: json_value(name, text) for name, text in pairs(params)},
        settings(given),
        api_key=os.environ.get("OPENAI_API_KEY"),
        environment=os.environ,
        progress=Bar(),
        trace=Path(trace) if trace else None,
        answers=recorded,
        explorer=explore_text,
    )
    for warning in result.execution.warnings:
        note(warning)
    write(json.dumps(result.value, ensure_ascii=False) if as_json else told_result(result))


def declared(source: Any) -> dict[str, Any]:
    """The types of a program's `context` lines, which say how its data is to be loaded."""
    from rlm_dsl.runtime.execution import declared_types

    return declared_types(source)


def program_source(path: str) -> Any:
    """A program's text from a file or standard input."""
    import sys

    from rlm_dsl.context.reading import missing
    from rlm_dsl.source import Source

    try:
        content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return Source("(standard input)" if path == "-" else path, content.decode("utf-8"))
    except FileNotFoundError:
        raise missing(path) from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text", "programs are UTF-8") from None
    except OSError as failure:
        raise UserError(f"{path} cannot be read: {failure.strerror}") from None


@group.command("load")
@click.argument("sources", nargs=-1, required=True, metavar="NAME=PATH...")
@click.option("--to", metavar="FOLDER", help="Where the loaded context goes; else NAME.rlmctx here.")
@click.option("--index", is_flag=True, help="Make the index of trigrams now; else it is made when it has been earned.")
@MEMORY
def load_command(sources: tuple[str, ...], to: str | None, index: bool, memory: str | None) -> None:
    """Load data once and keep it: later runs open NAME.rlmctx at once.

    NAME:FORMAT=PATH says the format, - is standard input. An argument that is a .rlmctx folder is brought up to its
    sources: only what was appended is read where nothing else changed.
    """
    from rlm_dsl.cli.storing import kept

    if to and len(sources) > 1:
        raise UserError("--to names one folder, and there are several sources", "load them one by one")
    for given in sources:
        write(safe(kept(given, to, memory, index)))


@group.command()
@click.argument("trace", type=click.Path())
@CONTEXT
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(trace: str, contexts: tuple[str, ...], as_json: bool) -> int:
    """Check TRACE level by level, without a model and without a network."""
    from rlm_dsl.runtime.verify import verify as verify_trace
    from rlm_dsl.trace.divergence import render_report
    from rlm_dsl.trace.file import Trace

    paths = {name: path for name, (path, _) in named_paths(contexts).items()}
    report = verify_trace(Trace.open(Path(trace), unfinished=True), paths, os.environ)
    write(json.dumps(report.as_json(), ensure_ascii=False, indent=1) if as_json else safe(render_report(report)))
    return 0 if report.ok else 1


@group.command()
@click.argument("trace", type=click.Path())
def show(trace: str) -> None:
    """Tell the run of TRACE as a person would."""
    from rlm_dsl.cli.telling import told_trace
    from rlm_dsl.trace.file import Trace

    write(told_trace(Trace.open(Path(trace), unfinished=True)))


@group.command()
@click.argument("programs", type=click.Path(), nargs=-1, required=True, metavar="PROGRAM...")
@CONTEXT
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value.")
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
@click.option("--github", is_flag=True, help="Print the problems as annotations of a GitHub workflow.")
@click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings alone.")
def check(
    programs: tuple[str, ...],
    contexts: tuple[str, ...],
    params: tuple[str, ...],
    as_json: bool,
    github: bool,
    strict: bool,
) -> int:
    """Report every problem of each PROGRAM, against its data if named, else against its `context` lines."""
    from rlm_dsl.cli.checking import checked, told

    values = {name: json_value(name, text) for name, text in pairs(params)}
    found = [checked(program_source(program), contexts, values, load_all) for program in programs]
    form = "json" if as_json else "github" if github else "text"
    problems = [problem for one in found for problem in one.problems]
    failed = any(problem.severity == "error" for problem in problems)
    text = told(found, form)
    (write if form != "text" else note)(text) if text else None
    return 2 if failed else int(strict and bool(problems))


@group.command()
@click.argument("program", type=click.Path())
@click.option("--check", "only_check", is_flag=True, help="Change nothing; exit 1 if the form is not canonical.")
@click.option("--write", "in_place", is_flag=True, help="Write the canonical form back into the file.")
def fmt(program: str, only_check: bool, in_place: bool) -> int:
    """Print PROGRAM in its canonical form."""
    from rlm_dsl.syntax.parse import parse
    from rlm_dsl.syntax.show import show as canonical

    source = program_source(program)
    text = canonical(parse(source))
    if only_check:
        if text != source.text:
            note(f"{program} is not in canonical form")
        return int(text != source.text)
    if in_place and program != "-":
        if text != source.text:
            Path(program).write_text(text, encoding="utf-8", newline="\n")
    else:
        click.echo(text, nl=False)
    return 0


@group.command()
@click.argument("program", type=click.Path())
@CONTEXT
@click.option("--param", "params", multiple=True, metavar="NAME=JSON", help="A param's value.")
def explain(program: str, contexts: tuple[str, ...], params: tuple[str, ...]) -> None:
    """Show PROGRAM's canonical form, its stages, SQL and bounds of model calls; nothing is run."""
    from rlm_dsl.cli.telling import told_plan

    source = program_source(program)
    data = load_all(contexts, declared(source)) if contexts else {}
    write(told_plan(source, data, {name: json_value(name, text) for name, text in pairs(params)}))


@group.command()
@click.option(
    "--size",
    type=click.Choice(["small", "medium", "full"]),
    default="medium",
    show_default=True,
    help="A line an operator, what the root model reads, or the manual too.",
)
def card(size: Any) -> None:
    """Print the operator card: what a model needs to know of the language."""
    from rlm_dsl.card import card as whole

    write(whole(size))


@group.command()
@CONTEXT
@model_options
@THREADS
@MEMORY
def shell(contexts: tuple[str, ...], **given: Any) -> int:
    """Explore the contexts by hand, statement by statement; :help tells more."""
    from rlm_dsl.cli.shell import run_shell

    return run_shell(load_all(contexts, memory=given["memory"]), settings(given), os.environ)


@group.command()
def lsp() -> None:
    """Serve an editor over standard input and output: problems, completion, manual, formatting."""
    try:
        from rlm_dsl.editor.server import serve
    except ModuleNotFoundError as failure:
        if (failure.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise UserError("the language server is not installed; get it with: pip install 'rlm-dsl[editor]'") from None
    serve()
