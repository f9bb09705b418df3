"""What --help says of a command without its options is what the command does without them.

Every command that asks a model is run once with as few options as it takes; what it was ready to ask with is looked at.
"""

from __future__ import annotations

import datetime
import importlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import pytest

from rlm_dsl.cli.commands import group
from rlm_dsl.cli.shell import run as shell_run
from rlm_dsl.explore.card_choice import chosen_card
from rlm_dsl.language.operators.recurse import DEEPEST
from rlm_dsl.models.server.servers import USUAL_CONCURRENCY
from rlm_dsl.models.settings import DEFAULT_URL, Settings, pack_size
from rlm_dsl.models.settings_file import FileSettings
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.testing import serve
from tests.support import runs
from tests.support.commands import Ran, command

REPORT = """\
title: A report
contexts: {tickets: tickets.csv}
program: p.rlm
models: {sub: reported}
sections: [{text: "It is {answer}."}]
"""
FILE = "prices: {m: 1/2}\n"
RECORDED = "calls=77,tokens=88000"
"""The budget of the run that rerun, what-if and resume go on from; more than a fifth of its rows may fail."""
RECORDED_FAILED = "0.75"


def commands(held: click.Command = group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its words; of a group, those below it."""
    if isinstance(held, click.Group):
        for word, below in held.commands.items():
            yield from commands(below, f"{name} {word}".strip())
    else:
        yield name, held


def options(held: click.Command) -> Iterator[tuple[str, click.Option]]:
    yield from ((each.name or "", each) for each in held.params if isinstance(each, click.Option))


@dataclass(frozen=True)
class Session:
    """A folder in which every command ran, and by command the settings with which it was ready to ask."""

    folder: Path
    url: str
    asked: dict[str, Settings]
    told: dict[str, str]
    named: dict[str, set[str]]
    """Files and folders that a command made."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    for needed in ("dspy", "jinja2", "mcp"):
        pytest.importorskip(needed)
    mcp_server = importlib.import_module("rlm_dsl.integrations.mcp.server")
    folder = tmp_path_factory.mktemp("defaults")
    texts = {"tickets.csv": runs.csv(40), "p.rlm": runs.OF_ONE, "report.yaml": REPORT, "rlm-dsl.yaml": FILE}
    texts["labels.jsonl"] = "".join(json.dumps(each) + "\n" for each in runs.gold(40))
    task = {"question": "How many?", "context": "tickets.csv", "answer": 3}
    texts["tasks.jsonl"] = json.dumps(task) + "\n"
    texts["other.yaml"] = "budget: {calls: 6000, tokens: 7000000}\nprices: {m: 1/2}\n"
    for name, text in texts.items():
        (folder / name).write_text(text)
    with serve(gold=runs.gold(40), script=runs.TURNS_OF_ONE) as server, pytest.MonkeyPatch.context() as patched:
        found = Session(folder, server.base_url, {}, {}, {})
        ready = LiveStack.__init__
        seen: list[Settings] = []

        def noted(stack: LiveStack, settings: Settings, *given: Any, **more: Any) -> None:
            seen.append(settings)
            ready(stack, settings, *given, **more)

        def ran(name: str, *words: str, codes: tuple[int, ...] = (0,), **env: str) -> Ran:
            before = set(folder.rglob("*"))
            seen.clear()
            done = command(folder, *words, **{"OPENAI_BASE_URL": server.base_url, **env})
            assert done.code in codes, done.err
            found.named[name] = {path.relative_to(folder).as_posix() for path in set(folder.rglob("*")) - before}
            found.told[name] = done.out
            if seen:
                found.asked[name] = seen[0]
            return done

        patched.setattr(LiveStack, "__init__", noted)
        patched.setattr(mcp_server, "serve", lambda workspace: None)
        patched.setattr(shell_run, "from_pipe", lambda shell: 0)
        data, model = ("--context", "tickets=tickets.csv"), ("--model", "m")
        ran("ask", "ask", "How many?", *data, *model)
        recorded = ("--budget", RECORDED, "--max-failed", RECORDED_FAILED, "--trace", "run.trace")
        ran("", "run", "p.rlm", *data, *model, *recorded)
        (folder / "p.tuned.yaml").write_text("schema: wrong\n")
        ran("explain", "explain", "p.rlm", codes=(2,))
        ran("run tuned", "run", "p.rlm", *data, *model, codes=(2,))
        (folder / "p.tuned.yaml").unlink()
        ran("run", "run", "p.rlm", *data, *model)
        away = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
        ran("rerun", "rerun", "run.trace", **away)
        guide = ("--at", "topics", "--set", 'classify.guide="Which?"')
        ran("what-if", "what-if", "run.trace", *guide)
        by_hand = ("--at", "topics", "--set", 'topic="other"', "--where", "id == 4")
        ran("correct", "correct", "run.trace", *by_hand)
        ran("recheck", "recheck", "run.trace", "--rows", "2", codes=(0, 1))
        few = ("--budget", "calls=3,tokens=88000", "--max-failed", RECORDED_FAILED)
        (folder / "new.rlm").write_text(runs.OF_ONE.replace("u1", "u2"))
        ran("stopped", "run", "new.rlm", *data, *model, *few, "--trace", "stopped.trace", codes=(3,))
        ran("resume", "resume", "stopped.trace", codes=(3,))
        ran("rerun of more failures", "rerun", "run.trace", "--max-failed", "0.9")
        ran("resume of more failures", "resume", "stopped.trace", "--max-failed", "0.9", codes=(3,))
        ran("eval", "eval", "tasks.jsonl", *model)
        (folder / "stopping.py").write_text("def score(expected, given): raise KeyboardInterrupt\n")
        labels = (*data, "--examples", "labels.jsonl", *model, "--metric", "stopping:score", "--yes")
        ran("optimize", "optimize", "p.rlm", *labels, codes=(130,))
        for name, *more in (("for dollars", "--budget", "usd=9"), ("by a file", "--settings", "other.yaml")):
            ran(f"optimize {name}", "optimize", "p.rlm", *labels, *more, "--out", f"runs/{name}", codes=(2, 130))
        ran("report make", "report", "report.yaml")
        ran("mcp", "mcp", "--allow", ".", *model)
        ran("shell", "shell", *data, *model)
        ran("load", "load", "kept=tickets.csv")
        ran("pack", "pack", "run.trace")
        (folder / "other.zip").write_bytes((folder / "run.trace.zip").read_bytes())
        ran("unpack", "unpack", "other.zip")
        ran("view", "view", "run.trace")
        ran("export", "export", "run.trace", "--otlp")
        ran("prove", "prove", "run.trace", "--event", "1")
        ran("cache export", "cache", "export")
        ran("doctor", "doctor", "p.rlm", *model, codes=(0, 1))
        yield found


def spent(settings: Settings) -> str:
    return ",".join(f"{name}={amount}" for name, amount in settings.limits.as_json().items())


IN_FORCE: dict[str, Callable[[Settings], str]] = {
    "budget": spent,
    "concurrency": lambda settings: (
        f"{settings.concurrency or settings.slots.get(settings.base_url) or USUAL_CONCURRENCY}"
        "; of a local server its slots"
    ),
    "timeout": lambda settings: f"{settings.timeout_seconds:g}",
    "max_failed": lambda settings: f"{settings.max_failed:g}",
    "window": lambda settings: str(settings.window),
    "pack": lambda settings: "auto" if settings.rows_together == pack_size(None) else str(settings.rows_together),
    "depth": lambda settings: str(1 + DEEPEST),
    "constrain": lambda settings: "on" if FileSettings().constrain else "off",
    "card": lambda settings: f"small for small models, else {chosen_card(replace(settings, card=''), None)}",
}
AS_RECORDED = {"budget": RECORDED, "max_failed": RECORDED_FAILED}


def test_a_default_that_help_names_is_the_one_in_force(session: Session) -> None:
    for name, held in commands():
        for option, given in options(held):
            if not isinstance(given.show_default, str):
                continue
            settings = session.asked[name]
            told, now = given.show_default, IN_FORCE[option](settings)
            if told == "as recorded":
                told = AS_RECORDED[option] if name != "resume" or option != "budget" else "calls=3,tokens=88000"
            if (name, option) == ("eval", "budget"):  # of which each of four tasks under way has its share
                limits = settings.limits
                now = f"calls={4 * limits.calls},tokens={4 * limits.tokens}"
            assert told == now, f"{name} --{option}"
            assert f"({given.show_default})" in " ".join(held.get_help(click.Context(held)).split())


def test_a_default_of_click_is_shown_and_arguments_name_theirs() -> None:
    for name, held in commands():
        for option, given in options(held):
            default = given.get_default(click.Context(held))
            if isinstance(default, str | int | float | tuple) and default and not given.is_flag:
                assert given.show_default, f"{name} --{option}"
        for each in held.params:
            if isinstance(each, click.Argument) and isinstance(default := each.get_default(click.Context(held)), str):
                assert f"{default}/ unless said" in " ".join((held.help or "").split()), name


def made(name: str, pattern: str) -> Callable[[Session, str], bool]:
    """Whether a command made what it is said to make."""
    return lambda session, command: any(re.fullmatch(pattern, path) for path in session.named[name or command])


ELSE: dict[str, Callable[[Session, str], bool]] = {
    "OPENAI_BASE_URL or OpenAI's own": lambda session, command: (
        (command not in session.asked or session.asked[command].base_url == session.url) and "openai.com" in DEFAULT_URL
    ),
    "as recorded": lambda session, command: (
        {(each.model, each.base_url) for each in session.asked[command].by_alias().values()} == {("m", session.url)}
    ),
    "the report's own": lambda session, command: session.asked[command].by_alias()["sub"].model == "reported",
    "./rlm-dsl.yaml": lambda session, command: command not in session.asked or "m" in session.asked[command].prices,
    "RLM_DSL_STORE or the user's data": lambda session, command: (
        (command not in session.asked or session.asked[command].store is None)
        and (session.folder / "s.sqlite").is_file()
    ),
    "runs/TIME.trace": made("", r"runs/\d{8}-\d{6}(-\d+)?\.trace"),
    "runs/TASKS.eval": made("", r"runs/tasks\.eval"),
    "runs/PROGRAM.optimize": made("", r"runs/p\.optimize"),
    "TRACE.zip": made("", r"run\.trace\.zip"),
    "FILE without .zip": made("", "other"),
    "TRACE.html": made("", r"run\.trace\.html"),
    "NAME.rlmctx here": made("", r"kept\.rlmctx"),
    "it is made when it has been earned": lambda session, command: not made("", ".*trigram.*")(session, command),
    "PROGRAM.tuned.yaml, or none": lambda session, command: session.told["explain"] == session.told["run tuned"] == "",
    "this month": made("", f"reports/{datetime.date.today():%Y-%m}"),
    "the right answer's": lambda session, command: "1" in session.told["eval"],
    "the budget / parallel": lambda session, command: spent(session.asked["eval"]) == "calls=250,tokens=500000",
    "standard output": lambda session, command: session.told[command].startswith("{"),
}


def test_whatever_else_help_says_holds_without_an_option(session: Session) -> None:
    for name, held in commands():
        for option, given in options(held):
            told = re.search(r"; else (?:to )?(.+)\.$", given.help or "")
            assert told or "else" not in (given.help or ""), f"{name} --{option}"
            if (told and not name.startswith("cache")) or (name, option) == ("cache export", "to"):
                assert told and ELSE[told[1]](session, name), f"{name} --{option}: {told and told[1]}"


def test_what_is_given_goes_before_what_was_recorded_and_the_file_before_the_default(session: Session) -> None:
    assert {session.asked[f"{name} of more failures"].max_failed for name in ("rerun", "resume")} == {0.9}
    assert spent(session.asked["optimize for dollars"]) == "calls=5000,tokens=10000000,usd=9.0"
    assert spent(session.asked["optimize by a file"]) == "calls=6000,tokens=7000000"
