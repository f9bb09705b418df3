"""An optimization: a table of what was tried, what the test says, the program's changes.

In: a report. Out: text. Law: what is not proved is said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlm_dsl.common.counted import counted, money

VERDICTS = {
    "better": "better: the interval of its gain is above zero",
    "cheaper": "cheaper, and its score is not worse by more than 0.05 with a certainty of 95 %",
    "unproved": "not proved: these examples cannot tell it from the program as it is",
    "nothing better was found": "nothing better was found",
}
UNITS = {"usd": "$/1,000", "tokens": "tokens/1,000"}
COSTS = {"usd": "dollars", "tokens": "tokens", "seconds": "seconds"}


def optimization_text(report: Mapping[str, Any]) -> str:
    """The report as text."""
    files = report.get("written")
    unit = report["cost"]["unit"].partition(" ")[0]
    rows = [("", "score", *([] if unit == "seconds" else [UNITS[unit]]), "calls/1,000", "seconds/1,000")]
    for point in sorted(report["points"], key=lambda p: (p["cost"], -p["score"])):
        mark = "→ " if point["name"] == report["picked"] else "* " if point["front"] else "  "
        told = money(point["cost"]).lstrip("$") if unit == "usd" else f"{point['cost']:,.0f}"
        cost = [] if unit == "seconds" else [told]
        taken = point["cost"] if unit == "seconds" else point["seconds"]
        seconds = "-" if taken is None else f"{taken:,.1f}"
        rows.append((mark + point["name"], f"{point['score']:.3f}", *cost, f"{point['calls']:,.0f}", seconds))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    test, cost = report["test"], report["cost"]
    gain = test["gain"]
    ratio = f", {cost['after'] / cost['before']:.2f} times the {COSTS[unit]}" if cost["before"] else ""
    parts = [
        "What was tried, on the examples to choose by (→ picked, * on the front):",
        *(line.rstrip() for line in lines),
        f"picked: {report['why']}",
        *(f"note: {each}" for each in report["notes"]),
        "",
        f"On {test['examples']} examples that no search saw: {test['before']:.3f} before, {test['after']:.3f} after, "
        f"gain {gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]{ratio}; "
        f"{test['differ']['better']} came out better, {test['differ']['worse']} worse",
        VERDICTS[report["verdict"]],
    ]
    if report["diff"]:
        parts += ["", report["diff"], ""]
    if files is not None:
        parts.append(
            f"written: {', '.join(files)}" if files else "nothing is written; more examples tell smaller gains"
        )
    spent = report["spent"]
    wrote, most = report["writer"], sum(report["bound"].values())
    writer = f"; {wrote['calls']:,} by {wrote['model']}, which writes instructions" if wrote["calls"] else ""
    parts.append(f"{counted(spent['calls'], 'model call')} of at most {most:,}, {spent['seconds']:,.0f} s{writer}")
    return "\n".join(parts)
