"""What README and the pages name is there: files, modules, commands, options, functions and settings."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from rlm_dsl.cli.commands import group
from rlm_dsl.common.source import Source
from rlm_dsl.models.settings_file import read_settings
from tests.support.paths import DOCS, EXAMPLES, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *EXAMPLES.glob("*/README.md"), ROOT / "traces" / "README.md"])
CODE = sorted(path for room in ("rlm_dsl", "tests", "benchmarks", "examples") for path in (ROOT / room).rglob("*.py"))
ROOMS = "rlm_dsl|tests|benchmarks|examples|docs|grammar|traces"
PATH = re.compile(rf"(?<![\w/.<-])((?:{ROOMS})/[\w./-]*\w\.(?:py|md|txt|lark|json|yaml|csv|jsonl))(?!\w)")
MODULE = re.compile(r"(?<![\w.-])rlm_dsl(?:\.\w+)+")
MADE = re.compile(r"traces/(run\.trace|blessed\.yaml)|[A-Z]{3,}")
"""What a command makes where it stands, and names that stand for any."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = [name for name in PATH.findall(text) if not MADE.search(name)]
    within = re.findall(rf"`(?!{ROOMS})((?:[a-z_]+/)+[a-z_]+\.py)", text)
    named += [f"rlm_dsl/{name}" for name in within]
    linked = [name.partition("#")[0] for name in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in name]
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [name for name in linked if name and not (page.parent / name).exists()] == []


def test_the_files_that_code_names_in_comments_are_there() -> None:
    gone = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in CODE
        for name in PATH.findall(path.read_text(encoding="utf-8"))
        if name.startswith(("rlm_dsl/", "tests/", "benchmarks/")) and not MADE.search(name) and "grammar/" not in name
        if not (ROOT / name).exists()
    ]
    assert gone == []


def commands(text: str) -> Iterator[list[str]]:
    """Each call of rlm-dsl in a page's shell blocks, without what only stands for words."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        lines = block.replace("\\\n", " ").split("\n")
        for line in lines if language in ("", "sh", "text") else []:
            if found := re.match(r"(?:\$ )?(?:\S*/)?rlm-dsl (.*)", line):
                yield [word for word in shlex.split(found[1], comments=True) if word != "..."]


def test_the_commands_in_pages_have_the_options_that_they_are_given() -> None:
    count = 0
    for page in PAGES:
        for words in commands(page.read_text(encoding="utf-8")):
            held: click.Command = group
            while isinstance(held, click.Group) and words:
                word, *rest = words
                held, words = held.commands.get(word) or held.commands["make"], rest if word in held.commands else words
            known = {name for each in held.params for name in (*each.opts, *each.secondary_opts)} | {"--help"}
            given = [word.partition("=")[0] for word in words if word.startswith("--")]
            assert [name for name in given if name not in known] == [], f"{page.name}: {held.name}"
            count += 1
    assert count >= 20


def test_the_commands_and_options_that_sentences_name_are_some_commands() -> None:
    options = {name for each in leaves(group) for held in each.params for name in held.opts}
    others = {"--help", "--accept", "--rlm-traces", "--no-config", "--text", "--encoding"}  # pytest's, ripgrep's
    for page in [ROOT / "README.md", *DOCS.glob("*.md")]:
        sentences = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        named = {
            name
            for quoted in re.findall(r"`(?!python )([^`]+)`", sentences)
            for name in re.findall(r"(?<!\S)--[a-z][a-z-]+", quoted)
        }
        assert named <= options | others, page.name
        called = set(re.findall(r"`rlm-dsl ([a-z-]+)", sentences))
        assert called <= set(group.commands), page.name


def leaves(held: click.Command) -> Iterator[click.Command]:
    if isinstance(held, click.Group):
        for each in held.commands.values():
            yield from leaves(each)
    else:
        yield held


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_in_a_page_reads_and_names_what_there_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for block in blocks:
        ast.parse(block)
    for name in MODULE.findall("\n".join([*blocks, *re.findall(r"`(rlm_dsl\.[\w.]+)", text)])):
        if not name.endswith((".py", ".yaml")):
            assert found(name), f"{page.name}: {name}"


def found(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    module, _, last = dotted.rpartition(".")
    try:
        importlib.import_module(dotted)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), last) if "." in dotted else False
    return True


def test_the_settings_file_in_a_page_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "t")
    (shown,) = re.findall(r"```yaml\n(models:.*?)```", (DOCS / "models.md").read_text(encoding="utf-8"), re.DOTALL)
    held = read_settings(Source("rlm-dsl.yaml", shown))
    assert set(held.models) == {"root", "sub", "small"} and len(held.servers) == 2
    assert set(yaml.safe_load(shown)) == {
        *("models", "servers", "prices", "parameters", "budget", "confirm_over", "max_failed", "window", "heads"),
        *("concurrency", "timeout", "store", "keep", "card", "constrain"),
    }
