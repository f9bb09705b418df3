"""A report's files: JSON, Markdown with its charts, HTML.

In: a report, its spec. Out: files in the report's folder. Law: none is replaced before all are complete.
"""

from __future__ import annotations

import json
from pathlib import Path

from rlm_dsl.common.atomic_write import write_files
from rlm_dsl.common.own_files import CHART, REPORTS, require_own
from rlm_dsl.report.build import Report
from rlm_dsl.report.markdown import chart_name, report_markdown
from rlm_dsl.report.pages import page
from rlm_dsl.report.spec import Spec


def require_place(spec: Spec, period: str, force: bool) -> None:
    """Raise UserError where a report's files would be written over another's."""
    folder = spec.path(spec.out, period)
    for name, marks in REPORTS.items():
        if name.removeprefix("report.") in spec.outputs:
            require_own(folder / name, marks, force)
    for number in range(1, len(spec.sections) + 1):
        if "md" in spec.outputs:
            require_own(folder / chart_name(number), CHART, force)


def write_report(report: Report, spec: Spec, command: str) -> list[Path]:
    """Every output into the report's folder; the last file is written when all are report."""
    folder = spec.path(spec.out, report.period)
    texts = {}
    if "json" in spec.outputs:
        texts["report.json"] = json.dumps(report.as_json(), ensure_ascii=False, indent=1, default=str) + "\n"
    if "md" in spec.outputs:
        charts = {chart_name(n): each.chart.svg() for n, each in enumerate(report.sections, 1) if each.chart}
        texts |= {**charts, "report.md": report_markdown(report)}
    if "html" in spec.outputs:
        texts["report.html"] = page("report.html", report.title, command, report=report)
    folder.mkdir(parents=True, exist_ok=True)
    write_files({folder / name: text for name, text in texts.items()})
    return [folder / name for name in texts]
