"""The files for schedulers are what they say: their commands and options are there, and so is what they copy.

In: examples/jobs. Out: nothing but a verdict. Law: no example names a command, option or file that is not there; what
can be run here is run.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from rlm_dsl.cli import run
from rlm_dsl.cli.commands import group
from rlm_dsl.testing import serve
from tests.support.optional import needs
from tests.support.paths import ROOT

JOBS = ROOT / "examples" / "jobs"
FILES = ("Dockerfile", "crontab", "github-actions.yml", "slurm.sh")


def calls(text: str) -> list[list[str]]:
    """The words of each call of rlm-dsl in a file for a shell."""
    text = re.sub(r"\\\n\s*(?:#\s*)?", " ", text)
    found = re.findall(r"(?:^|[ \t&;'])(?:rlm-dsl run -?|rlm-dsl) ((?:[a-z-]+)(?: [^\n;]*)?)", text, re.MULTILINE)
    return [shlex.split(each.replace("'", ""), comments=True) for each in found if each.split()[0] in group.commands]


def words(file: str) -> list[list[str]]:
    text = (JOBS / file).read_text(encoding="utf-8")
    if file.endswith(".yml"):
        steps = yaml.safe_load(text)["jobs"]["check"]["steps"]
        text = "\n".join(step["run"] for step in steps if "run" in step)
    return calls(text)


@pytest.mark.parametrize("file", FILES)
def test_commands_and_options_are_there(file: str) -> None:
    found = words(file)
    assert found or file == "Dockerfile"
    for name, *given in found:
        command: click.Command = group.commands[name]
        if isinstance(command, click.Group):
            below = command.commands
            command = next((below[word] for word in given if word in below), below.get("make", command))
        known = {option for each in command.params for option in each.opts}
        assert {word for word in given if word.startswith("--")} <= known, (file, name)


def test_the_container_copies_what_is_built_and_names_what_is_there() -> None:
    text = (JOBS / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line and not line.startswith("#")]
    kinds = {line.split()[0] for line in lines}
    assert kinds <= {"FROM", "COPY", "RUN", "ENV", "WORKDIR", "USER", "ENTRYPOINT", "CMD"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.search(r"\$\{wheel\}\[([a-z,]+)\]", text)
    assert extras and set(extras[1].split(",")) <= set(project["optional-dependencies"])
    assert "rlm-dsl" in project["scripts"] and 'ENTRYPOINT ["rlm-dsl"]' in lines
    copied = [line.split()[1] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert copied == [f"dist/{project['name'].replace('-', '_')}-*.whl"]
    made = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert set(re.findall(r"--from=(\S+)", text)) <= made and "USER 10001:10001" in lines
    assert any("-slim" in line for line in lines if line.startswith("FROM"))


def test_the_workflow_is_one_that_github_reads() -> None:
    held = yaml.safe_load((JOBS / "github-actions.yml").read_text(encoding="utf-8"))
    assert held[True] and set(held) <= {"name", True, "permissions", "jobs"}, "YAML reads `on` as true"
    for job in held["jobs"].values():
        assert job["runs-on"] and all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)


def test_python_examples_are_read_and_name_what_is_there() -> None:
    import rlm_dsl

    for file in JOBS.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                 and isinstance(node.value, ast.Name) and node.value.id == "rlm_dsl"}  # fmt: skip
        assert names and all(hasattr(rlm_dsl, name) for name in names)


@needs("dagster")
def test_the_asset_is_materialized_and_asks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dagster as dg

    (tmp_path / "2026-11-02.csv").write_text("id,user,body\n1,a,text 0\n2,b,text 1\n3,c,text 2\n")
    gold = [{"text": f"text {n}", "label": ("billing", "other")[n % 2]} for n in range(3)]
    with serve(gold=gold) as server:
        for name, value in {"TICKETS": tmp_path, "OPENAI_BASE_URL": server.base_url, "MODEL": "m",
                            "RLM_DSL_STORE": tmp_path / "s.sqlite"}.items():  # fmt: skip
            monkeypatch.setenv(name, str(value))
        asset = imported(JOBS / "dagster_asset.py").billing
        for _ in range(2):
            done: Any = dg.materialize([asset], partition_key="2026-11-02")
            assert done.success and server.calls == 3


def imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_the_program_of_the_examples_checks() -> None:
    assert run(["check", str(JOBS / "billing.rlm"), "--strict"]) == 0
