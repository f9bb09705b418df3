"""Weights in a GGUF file: what they are, by their digest and by what their header says.

In: a path. Out: weights. Law: the file is read and never run; what is no GGUF, or tells nothing of its shape, is
refused by words. Two files of the same bytes are the same weights, wherever they lie and whatever they are called.

Source of the form: the GGUF specification of ggml (version 2 and 3, little-endian).
"""

from __future__ import annotations

import hashlib
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError, printable
from rlm_dsl.common.system_errors import system_error

MAGIC = b"GGUF"
VERSIONS = (2, 3)
NUMBERS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
TEXT, ARRAY = 8, 9
LONGEST, MOST = 1 << 20, 4_096
"""Bytes of a text of the header, and entries of it, that are read."""
MOST_TENSORS, ALIGNED = 1 << 16, 32
SHAPE = ("context_length", "block_count", "embedding_length", "attention.head_count")
KEPT_BYTES = 2
"""Bytes of each number that the server keeps of a token it has read."""
EXAMPLE = "local: takes a model in llama.cpp's form, such as --model local:models/qwen2.5-3b-instruct-q4_k_m.gguf"


@dataclass(frozen=True, slots=True)
class Weights:
    """`name` is what the file's own header calls the model, `digest` the file's sha256 in hex, `size` its bytes;
    `window` are the tokens that the model was trained for, `token_bytes` what the server keeps in memory of each."""

    path: Path
    name: str
    digest: str
    size: int
    window: int
    token_bytes: int

    @property
    def url(self) -> str:
        """What stands in keys and traces where a server's address does."""
        return f"local:{self.digest[:32]}"


def read_weights(path: Path) -> Weights:
    """Raises UserError for what is no model's file. Gigabytes are digested once, as long as the file stays what it is
    by its size and times."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        found = None
    if found is None or not stat.S_ISREG(found.st_mode):
        told = f"there is no file {printable(str(path))}" if found is None else f"{printable(str(path))} is no file"
        raise UserError(told, EXAMPLE, code="local")
    return digested(path.resolve(), found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@lru_cache(16)
def digested(path: Path, size: int, *times: int) -> Weights:
    named = printable(str(path))
    try:
        with path.open("rb") as file:
            shape = read_shape(file)
            file.seek(0)
            least = least_size(file)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as failure:
        raise system_error(failure, named, "read", code="local") from None
    except (ValueError, OverflowError, RecursionError, struct.error):
        raise UserError(f"{named} is no model in the GGUF form", EXAMPLE, code="local") from None
    if size < least:
        told_size = (
            f"{named} is cut off: it has {counted(size, 'byte')}, and its own header tells of {least:,} at least"
        )
        raise UserError(told_size, "get the file whole", code="local")
    kind = shape.get("general.architecture")
    told = [shape.get(f"{kind}.{name}") for name in SHAPE]
    window, layers, width, heads = (number if isinstance(number, int) and number > 0 else 0 for number in told)
    if not (window and layers and width and heads):
        raise UserError(f"{named} does not say of what shape its model is", "it is no model that answers", code="local")
    kept = shape.get(f"{kind}.attention.head_count_kv", heads)
    kept = kept if isinstance(kept, int) and kept > 0 else heads
    token_bytes = 2 * layers * kept * (width // heads) * KEPT_BYTES
    name = shape.get("general.name")
    name = printable(name.strip())[:80] if isinstance(name, str) and name.strip() else "model"
    return Weights(path, name, digest, size, window, token_bytes)


def read_shape(file: BinaryIO) -> Mapping[str, Any]:
    """The header's entries up to those of the vocabulary. Raises ValueError for what is no GGUF."""
    if file.read(4) != MAGIC:
        raise ValueError("no GGUF")
    (version,) = numbers(file, "<I")
    if version not in VERSIONS:
        raise ValueError(f"GGUF of version {version}")
    _, count = numbers(file, "<QQ")
    return dict(entries(file, min(count, MOST)))


def least_size(file: BinaryIO) -> int:
    """The bytes that a file has at least, by its own table of tensors: up to where the last begins, and a bit for
    each of its numbers. Raises ValueError for a header that is cut off, struct.error too."""
    file.seek(len(MAGIC) + 4)
    tensors, count = numbers(file, "<QQ")
    if tensors > MOST_TENSORS or count > MOST:
        raise ValueError("the header tells of too much")
    if not tensors:
        return file.tell()
    aligned = ALIGNED
    for _ in range(count):
        key, (kind,) = text(file), numbers(file, "<I")
        if key == "general.alignment" and kind in NUMBERS:
            aligned = max(1, int(value(file, kind)))
        else:
            skip(file, kind)
    last = 0
    for _ in range(tensors):
        text(file)
        (dimensions,) = numbers(file, "<I")
        if dimensions > 8:
            raise ValueError("a tensor has too many dimensions")
        *sides, _, offset = numbers(file, f"<{dimensions}QIQ")
        last = max(last, offset + prod(sides) // 8)
    return -(-file.tell() // aligned) * aligned + last


def skip(file: BinaryIO, kind: int) -> None:
    """Pass over an entry's value, a vocabulary of any length too."""
    if kind == TEXT:
        file.seek(numbers(file, "<Q")[0], 1)
    elif kind == ARRAY:
        inner, length = numbers(file, "<IQ")
        if inner in NUMBERS:
            file.seek(length * struct.calcsize(NUMBERS[inner]), 1)
        else:
            for _ in range(length):
                skip(file, inner)
    elif kind in NUMBERS:
        numbers(file, NUMBERS[kind])
    else:
        raise ValueError(f"no kind of entry: {kind}")


def entries(file: BinaryIO, count: int) -> Iterator[tuple[str, Any]]:
    for _ in range(count):
        key, (kind,) = text(file), numbers(file, "<I")
        if key.startswith("tokenizer."):  # which comes last, and is long
            return
        yield key, value(file, kind)


def value(file: BinaryIO, kind: int) -> Any:
    if kind == TEXT:
        return text(file)
    if kind == ARRAY:
        inner, length = numbers(file, "<IQ")
        if length > MOST:
            raise ValueError("an entry of the header is too long")
        return [value(file, inner) for _ in range(length)]
    if kind not in NUMBERS:
        raise ValueError(f"no kind of entry: {kind}")
    return numbers(file, NUMBERS[kind])[0]


def text(file: BinaryIO) -> str:
    (length,) = numbers(file, "<Q")
    if length > LONGEST:
        raise ValueError("a text of the header is too long")
    return file.read(length).decode("utf-8")


def numbers(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
