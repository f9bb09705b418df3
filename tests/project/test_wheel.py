"""The built wheel carries all it needs: grammar, types' marker, command. An editable install finds them elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def test_a_program_runs_from_the_wheel_alone(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), "."]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    if built.returncode and "hatchling" in built.stderr:
        pytest.skip("the build backend cannot be installed here")
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("rlm_dsl-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert {"rlm_dsl/grammar/rlm.lark", "rlm_dsl/py.typed"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "examples/", "traces/"))]
    (tmp_path / "t.txt").write_text("one\ntwo\n")
    (tmp_path / "p.rlm").write_text('answer t | grep(r"^t") | count()\n')
    run = [
        sys.executable,
        "-c",
        "import rlm_dsl, sys; assert 'site' in rlm_dsl.__file__; from rlm_dsl.cli import main; main()",
        "run",
        "p.rlm",
        "--context",
        "t=t.txt",
        "--json",
    ]
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "RLM_DSL_STORE": str(tmp_path / "s.sqlite")}
    done = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
