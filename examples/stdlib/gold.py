"""Checks the program of this example against plain Python over the same files.

In: the `.py` files at the top level of this Python's standard library. Out: the answer; exit 1 if the two differ.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
DEF = re.compile(r"^[\t\n\f\r ]*(?:async[\t\n\f\r ]+)?def[\t\n\f\r ]+([0-9A-Za-z_]+)")
CLASS = re.compile(r"^[\t\n\f\r ]*class[\t\n\f\r ]+[0-9A-Za-z_]+")
NOTE = re.compile(r"#.*\b(TODO|FIXME|XXX)\b")


def linked() -> Path:
    """A link to the standard library beside this file, made if it is not there, so that no trace names its place."""
    link = FOLDER / "lib"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(sysconfig.get_path("stdlib"), target_is_directory=True)
    return link


def gold(folder: Path) -> dict[str, Any]:
    """The program's answer, computed without it."""
    lines, defs, noted = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    classes = notes = 0
    for path in sorted(folder.glob("*.py")):
        name = ""
        content = path.read_bytes()
        for line in content.decode("utf-8", "replace").split("\n")[: content.count(b"\n") + (content[-1:] != b"\n")]:
            lines[path.name] += bool(content)
            classes += bool(CLASS.search(line))
            if NOTE.search(line):
                notes += 1
                noted[path.name, name] += bool(name)
            if found := DEF.search(line):
                defs[path.name] += 1
                name = found[1]
    return {
        "files": sum(1 for count in lines.values() if count),
        "lines": sum(lines.values()),
        "longest": [{"path": path, "lines": n} for path, n in most(lines, 5)],
        "defs": sum(defs.values()),
        "most_defs": [{"path": path, "defs": n} for path, n in most(defs, 10)],
        "classes": classes,
        "notes": notes,
        "noted": [{"path": path, "name": name, "notes": n} for (path, name), n in most(noted, 5) if name],
    }


def most(counts: Counter[Any], n: int) -> list[tuple[Any, int]]:
    return sorted(((key, count) for key, count in counts.items() if count), key=lambda item: (-item[1], item[0]))[:n]


def main() -> int:
    from rlm_dsl import run

    program = (FOLDER / "program.rlm").read_text(encoding="utf-8")
    folder = linked()
    found = run(program, {"stdlib": f"{folder}/*.py"}, name="program.rlm").value
    expected = gold(folder)
    for part, value in expected.items():
        same = found[part] == value
        print(f"{'✓' if same else '✗'} {part} = {found[part]}" + ("" if same else f", and plain Python says {value}"))
    return 0 if found == expected else 1


if __name__ == "__main__":
    sys.exit(main())
