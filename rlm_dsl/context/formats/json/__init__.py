"""JSON and JSON Lines: values to rows."""

from __future__ import annotations

from rlm_dsl.context.format import table_format
from rlm_dsl.context.formats.json.lines import survey_json_lines, survey_more_json_lines
from rlm_dsl.context.formats.json.list import survey_json

OPTIONS = ("encoding", "skip_last", "totals", "columns")

JSON = table_format("json", "a row an element of a list, or the one object", survey_json, (".json",), options=OPTIONS)
JSON_LINES = table_format(
    "jsonl",
    "a row a line's JSON value",
    survey_json_lines,
    (".jsonl", ".ndjson"),
    OPTIONS,
    go_on=survey_more_json_lines,
)
