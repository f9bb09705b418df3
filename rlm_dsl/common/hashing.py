"""Canonical JSON and tagged hashes: the one way anything here gets an identity.

In: JSON values and bytes. Out: bytes in one form only, and hex sha256 digests under a tag per kind.
Law: equal values give equal bytes on every machine; floats are refused (write them as decimal strings).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping


def canonical(value: object) -> bytes:
    """Compact UTF-8 JSON, its names in the order of RFC 8785. Raises TypeError for floats and for keys that are no
    text."""
    return json.dumps(checked(value), separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def members(texts: Mapping[str, str]) -> str:
    """The canonical text of an object from those of its members, whose names are ASCII."""
    return "{" + ",".join(f'"{name}":{texts[name]}' for name in sorted(texts)) + "}"


def checked(value: object) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {key: checked(value[key]) for key in in_order(value)}
        case list() | tuple():
            return [checked(item) for item in value]
        case _:
            raise TypeError(f"{type(value).__name__} cannot be hashed as it is; write it as text")


def in_order(names: Collection[object]) -> list[str]:
    """Names by their UTF-16 code units: RFC 8785's order, and for ASCII that of their letters."""
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) < len(names):
        raise TypeError(f"keys of hashed JSON are text: {list(names)!r}")
    return sorted(texts, key=None if all(map(str.isascii, texts)) else utf16)


def utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def without_floats(value: object) -> object:
    """The value with floats as their shortest decimal text, ready for `canonical`."""
    match value:
        case float():
            return repr(value)
        case Mapping():
            return {str(key): without_floats(item) for key, item in value.items()}
        case list() | tuple():
            return [without_floats(item) for item in value]
        case _:
            return value


def tagged(tag: str, content: bytes) -> str:
    """`sha256(tag + 0x00 + content)` in hex; the tag keeps digests of different kinds apart."""
    return hashlib.sha256(tag.encode("ascii") + b"\x00" + content).hexdigest()


def identity(tag: str, value: object) -> str:
    """The tagged digest of a value's canonical JSON."""
    return tagged(tag, canonical(value))
