"""A context in a line: its rows, their type, the files they came from.

In: a context, the seconds that loading took. Out: a line of text. Law: words alone.
"""

from __future__ import annotations

from rlm_dsl.common.counted import counted
from rlm_dsl.context.context import Context


def context_text(context: Context, seconds: float) -> str:
    size = sum(source.size for source in context.sources)
    files = f"{counted(len(context.sources), 'file')}, {counted(size, 'byte')}"
    return f"{context.given}: {counted(context.count, 'row')} of {context.schema} from {files}, {seconds:.1f} s"
