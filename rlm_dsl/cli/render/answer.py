"""An answer: a value on one line, a table as rows, several parts each under its name.

In: an answer's parts, as traces hold them. Out: text. Law: values stand as JSON writes them; tables are bounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rlm_dsl.cli.output import indent
from rlm_dsl.cli.render.table import table_text


def answer_text(parts: Sequence[Mapping[str, Any]]) -> str:
    """The answer: a value on one line, a table as rows, several parts each under its name."""
    return "\n".join(["answer", *(line for part in parts for line in part_lines(part))])


def is_decimal_part(part: Mapping[str, Any]) -> bool:
    """Whether a part's value is a decimal, which traces hold as text."""
    return str(part["type"]).startswith("decimal(") and isinstance(part["value"], str)


def part_lines(part: Mapping[str, Any]) -> list[str]:
    label = ".".join(part["part"])
    if "columns" not in part:
        value = part["value"] if is_decimal_part(part) else json.dumps(part["value"], ensure_ascii=False)
        return [f"  {label} = {value}" if label else f"  {value}"]
    rows = table_text(tuple(part["columns"]), part["value"])
    return [f"  {label}", indent(rows, "    ")] if label else [indent(rows)]
