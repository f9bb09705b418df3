"""Where a report's traces lie: the next one's folder, those of this period, the one to compare with.

In: a spec, a period, a folder. Out: paths. Law: a finished trace is kept; what is compared with is finished, and of no
later period.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.report.period import PERIOD, PLACEHOLDER
from rlm_dsl.report.spec import Spec
from rlm_dsl.trace.layout import SEAL
from rlm_dsl.trace.reader import Trace

TRACES = "traces"
PERIOD_OF_REPORT = "period"
"""What a trace's header says its report's period under."""


def baseline_label(spec: Spec, base: Path) -> str:
    """What a report is compared with, in a word: its period, or the day that it was made."""
    found = "" if spec.baseline or "{" not in spec.out else period_of(spec, base)
    return found or str(Trace.open(base).header.get("created", ""))[:10]


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


def earlier_traces(spec: Spec, out: Path, name: str, period: str) -> list[Path]:
    """The newest trace of each period before this one, oldest first; of a folder that all periods share, all of no
    later one."""
    held = [path for folder in report_folders(spec, out) for path in finished_traces(folder, name)]
    known = sorted((period_of(spec, path), (path / SEAL).stat().st_mtime_ns, str(path)) for path in held)
    shared = "{" not in spec.out
    of_kind = [each for each in known if not each[0] or shape(each[0]) == shape(period)]
    before = [each for each in of_kind if each[0] < period or (shared and each[0] == period)]
    newest_of = {each[0]: each for each in before}
    return [Path(path) for _, _, path in (before if shared else newest_of.values())]


def report_folders(spec: Spec, out: Path) -> list[Path]:
    """The folders of all periods that there are, as the file's `out` has them."""
    if "{" not in spec.out:
        return [out]
    parts = PLACEHOLDER.split(spec.out)  # texts and names by turns
    pattern = "".join("*" if at % 2 else glob.escape(part) for at, part in enumerate(parts))
    return [spec.folder / found for found in glob.glob(pattern, root_dir=spec.folder)]


def period_of(spec: Spec, trace: Path) -> str:
    """The period that a report's trace was made for: it says so, or, if it is an older one, its folder does."""
    try:
        told = Trace.open(trace, changed=True).header.get(PERIOD_OF_REPORT)
    except UserError:
        told = None
    return str(told or period_in(spec, trace.parent.parent))


def period_in(spec: Spec, folder: Path) -> str:
    """The period in a folder's name, read as the file's `out` writes it; empty where that does not tell it."""
    known = {"period": PERIOD.pattern, "year": r"\d{4}", "month": r"[QW]?\d{1,2}"}
    pattern, seen = "", set()
    for at, part in enumerate(PLACEHOLDER.split((spec.folder / spec.out).as_posix())):
        if at % 2 == 0 or part not in known:
            pattern += re.escape(f"{{{part}}}" if at % 2 else part)
        else:
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>{known[part]})"
            seen.add(part)
    found = re.fullmatch(pattern, folder.as_posix())
    named = found.groupdict() if found else {}
    return str(
        named.get("period") or (f"{named['year']}-{named['month']}" if {"year", "month"} <= named.keys() else "")
    )


def shape(period: str) -> str:
    """What kind of period it is: months are compared with months, weeks with weeks."""
    return re.sub(r"\d", "0", period)


def find_baseline(spec: Spec, period: str, earlier: Sequence[Path]) -> Path | None:
    """What a period is compared with: the trace that the file names, else that of the last period before it; where all
    periods share a folder, the newest there of no later one."""
    if spec.baseline == "none":
        return None
    if spec.baseline:
        path = spec.path(spec.baseline, period)
        if not (path / SEAL).is_file():
            raise UserError(f"the baseline {path} is no finished trace", "leave it out to compare with the last period")
        return path
    return earlier[-1] if earlier else None
