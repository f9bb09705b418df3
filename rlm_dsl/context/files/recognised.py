"""What a file seems to be, by its first bytes: what is no text is not read as text.

In: the first bytes of a file, or all. Out: what these are, and how such a file is read. Law: text is never taken for
something else; what is refused is named, with the way to read it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.files.text import wide_encoding

HEAD = 8_192


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file is; the format that reads it, or the ending by which it is unpacked, or what else to do."""

    what: str
    format: str = ""
    ending: str = ""
    advice: str = ""
    behind: str = ""
    """What is said behind the path, such as which table is meant."""

    @property
    def kind(self) -> str:
        return "of no known kind" if self is UNKNOWN else self.what

    def way(self, path: str) -> str:
        """How such a file is read."""
        if self.format:
            return f"read it as that: NAME:{self.format}={path}{self.behind}"
        if self.ending:
            return f"give the file the ending {self.ending}, by which it is unpacked"
        return self.advice or "text, tables and documents are read: docs/data.md lists the formats"


PICTURE = "a picture's text is to be recognised first (OCR)"
SOUND = "a recording is to be written down first"
MAGIC: tuple[tuple[int, bytes, Recognised], ...] = (
    (0, b"PAR1", Recognised("a Parquet file", "parquet")),
    (0, b"ARROW1\x00\x00", Recognised("an Arrow file", "arrow")),
    (0, b"FEA1", Recognised("a Feather file of the first version", advice="write it anew as Arrow or Parquet")),
    (0, b"SQLite format 3\x00", Recognised("an SQLite file", "sqlite", behind="::TABLE")),
    (8, b"DUCK", Recognised("a DuckDB file", "duckdb", behind="::TABLE")),
    (0, b"Obj\x01", Recognised("an Avro file", advice="write it as Parquet first")),
    (0, b"ORC", Recognised("an ORC file", advice="write it as Parquet first")),
    (0, b"\x89HDF\r\n\x1a\n", Recognised("an HDF5 file", advice="write its table as Parquet first")),
    (0, b"\x93NUMPY", Recognised("an array of NumPy", advice="write it as CSV or Parquet first")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Recognised("a file of an older Office", "sheet")),
    (0, b"\x1f\x8b\x08", Recognised("compressed by gzip", ending=".gz")),
    (0, b"BZh", Recognised("compressed by bzip2", ending=".bz2")),
    (0, b"\xfd7zXZ\x00", Recognised("compressed by xz", ending=".xz")),
    (0, b"\x28\xb5\x2f\xfd", Recognised("compressed by zstd", ending=".zst")),
    (0, b"\x04\x22\x4d\x18", Recognised("compressed by lz4", advice="decompress it first")),
    (257, b"ustar", Recognised("a tar archive", ending=".tar")),
    (0, b"7z\xbc\xaf\x27\x1c", Recognised("a 7-Zip archive", advice="unpack it, and give the folder")),
    (0, b"Rar!\x1a\x07", Recognised("a RAR archive", advice="unpack it, and give the folder")),
    (0, b"\x89PNG\r\n\x1a\n", Recognised("a PNG picture", advice=PICTURE)),
    (0, b"\xff\xd8\xff", Recognised("a JPEG picture", advice=PICTURE)),
    (0, b"GIF87a", Recognised("a GIF picture", advice=PICTURE)),
    (0, b"GIF89a", Recognised("a GIF picture", advice=PICTURE)),
    (0, b"II*\x00", Recognised("a TIFF picture", advice=PICTURE)),
    (0, b"MM\x00*", Recognised("a TIFF picture", advice=PICTURE)),
    (0, b"\x00\x00\x01\x00", Recognised("an icon", advice=PICTURE)),
    (8, b"WEBP", Recognised("a WebP picture", advice=PICTURE)),
    (8, b"WAVE", Recognised("a WAV recording", advice=SOUND)),
    (0, b"ID3", Recognised("an MP3 recording", advice=SOUND)),
    (0, b"OggS\x00", Recognised("an Ogg recording", advice=SOUND)),
    (0, b"fLaC\x00", Recognised("a FLAC recording", advice=SOUND)),
    (4, b"ftyp", Recognised("a film or picture (MP4, HEIC)", advice=SOUND)),
    (0, b"\x1aE\xdf\xa3", Recognised("a film (Matroska, WebM)", advice=SOUND)),
    (0, b"\x7fELF", Recognised("a program (ELF)")),
    (0, b"MZ", Recognised("a program of Windows")),
    (0, b"\xca\xfe\xba\xbe", Recognised("a program (Java or Mach-O)")),
    (0, b"\xcf\xfa\xed\xfe", Recognised("a program (Mach-O)")),
    (0, b"\x00asm", Recognised("a program (WebAssembly)")),
)
PDF = Recognised("a PDF", "pdf")
PDF_HEAD = re.compile(rb"\s{0,16}%PDF-\d\.\d")
BOXED: tuple[tuple[bytes, Recognised], ...] = (
    (b"xl/", Recognised("a workbook (.xlsx)", "sheet")),
    (b"application/vnd.oasis.opendocument.spreadsheet", Recognised("a workbook (.ods)", "sheet")),
    (b"word/", Recognised("a Word file (.docx)", "docx")),
    (b"ppt/", Recognised("a PowerPoint file (.pptx)", "pptx")),
)
"""Files that are zip archives, by the name of something in them."""
ZIP = Recognised("a zip archive", ending=".zip")
UNKNOWN = Recognised("no text", advice="where it is one, say what it is in: NAME:lines(encoding=...)=PATH")
CONTROLS = bytes({*range(1, 7), *range(14, 27), *range(28, 32), 127})
"""Bytes that stand in no text: neither NUL, of which logs have holes, nor what terminals are told."""


def recognised(content: bytes) -> Recognised | None:
    """What bytes are that are known to be no text. A word that text may begin with counts where it has other bytes."""
    head = content[:HEAD]
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((known for name, known in BOXED if name in content), ZIP)
    if PDF_HEAD.match(head):
        return PDF
    for at, magic, known in MAGIC:
        if head[at : at + len(magic)] == magic and not (magic.isascii() and is_plain(head)):
            return known
    return None


def is_plain(head: bytes) -> bool:
    """Whether some bytes are text without a control character, of whatever encoding."""
    return not (CONTROLS_AND_NUL & {*head})


CONTROLS_AND_NUL = {0, *CONTROLS}
LEAST = 16
"""So many control characters are no accident."""


def is_noise(head: bytes) -> bool:
    """Whether so many bytes are control characters that they are no text in UTF-8 or an encoding of western texts."""
    odd = len(head) - len(head.translate(None, CONTROLS))
    if odd < LEAST or 50 * odd <= len(head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as failure:
        return failure.start < len(head) - 3
    return False


def binary(content: bytes, said: str = "") -> Recognised | None:
    """What bytes are that are not read as text: what is known to be none, and noise, unless its encoding is said."""
    known = recognised(content)
    if known is None and not said and not wide_encoding(content[:HEAD])[0] and is_noise(content[:HEAD]):
        return UNKNOWN
    return known


def refuse_binary(content: bytes, path: str, said: str = "") -> None:
    """Raises UserError, with what it seems to be and how that is read, for what is no text."""
    if (known := binary(content, said)) is not None:
        raise no_text(known, path)


def no_text(known: Recognised, path: str) -> UserError:
    if known is UNKNOWN:
        return UserError(f"{path} is no text, and no file of a known kind", known.advice)
    return UserError(f"{path} is no text: it seems to be {known.what}", known.way(path))


def seems(content: bytes, path: str) -> str:
    """What a file seems to be that is not what it is read as, and how to read it: for a hint."""
    if not content:
        return "it is empty"
    if (known := recognised(content)) is not None:
        return f"it seems to be {known.what}: {known.way(path)}"
    if is_plain(content[:HEAD]):
        return f"it seems to be text: NAME:lines={path}, or NAME:csv={path} for a table"
    return ""


def told_kinds(kinds: Counter[str]) -> str:
    """How many there are of each kind."""
    return ", ".join(f"{what} ({count:,})" for what, count in sorted(kinds.items(), key=lambda each: (-each[1], each)))
