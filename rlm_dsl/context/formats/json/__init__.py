"""JSON and JSON Lines: values to rows."""

from __future__ import annotations

from rlm_dsl.context.format import Format
from rlm_dsl.context.formats.json.lines import load_json_lines
from rlm_dsl.context.formats.json.list import load_json

OPTIONS = ("columns",)

JSON = Format(
    name="json",
    summary="a row an element of a list, or the one object",
    load=load_json,
    endings=(".json",),
    options=OPTIONS,
)
JSON_LINES = Format(
    name="jsonl",
    summary="a row a line's JSON value",
    load=load_json_lines,
    endings=(".jsonl", ".ndjson"),
    options=OPTIONS,
)
