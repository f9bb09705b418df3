"""Canonical JSON and tagged hashes: the one way anything here gets an identity.

In: JSON values and bytes. Out: bytes in one form only, and hex sha256 digests under a tag per kind.
Law: equal values give equal bytes on every machine; floats are refused (write them as decimal strings).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def canonical(value: object) -> bytes:
    """Sorted, compact, UTF-8 JSON. Raises TypeError for floats and for keys that are not ASCII text."""
    return json.dumps(checked(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def members(texts: Mapping[str, str]) -> str:
    """The canonical text of an object from those of its members."""
    return "{" + ",".join(f'"{name}":{texts[name]}' for name in sorted(texts)) + "}"


def checked(value: object) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case Mapping():
            if not all(isinstance(key, str) and key.isascii() for key in value):
                raise TypeError(f"keys of hashed JSON are ASCII text: {list(value)!r}")
            return {key: checked(item) for key, item in value.items()}
        case list() | tuple():
            return [checked(item) for item in value]
        case _:
            raise TypeError(f"{type(value).__name__} cannot be hashed as it is; write it as text")


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
