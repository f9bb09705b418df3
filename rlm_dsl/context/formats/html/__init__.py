"""HTML by the block."""

from __future__ import annotations

from rlm_dsl.context.format import Format
from rlm_dsl.context.formats.html.blocks import ENDINGS, load_html

FORMAT = Format(
    name="html",
    summary="a row a block of a page",
    load=load_html,
    endings=ENDINGS,
    by_ending=False,
    many=True,
    options=("encoding", "hidden", "columns"),
)
