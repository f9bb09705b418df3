"""Whole files as rows: table(path, text)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from rlm_dsl.context.context import Loaded
from rlm_dsl.context.files.blocks import Block, Files
from rlm_dsl.context.files.encodings import BOM
from rlm_dsl.context.files.find import find, is_many
from rlm_dsl.context.files.map_ahead import map_ahead
from rlm_dsl.context.files.text import UTF_8, is_utf_8, note_on, text_of, with_line_feeds
from rlm_dsl.context.format import Append, Format, LoadRequest
from rlm_dsl.context.formats.lines import CARRIAGE_RETURN, text_views, texts_of, valid
from rlm_dsl.context.options import NO_OPTIONS, ReadingOptions
from rlm_dsl.language.types import TEXT, Field, Table

DOCUMENTS = Table((Field("path", TEXT), Field("text", TEXT)))


def load_documents(request: LoadRequest) -> Loaded:
    """Each file a row. Its text has LF for line ends and no byte order mark; what is not UTF-8 is read as western text,
    or becomes U+FFFD; binary files in folders are left out. All but the first is noted."""
    many = is_many(request.given)
    files = Files(find(request.given), request.progress, whole=True, text_only=many, options=request.options)
    return documents_of(files)


def documents_of(files: Files) -> Loaded:
    """The files as rows; `files` reads them whole."""
    loaded = Loaded("documents", DOCUMENTS, (), files.sources)
    loaded.batches = batches(files, loaded)
    return loaded


def batches(files: Files, loaded: Loaded) -> Iterator[Any]:
    odd: Counter[str] = Counter()
    for rows, encodings in map_ahead(partial(table, options=files.options), files):
        for source, encoding in encodings.items():
            odd[BAD if encoding == UTF_8 else f"files are {note_on(encoding)}"] += 1
            files.sources[source] = replace(files.sources[source], encoding=encoding)
        yield rows
    loaded.notes += files.notes
    loaded.notes += [f"{count:,} files: {told}" for told, count in files.noted.items()]
    loaded.notes += [f"{count:,} {told}" for told, count in odd.items()]


BAD = "files hold bytes that are not UTF-8 (shown as U+FFFD)"


def table(block: Block, options: ReadingOptions = NO_OPTIONS) -> tuple[Any, dict[int, str]]:
    """A block's files as rows, and what those are in that are not UTF-8."""
    import numpy as np
    import pyarrow as pa

    count = len(block.pieces)
    encodings: dict[int, str] = {}
    ends = block.begins + block.sizes
    if plain(block.content) and valid(block.content, block.begins):
        texts = text_views(block.content, block.begins, ends)
    elif options.earlier:
        texts, bad = texts_of(block.content, block.begins, ends)
        encodings = {block.pieces[at].source: UTF_8 for at in bad}
    else:
        found = options if block.pieces[0].text is None else NO_OPTIONS
        pairs = zip(block.begins.tolist(), ends.tolist(), strict=True)
        held = [text_of(block.content[start:end].tobytes(), found) for start, end in pairs]
        shown = [with_line_feeds(text.content.removeprefix(BOM).decode("utf-8", "replace")) for text in held]
        texts = pa.array(shown, pa.string_view())
        read = zip(block.pieces, held, strict=True)
        encodings = {piece.source: text.encoding for piece, text in read if text.notes or not is_utf_8(text.content)}
    columns = {
        "#source": pa.array([piece.source for piece in block.pieces], pa.int32()),
        "#line": pa.array(np.ones(count, np.int64)),
        "#lo": pa.array(np.zeros(count, np.int64)),
        "#hi": pa.array(sizes_of(block)),
        "path": pa.array([piece.shown for piece in block.pieces], pa.string()),
        "text": texts,
    }
    return pa.table(columns), encodings


def sizes_of(block: Block) -> Any:
    """The bytes of each file's text in the file."""
    text = block.pieces[0].text if len(block.pieces) == 1 else None
    return block.sizes if text is None or text.places is None else text.places(block.sizes)


def plain(content: Any) -> bool:
    """Whether no line ends in CR and no byte order mark stands in some bytes."""
    return not ((content == CARRIAGE_RETURN) | (content == BOM[0])).any()


FORMAT = Format(
    name="documents",
    summary="a row a file of text",
    load=load_documents,
    many=True,
    own="text",
    append=Append(lambda files, many, passed: documents_of(files)),
    options=("encoding",),
)
