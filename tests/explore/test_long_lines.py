"""What is shown of a line of 30 MB takes no longer than reading it, and is what a look at each character gives."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rlm_dsl.cli.render.width import fitted
from rlm_dsl.common.diagnostics import Diagnostic, ascii_escape, printable, render
from rlm_dsl.common.source import Source, Span
from rlm_dsl.context.loading import load
from rlm_dsl.explore.view import view_table, view_value
from rlm_dsl.language.types import TEXT
from tests.support.contexts import column, written


def test_a_line_of_30_mb_is_shown_at_once(tmp_path: Path) -> None:
    begin = time.process_time()
    context = load("t", written(tmp_path, "t.log", "some words of a line, " * 1_400_000 + "\nshort\n"))
    reading = time.process_time() - begin
    (text, _) = column(context, "text")
    begin = time.process_time()
    shown = view_table("t", context.schema, 2, [(1, text), (2, "short")])
    value = view_value("t", TEXT, text)
    line = fitted(text, 100)
    problem = render(Diagnostic("E01", "wrong", Span(500, 501)), Source("p.rlm", text))
    taken = time.process_time() - begin
    assert len(shown) < 2_500 and len(value) < 3_000 and len(line) == 100 and len(problem) < 600
    assert "characters)" in shown and "characters)" in value
    assert taken < 2 * reading + 1


@given(st.text() | st.text(st.sampled_from("a\t\n\\é\x1b\x7f\x85\u00a0\u2028\u202e\ud800\ue000\U000e0001字")))
def test_what_is_printable_is_told_of_each_character(text: str) -> None:
    odd = ("Cc", "Cf", "Cs", "Co", "Cn")
    each = (" " if c == "\t" else ascii_escape(c) if unicodedata.category(c) in odd else c for c in text)
    assert printable(text) == "".join(each)
