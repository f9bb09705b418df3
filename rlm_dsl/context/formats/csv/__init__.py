"""CSV and TSV: records, blocks beside each other, rows."""

from __future__ import annotations

from functools import partial

from rlm_dsl.context.format import table_format
from rlm_dsl.context.formats.csv.rows import survey_csv, survey_more_csv

OPTIONS = (
    *("encoding", "delimiter", "quote", "header", "skip", "skip_last", "totals", "comment"),
    *("decimal", "thousands", "units", "nulls", "dates", "columns"),
)

CSV = table_format(
    "csv", "a row a record, typed, after a header", survey_csv, (".csv",), OPTIONS, go_on=survey_more_csv
)
TSV = table_format(
    "tsv",
    "a row a record, between tabs",
    partial(survey_csv, delimiter="\t"),
    (".tsv",),
    OPTIONS,
    go_on=partial(survey_more_csv, delimiter="\t"),
)
