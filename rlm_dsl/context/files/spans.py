"""Spans of a source's text, read from its file again.

In: a source and spans of its text. Out: their bytes, or how many line feeds stand in them. Law: a place in a compressed
file is one in the text that it holds; such a file is gone through once, whatever the spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import SEEK_END
from itertools import pairwise
from typing import Any

from rlm_dsl.context.context import SourceFile
from rlm_dsl.context.files.streams import fill, open_stream, parts, skip


def read_spans(source: SourceFile, spans: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """The bytes of spans of a source's text, read from it again; a compressed file is gone through once."""
    wanted = sorted(set(spans))
    if source.held is not None:
        return {(start, end): source.held[start:end] for start, end in wanted}
    with open_stream(source.path) as (stream, hashed):
        if hashed is None:
            return {span: seek(stream, span) for span in wanted}
        return dict(pass_through(stream, wanted))


def feeds_between(source: SourceFile, spans: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """How many line feeds stand in each span of a source's text, which is gone through once, a part at a time."""
    counted = dict.fromkeys(spans, 0)
    wanted = sorted(span for span in counted if span[0] < span[1])
    if not wanted:
        return counted
    if source.held is not None:
        return {(start, end): source.held.count(b"\n", start, end) for start, end in counted}
    cuts = sorted({place for span in wanted for place in span})
    before = {cuts[0]: 0}
    with open_stream(source.path) as (stream, hashed):
        if hashed is None:
            stream.seek(cuts[0])
        else:
            skip(stream, cuts[0])
        for start, end in pairwise(cuts):
            before[end] = before[start] + sum(part.count(b"\n") for part in parts(stream, end - start))
    return counted | {(start, end): before[end] - before[start] for start, end in wanted}


def seek(stream: Any, span: tuple[int, int]) -> bytes:
    """The bytes of a span, as far as the stream has them: what a trace says of it may be anything."""
    end = stream.seek(0, SEEK_END)
    stream.seek(min(span[0], end))
    held = bytearray(max(0, min(span[1], end) - span[0]))
    return bytes(held[: fill(stream, memoryview(held))])


def pass_through(stream: Any, wanted: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Spans in rising order from a stream that only goes forward; those that overlap share what was read."""
    held, begin = b"", 0
    for start, end in wanted:
        held, begin = held[max(0, start - begin) :], max(begin, min(start, begin + len(held)))
        while begin + len(held) < end and (more := stream.read(min(1 << 24, max(1 << 20, end - begin - len(held))))):
            held += more
            if begin + len(held) <= start:
                held, begin = b"", begin + len(held)
            elif begin < start:
                held, begin = held[start - begin :], start
        yield (start, end), held[start - begin : end - begin]
