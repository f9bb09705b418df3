"""Charts: a table as bars, a line or points, drawn by Vega-Lite without a network; as text where that cannot be shown.

In: rows, names of columns, a kind. Out: SVG, PNG or text. Law: the same rows give the same picture; all of it comes
from the rows.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlm_dsl.common.diagnostics import cells, printable
from rlm_dsl.review.estimates.estimate import Estimate

MOST = 200
"""Rows that a chart shows; more are left out, and said to be."""
THEMES = {"light": ("#1b1f24", "#d0d7de", "#0b5cad"), "dark": ("#e6edf3", "#3d444d", "#6cb0ff")}
"""Words, lines and marks."""
KINDS = {"bar": "bar", "line": "line", "points": "point"}


@dataclass(frozen=True, slots=True)
class Chart:
    """`x` and `y` name columns; `color` a third one; `labels` has a fourth whose values stand beside points."""

    kind: str
    x: str
    y: str
    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    color: str = ""
    labels: str = ""
    limits: Sequence[tuple[float, float, float] | None] = ()
    """Of each row the value by reviewed rows and its limits, drawn as an error bar."""

    def spec(self, theme: str = "light") -> dict[str, Any]:
        """As Vega-Lite 5 has it."""
        text, line, mark = THEMES[theme]
        rows = [{k: plain(v) for k, v in row.items()} for row in self.rows[:MOST]]
        flat = self.kind == "bar"
        encoding: dict[str, Any] = {
            "x": field(self.x, rows, sort=None) if not flat else field(self.y, rows, zero=True),
            "y": field(self.y, rows, zero=self.kind == "line") if not flat else field(self.x, rows, sort=None),
        }
        if self.color:
            encoding["color"] = {"field": escaped(self.color), "type": "nominal", "title": self.color}
        shown: dict[str, Any] = {"type": KINDS[self.kind], "tooltip": False}
        shown |= {"color": mark} if not self.color else {}
        shown |= {"filled": True, "size": 80} if self.kind == "points" else {}
        shown |= {"opacity": 0.5} if any(self.limits) else {}
        layers: list[dict[str, Any]] = [{"mark": shown, "encoding": encoding}]
        if self.labels:
            words = {"type": "text", "align": "left", "dx": 8, "color": text, "limit": 260}
            near = {**encoding, "text": {"field": escaped(self.labels), "type": "nominal"}}
            near.pop("color", None)
            layers.append({"mark": words, "encoding": near})
        if any(self.limits[: len(rows)]):
            layers += self.error_bars(rows, text)
        axis = {"labelColor": text, "titleColor": text, "gridColor": line, "domainColor": line, "tickColor": line}
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "title": self.title or "",
            "data": {"values": rows},
            "width": 560,
            "height": {"step": 30} if flat else 240,
            "layer": layers,
            "background": None,
            "config": {
                "axis": {**axis, "labelFontSize": 12, "titleFontSize": 12, "labelLimit": 220},
                # Beside few bars there is no room for a title that stands upright: it lies above the labels.
                **({"axisY": {"titleAngle": 0, "titleAlign": "right", "titleX": -6, "titleY": -8}} if flat else {}),
                "title": {"color": text, "fontSize": 14, "anchor": "start"},
                "legend": {"labelColor": text, "titleColor": text},
                "view": {"stroke": None},
                "font": "system-ui, sans-serif",
            },
        }

    def error_bars(self, rows: list[dict[str, Any]], color: str) -> list[dict[str, Any]]:
        """Limits as a line with the corrected value on it."""
        value, low, high = (spare(name, rows) for name in ("by reviews", "low", "high"))
        for row, told in zip(rows, self.limits, strict=False):
            if told is not None:
                row[value], row[low], row[high] = told
        flat = self.kind == "bar"
        along, across = ("x", "y") if flat else ("y", "x")
        kept = [{"filter": {"field": escaped(low), "valid": True}}]
        place = field(self.x, rows, sort=None)
        own = {"type": "quantitative", **{k: v for k, v in field(self.y, rows).items() if k in ("title", "axis")}}
        if all(isinstance(row.get(self.y), int) for row in rows):
            own["axis"] = {"tickMinStep": 1, "format": ",d"}
        ends = {along: {"field": escaped(low), **own}, f"{along}2": {"field": escaped(high)}}
        middle = {along: {"field": escaped(value), **own}}
        line = {"type": "rule", "color": color, "strokeWidth": 2}
        point = {"type": "point", "color": color, "filled": True, "size": 50, "opacity": 1}
        return [
            {"transform": kept, "mark": line, "encoding": {**ends, across: place}},
            {"transform": kept, "mark": point, "encoding": {**middle, across: place}},
        ]

    def svg(self, theme: str = "light") -> str:
        import vl_convert

        return str(vl_convert.vegalite_to_svg(json.dumps(self.spec(theme)), vl_version="5.21", allowed_base_urls=[]))

    def png(self, theme: str = "light") -> bytes:
        import vl_convert

        spec = {**self.spec(theme), "background": "#ffffff" if theme == "light" else "#0d1117"}
        return bytes(vl_convert.vegalite_to_png(json.dumps(spec), vl_version="5.21", scale=2, allowed_base_urls=[]))

    def images(self) -> dict[str, str]:
        """Both themes as data: addresses, for pages."""
        return {
            theme: "data:image/svg+xml;base64," + base64.b64encode(self.svg(theme).encode()).decode()
            for theme in THEMES
        }

    def text(self, width: int = 80) -> str:
        """As bars of characters."""
        told = [*self.limits, *[None] * MOST]
        rows = [
            (printable(str(plain(row.get(self.x)))), row.get(self.y), each)
            for row, each in zip(self.rows[:MOST], told, strict=False)
        ]
        known = [(label, float(value), each) for label, value, each in rows if isinstance(value, int | float)]
        if not known:
            return "(nothing to draw)"
        left = min(24, max(cells(label) for label, _, _ in known))
        most = max(abs(value) for _, value, _ in known) or 1.0
        room = max(8, width - left - 14)
        return "\n".join(
            f"{label[:left].ljust(left)} {'█' * round(room * abs(value) / most):<{room}} {value:,.12g}"
            + ("" if each is None else f" ({each[1]:,.4g} to {each[2]:,.4g})")
            for label, value, each in known
        )


def spare(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A name that no column has."""
    while any(name in row for row in rows):
        name += "_"
    return name


def with_limits(chart: Chart, estimates: Sequence[Estimate | None]) -> Chart:
    """A chart with error bars, where reviewed rows tell limits."""
    limits = [limits_of(each) for each in estimates]
    return replace(chart, limits=limits) if any(limits) else chart


def limits_of(estimate: Estimate | None) -> tuple[float, float, float] | None:
    if estimate is None or estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    return estimate.value, estimate.low, estimate.high


def plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def escaped(name: str) -> str:
    """A column's name as Vega-Lite reads it: without paths in it."""
    return name.replace("\\", "\\\\").replace(".", "\\.").replace("[", "\\[").replace("]", "\\]")


def field(name: str, rows: Sequence[Mapping[str, Any]], sort: Any = "", zero: bool | None = None) -> dict[str, Any]:
    numbers = all(isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool) for row in rows)
    found: dict[str, Any] = {"field": escaped(name), "type": "quantitative" if numbers else "nominal", "title": name}
    if sort is None and not numbers:
        found |= {"sort": None, "axis": {"labelAngle": 0} if len(rows) <= 8 else {}}
    if zero is not None and numbers:
        found["scale"] = {"zero": zero}
        if all(isinstance(row.get(name), int) for row in rows):
            found["axis"] = {"tickMinStep": 1, "format": ",d"}
    return found


def shows_images() -> bool:
    """Whether the terminal says that it shows images in iTerm2's way."""
    known = os.environ.get("TERM_PROGRAM", "") in ("iTerm.app", "WezTerm") and "NO_COLOR" not in os.environ
    return known and sys.stdout.isatty()


def in_terminal(chart: Chart, width: int) -> str:
    """A chart for a terminal: a picture where it can show one, else text."""
    if not shows_images():
        return chart.text(width)
    held = base64.b64encode(chart.png("dark")).decode()
    return f"\033]1337;File=inline=1;preserveAspectRatio=1:{held}\a"


def chart_of(
    kind: str, x: str, y: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = ""
) -> Chart:
    return Chart(kind, x, y, [dict(zip(columns, row, strict=True)) for row in rows], title)


def front_chart(points: Sequence[Mapping[str, Any]], unit: str) -> Chart:
    """What an optimization tried: score over cost."""
    rows = [{"cost": p["cost"], "score": p["score"], "name": p["name"], "front": p["front"]} for p in points]
    named = [{unit: row.pop("cost"), **row} for row in rows]
    return Chart("points", unit, "score", named, "Score over cost", labels="name")
