"""Names of encodings, as pages and mail state them, to texts.

In: bytes and a name that a stranger wrote. Out: text, and what the name stands for. Law: nothing but encodings of text
is ever looked up by such a name; no bytes are refused.
"""

from __future__ import annotations

import codecs

BOM = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""
NO_ENCODINGS = frozenset("idna mbcs oem punycode raw_unicode_escape undefined unicode_escape".split())
"""Codecs of Python's that no document is in, and that would decode its bytes into something else."""
WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "cp950",
}
"""What browsers and mail programs take the narrower name for."""
WITHOUT_STATE = ("utf-8", "utf-16-le", "utf-16-be", "cp", "iso8859", "koi8", "mac", "gb18030", "euc_jp", "tis", "ptcp")
"""Encodings in which a part of a text has the bytes it has within the whole."""


def encoding_of(label: str) -> str | None:
    """Python's name of an encoding, or None for what is none."""
    label = label.strip().strip("'\"")
    if not label.isascii() or not label or len(label) > 40:
        return None
    try:
        found = codecs.lookup(label).name.lower()
        b"text".decode(label, "replace")
    except (LookupError, ValueError):
        return None
    return None if found.replace("-", "_") in NO_ENCODINGS else WIDER.get(found, found)


def decode(content: bytes, encoding: str) -> tuple[str, bool]:
    """The text, and whether it is read without loss. Bytes that are no text of it stand as lone surrogates, one each,
    where the encoding allows, so that places can be counted; else as U+FFFD."""
    try:
        return content.decode(encoding), True
    except UnicodeDecodeError:
        pass
    try:
        return content.decode(encoding, "surrogateescape"), False
    except UnicodeDecodeError:
        return content.decode(encoding, "replace"), False


def round_trips(text: str, content: bytes, encoding: str) -> bool:
    """Whether the bytes of each part of the text can be counted."""
    try:
        return encoding.startswith(WITHOUT_STATE) and text.encode(encoding, "surrogateescape") == content
    except UnicodeEncodeError:
        return False
