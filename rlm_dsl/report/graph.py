"""The graph of a program's steps, as SVG: contexts on the left, the answer on the right, rows in every box.

In: steps with their inputs. Out: boxes and lines with places. Law: a step stands to the right of all its inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_dsl.common.counted import counted

WIDTH, HEIGHT, GAP_X, GAP_Y = 164, 52, 30, 16


@dataclass(frozen=True, slots=True)
class Box:
    name: str
    label: str
    kind: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    width: int
    height: int


def graph(contexts: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]]) -> Graph:
    """Boxes in columns by how far a step is from the contexts."""
    inputs = {step["step"]: list(step.get("inputs", ())) for step in steps}
    depth = {context["name"]: 0 for context in contexts}
    for step in steps:
        depth[step["step"]] = 1 + max((depth.get(name, 0) for name in inputs[step["step"]]), default=0)
    labels = {context["name"]: (f"{counted(context['rows'], 'row')}", "context") for context in contexts}
    labels |= {step["step"]: (label_of(step), "asks" if step.get("asked") else "exact") for step in steps}
    rows: dict[int, int] = {}
    boxes: dict[str, Box] = {}
    for name, column in depth.items():
        at = rows[column] = rows.get(column, -1) + 1
        boxes[name] = Box(name, *labels[name], 4 + column * (WIDTH + GAP_X), 4 + at * (HEIGHT + GAP_Y))
    lines = []
    for name, before in inputs.items():
        for other in before:
            if other in boxes:
                a, b = boxes[other], boxes[name]
                x1, y1, x2, y2 = a.x + WIDTH, a.y + HEIGHT // 2, b.x, b.y + HEIGHT // 2
                middle = (x1 + x2) // 2
                lines.append(f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}")
    width = 8 + (max(depth.values(), default=0) + 1) * (WIDTH + GAP_X) - GAP_X
    return Graph(tuple(boxes.values()), tuple(lines), width, 8 + (max(rows.values(), default=0) + 1) * (HEIGHT + GAP_Y))


def label_of(step: Mapping[str, Any]) -> str:
    rows = f"{counted(step['rows'], 'row')}" if "rows" in step else ""
    return ", ".join(filter(None, [step["operator"], rows]))
