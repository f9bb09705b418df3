"""Where a report's traces lie: the next one's folder, those of this period, the one to compare with.

In: a spec, a period, a folder. Out: paths. Law: a finished trace is kept; what is compared with is finished.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.report.spec import Spec
from rlm_dsl.trace.layout import SEAL
from rlm_dsl.trace.reader import Trace

TRACES = "traces"


def baseline_label(spec: Spec, base: Path) -> str:
    """What a report is compared with, in a word: its period, or the day that it was made."""
    if not spec.baseline and "{" in spec.out:
        return base.parent.parent.name
    return str(Trace.open(base).header.get("created", ""))[:10]


def free_folder(path: Path) -> Path:
    """The trace's folder: an unfinished one is begun anew, a finished one is kept and another taken."""
    number, found = 1, path
    while (found / SEAL).exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}.trace")
    return found


def finished_traces(out: Path, name: str) -> list[Path]:
    """The finished traces of a program in a report's folder."""
    stem = name or "report"
    held = (out / TRACES).glob("*.trace")
    return [path for path in held if (path / SEAL).is_file() and re.fullmatch(rf"{re.escape(stem)}(-\d+)?", path.stem)]


def newest(traces: Sequence[Path]) -> Path | None:
    return max(traces, key=lambda path: ((path / SEAL).stat().st_mtime_ns, str(path)), default=None)


def earlier_traces(spec: Spec, out: Path, name: str) -> list[Path]:
    """The newest trace of each period before this one, oldest first; of a shared folder all there are."""
    if "{" not in spec.out:
        return sorted(finished_traces(out, name), key=lambda path: (path / SEAL).stat().st_mtime_ns)
    others = sorted(folder for folder in out.parent.glob("*") if folder.is_dir() and folder.name < out.name)
    return [found for folder in others if (found := newest(finished_traces(folder, name))) is not None]


def find_baseline(spec: Spec, out: Path, name: str, period: str) -> Path | None:
    """What a period is compared with: the trace that the file names, else the newest of another period; where all
    periods share a folder, the newest there."""
    if spec.baseline == "none":
        return None
    if spec.baseline:
        path = spec.path(spec.baseline, period)
        if not (path / SEAL).is_file():
            raise UserError(f"the baseline {path} is no finished trace", "leave it out to compare with the last period")
        return path
    if "{" not in spec.out:
        return newest(finished_traces(out, name))
    others = [folder for folder in out.parent.glob("*") if folder.is_dir() and folder != out]
    return newest([trace for folder in others for trace in finished_traces(folder, name)])
