"""CSV and TSV: records, blocks beside each other, rows."""

from __future__ import annotations

from functools import partial

from rlm_dsl.context.format import Format
from rlm_dsl.context.formats.csv.rows import load_csv

OPTIONS = ("columns",)

CSV = Format(
    name="csv", summary="a row a record, typed, after a header", load=load_csv, endings=(".csv",), options=OPTIONS
)
TSV = Format(
    name="tsv",
    summary="a row a record, between tabs",
    load=partial(load_csv, delimiter="\t"),
    endings=(".tsv",),
    options=OPTIONS,
)
