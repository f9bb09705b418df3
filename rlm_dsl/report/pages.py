"""Pages: values in templates, as one HTML file that loads nothing.

In: what is to be shown. Out: HTML. Law: texts are escaped and their control characters made visible; the page's policy
lets run its own script and style alone, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from difflib import ndiff
from functools import cache
from importlib.resources import files
from typing import Any

from rlm_dsl.common.counted import counted, money
from rlm_dsl.common.diagnostics import printable_lines
from rlm_dsl.common.version import version
from rlm_dsl.compare.diff import Difference
from rlm_dsl.report.charts import front_chart
from rlm_dsl.report.run_view import RunView
from rlm_dsl.report.values import as_text
from rlm_dsl.review.corrected import StepReview
from rlm_dsl.review.reviewed import Reviewed, where_of

TEMPLATES = files("rlm_dsl") / "report" / "templates"
DIFF_ROWS = 500


@cache
def asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def csp_hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


@cache
def policy(more: str = "") -> str:
    """What a page may do: nothing but its own style and script. A page with assets of its own, as `review`, may also
    speak to whom it came from."""
    style, script = csp_hash(asset("style.css")), csp_hash(asset("script.js"))
    if more:
        style, script = f"{style} {csp_hash(asset(f'{more}.css'))}", csp_hash(asset(f"{more}.js"))
    parts = [f"style-src {style}", f"script-src {script}", "img-src data:", "base-uri 'none'", "form-action 'none'"]
    return "; ".join(["default-src 'none'", *parts, *(["connect-src 'self'"] if more else [])])


@cache
def environment() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FunctionLoader(asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=lambda value: printable_lines(value) if type(value) is str else "" if value is None else value,
    )
    made.filters["isnumber"] = is_number
    made.filters["cut"] = lambda text, most: text if len(text) <= most else text[:most]
    made.filters["tojson_plain"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    made.filters["size"] = size
    made.filters["money"] = money
    made.filters["coded"] = coded
    made.filters["agreement"] = agreement
    made.filters["unknown"] = unknown_numbers
    made.globals |= {
        "style": Markup(asset("style.css")),
        "script": Markup(asset("script.js")),
        "policy": policy(),
        "version": version(),
    }
    return made


def coded(line: str) -> Any:
    """A line whose names in backticks are code."""
    from markupsafe import Markup, escape

    parts = printable_lines(line).split("`")
    return Markup("").join(escape(p) if n % 2 == 0 else Markup("<code>%s</code>") % p for n, p in enumerate(parts))


def agreement(step: StepReview) -> str:
    """How often a step's model is right: `91 % (82 to 97)`."""
    found = step.agreement
    if found.value is None or found.low is None or found.high is None:
        return "a share that is not known"
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f} to {100 * found.high:.0f})"


def unknown_numbers(reviews: Reviewed) -> list[str]:
    """The numbers of whose error nothing is known, each with why."""
    unknown = (each for each in reviews.numbers if not each.estimate.known)
    return list(dict.fromkeys(f"{where_of(each)}: no error is known: {each.estimate.why}" for each in unknown))


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def size(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "–"
    if record.get("rows") is not None:
        return f"{record['rows']:,}"
    return "" if record.get("value") is None else f"= {as_text(record['value'])}"[:40]


def page(template: str, title: str, command: str = "", **values: Any) -> str:
    """A template with values as a whole page; `command` made it. Raises ValueError for values that are not of the form
    that a page's have, as those of a damaged trace."""
    from jinja2 import UndefinedError

    try:
        return str(
            environment().get_template(template).render(title=title, command=command, **{"prefix": "", **values})
        )
    except UndefinedError as failure:
        raise ValueError(str(failure)) from failure


def review_page(**values: Any) -> str:
    """A review's page; its own script fills it, row by row."""
    from markupsafe import Markup

    own = {"own_style": Markup(asset("review.css")), "own_script": Markup(asset("review.js"))}
    title = f"{values['shell']['step']}: review"
    return page("review.html", title, "rlm-dsl serve --review", policy=policy("review"), **own, **values)


def run_page(view: RunView, command: str = "", back: str = "") -> str:
    """The page of a run; `back` is where all are listed, if anywhere."""
    return page("run.html", view.story.header.get("question") or view.story.name, command, run=view, back=back)


def diff_page(
    difference: Difference, summary: str, command: str = "", names: tuple[str, str] = ("", ""), back: str = ""
) -> str:
    """Two runs beside each other; `summary` says in a sentence what is different, `back` is where all are listed."""
    found = difference.as_json()
    programs = difference.a.trace.program, difference.b.trace.program
    return page(
        "diff.html",
        f"{names[0] or found['a']} and {names[1] or found['b']}",
        command,
        d=found,
        back=back,
        summary=summary,
        changes=difference.changes,
        answer=[answer_part(part) for part in difference.answer],
        program=program_diff(*programs) if programs[0] != programs[1] else [],
    )


def answer_part(part: Any) -> dict[str, Any]:
    if part.rows is None or part.a is None or part.b is None:
        return {
            "name": part.name,
            "columns": (),
            "before": brief(part.before, part.rows),
            "after": brief(part.after, part.rows),
        }
    if not part.rows.differ:
        same = brief(None, part.rows)
        other = f"{same}, in another order or with other columns" if part.differs else same
        return {"name": part.name, "columns": (), "before": same, "after": other}
    rows, shown_rows = part.rows, []
    for change in rows.changed[:DIFF_ROWS]:
        pairs = [(part.a.values[name][change.before], part.b.values[name][change.after]) for name in rows.names]
        shown_rows.append(("~", [f"{text(a)} → {text(b)}" if a != b else text(b) for a, b in pairs]))
    for mark, held, side in (("+", rows.added, part.b), ("-", rows.removed, part.a)):
        shown_rows += [(mark, [text(value) for value in row_of(side, at, rows.names)]) for at in held[:DIFF_ROWS]]
    counts = (
        (rows.same, "the same"),
        (len(rows.changed), "changed"),
        (len(rows.added), "new"),
        (len(rows.removed), "gone"),
    )
    caption = "Rows: " + ", ".join(f"{n:,} {what}" for n, what in counts)
    return {"name": part.name, "columns": rows.names, "rows": shown_rows, "caption": caption}


def brief(value: Any, rows: Any) -> str:
    if rows is not None:
        return counted(rows.same, "row")
    return "not there" if value is None else as_text(value)[:400]


def row_of(side: Any, at: int, names: Any) -> list[Any]:
    return [side.values[name][at] for name in names]


def text(value: Any) -> str:
    return "" if value is None else as_text(value)[:200]


def program_diff(before: str, after: str) -> list[tuple[str, str]]:
    """The lines of two programs, each with what it is: added, left out or the same."""
    kinds = {"+ ": "add", "- ": "del", "  ": ""}
    return [(kinds[line[:2]], line) for line in ndiff(before.splitlines(), after.splitlines()) if line[:2] in kinds]


def optimization_page(report: Mapping[str, Any], command: str = "") -> str:
    """The record of an optimization: before and after, and the front."""
    chart = front_chart(report["points"], report["cost"]["unit"])
    lines = [({"+": "add", "-": "del"}.get(line[:1], ""), line) for line in report["diff"].splitlines()[2:]]
    title = f"Optimization of {report['program']}"
    return page("optimization.html", title, command, r=report, images=chart.images(), program=lines)
