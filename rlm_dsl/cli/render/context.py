"""A context in a line: its rows, their type, the files they came from.

In: a context, the seconds that loading took. Out: a line of text. Law: words alone.
"""

from __future__ import annotations

from rlm_dsl.context.context import Context


def context_text(context: Context, seconds: float) -> str:
    size = sum(source.size for source in context.sources)
    files = f"{len(context.sources):,} file{'s' * (len(context.sources) != 1)}, {size:,} bytes"
    rows = "1 row" if context.count == 1 else f"{context.count:,} rows"
    return f"{context.given}: {rows} of {context.schema} from {files}, {seconds:.1f} s"
