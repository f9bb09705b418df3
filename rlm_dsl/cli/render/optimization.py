"""An optimization: a table of what was tried, what the test says, the program's changes.

In: a report. Out: text. Law: what is not proved is said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERDICTS = {
    "better": "better: the interval of its gain is above zero",
    "cheaper": "cheaper, and its score is not worse by more than 0.05 with a certainty of 95 %",
    "unproved": "not proved: these examples cannot tell it from the program as it is",
    "nothing better was found": "nothing better was found",
}


def optimization_text(report: Mapping[str, Any]) -> str:
    """The report as text."""
    files = report["written"]
    unit = "$" if report["cost"]["unit"].startswith("usd") else "tokens"
    rows = [("", "score", f"{unit}/1,000", "calls/1,000", "seconds/1,000")]
    for point in sorted(report["points"], key=lambda p: (p["cost"], -p["score"])):
        mark = "→ " if point["name"] == report["picked"] else "* " if point["front"] else "  "
        cost = f"{point['cost']:,.4f}" if unit == "$" else f"{point['cost']:,.0f}"
        seconds = "-" if point["seconds"] is None else f"{point['seconds']:,.1f}"
        rows.append((mark + point["name"], f"{point['score']:.3f}", cost, f"{point['calls']:,.0f}", seconds))
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    test, cost = report["test"], report["cost"]
    gain = test["gain"]
    ratio = f", {cost['after'] / cost['before']:.2f} times the cost" if cost["before"] else ""
    parts = [
        "What was tried, on the examples to choose by (→ picked, * on the front):",
        *(line.rstrip() for line in lines),
        *(f"note: {each}" for each in report["notes"]),
        "",
        f"On {test['examples']} examples that no search saw: {test['before']:.3f} before, {test['after']:.3f} after, "
        f"gain {gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]{ratio}",
        VERDICTS[report["verdict"]],
    ]
    if report["diff"]:
        parts += ["", report["diff"], ""]
    parts.append(f"written: {', '.join(files)}" if files else "nothing is written; more examples tell smaller gains")
    spent = report["spent"]
    parts.append(f"{spent['calls']:,} model calls of at most {sum(report['bound'].values()):,}")
    return "\n".join(parts)
