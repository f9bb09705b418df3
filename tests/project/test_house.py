"""The house: no two modules import each other, no room is crowded, and tests have the package's rooms."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "rlm_dsl"
CROWDED = 24
"""Modules in one flat row; operators and commands are found by their names, however many there are."""
BY_NAME = {PACKAGE / "language" / "operators", PACKAGE / "cli" / "commands", PACKAGE / "testing" / "personas"}


def test_no_two_modules_import_each_other() -> None:
    grimp = pytest.importorskip("grimp", reason="comes with import-linter: pip install -e '.[dev]'")
    graph = grimp.build_graph("rlm_dsl", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    imports["rlm_dsl"] = set()  # whose public names are looked up when they are first used
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as failure:
        pytest.fail(" -> ".join(failure.args[1]))


def test_each_room_fits_a_screen_and_few_files_lie_loose() -> None:
    loose = [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= 5, loose
    for room in [path.parent for path in PACKAGE.rglob("__init__.py")]:
        files = [path.name for path in room.glob("*.py")]
        assert room in BY_NAME or len(files) <= CROWDED, f"{room.relative_to(ROOT)}: {len(files)} files"


def test_each_module_says_what_it_is_for() -> None:
    def silent(path: Path) -> bool:
        text = path.read_text(encoding="utf-8").lstrip()
        return bool(text) and not text.startswith(('"""', 'r"""'))

    assert [path for path in PACKAGE.rglob("*.py") if silent(path)] == []


def test_tests_have_the_rooms_of_the_package() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    tests = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert rooms - tests <= {"common"}, "a room without tests of its own"
    assert tests - rooms == {"project"}, "tests of no room"
