"""Where an answer store is, as people write it: a path, an address, and whether it may be written to.

In: `answers.sqlite`, `postgresql://host/database`, `read-only`, `read-only:` before either. Out: a place. Law: a
place is told without its password; `read-only` alone is the store that would be used otherwise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

READ_ONLY = "read-only"
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
VARIABLE = "RLM_DSL_STORE"
MEMORY = ":memory:"
PASSWORD = re.compile(
    r"(?<=://)(?P<user>[^:/?#@]*):(?P<secret>[^/?#]*)(?=@)|(?P<name>(?<=[?&])(?:ssl)?password=)(?P<value>[^&#]*)"
)
"""The password of an address, before its host or among its parameters."""
UNCLEAR = re.compile(r"[^/]*://[^/?#@]*:[^/?#@]*[/?#].*@", re.DOTALL)
"""An address whose password may be cut short by a sign that should have been percent-encoded."""


@dataclass(frozen=True, slots=True)
class Place:
    """A store's path or address, and whether it is read only."""

    address: str = field(repr=False)
    read_only: bool = False

    @property
    def scheme(self) -> str:
        """Of an address; "" of a path."""
        found = SCHEME.match(self.address)
        return found[1].lower() if found else ""

    @property
    def path(self) -> Path:
        return Path(self.address)

    @property
    def told(self) -> str:
        """The address without its password."""
        if not self.scheme:
            return self.address
        if UNCLEAR.match(self.address):
            return f"{self.scheme}://***"
        return PASSWORD.sub(lambda m: f"{m['user']}:***" if m["name"] is None else f"{m['name']}***", self.address)

    @property
    def secrets(self) -> frozenset[str]:
        """Passwords in it."""
        found = PASSWORD.finditer(self.address) if self.scheme else ()
        return frozenset(filter(None, (unquote(m["secret"] or m["value"] or "") for m in found)))


def read_place(given: str | None, environment: Mapping[str, str] | None = None) -> Place:
    """The place that is named, else what RLM_DSL_STORE names, else a file in the user's data folder."""
    address, read_only = parts_of(given)
    if not address:
        address, always = parts_of((os.environ if environment is None else environment).get(VARIABLE))
        read_only = read_only or always
    return Place(address or str(user_store()), read_only)


def parts_of(given: str | None) -> tuple[str, bool]:
    """A path or address, "" for the usual one, and whether it is only to be read."""
    text = os.fspath(given or "")
    if text == READ_ONLY:
        return "", True
    return text.removeprefix(f"{READ_ONLY}:"), text.startswith(f"{READ_ONLY}:")


def first_place(given: str | None, otherwise: str | None) -> str | None:
    """What is said nearer by, which may say of the other alone that it is only read."""
    if given == READ_ONLY and otherwise:
        return f"{READ_ONLY}:{parts_of(otherwise)[0]}" if parts_of(otherwise)[0] else READ_ONLY
    return given or otherwise


def user_store() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("rlm-dsl", appauthor=False)) / "answers.sqlite"
