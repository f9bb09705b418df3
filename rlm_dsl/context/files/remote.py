"""Files that lie elsewhere: `s3://`, `gs://`, `az://` and `https://`, listed and read in ranges.

In: an address that a user said. Out: files with their sizes and states, and streams. Law: only the address that was
said is spoken to, and what it names; credentials come from the environment, never from an address, and stand in no
message; a file that changes while it is read is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity
from rlm_dsl.context.files import object_storage, web
from rlm_dsl.context.files.globs import fixed_folder, has_wildcard, name_pattern
from rlm_dsl.context.files.positioned import Positioned

STORES = ("s3", "gs", "az")
WEB = ("https", "http")
DATABASES = ("postgresql", "postgres")
WINDOW = 1 << 23
"""Bytes of a range that is read ahead."""
AHEAD = 4
"""Ranges that are on their way at once."""
NEAR = 1 << 16
"""Bytes that are read at least, where only a place in a file is wanted."""
STATE_BITS = 62
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that lies elsewhere: its address, how it is shown, its bytes and what tells that it is another (an ETag or
    version)."""

    path: str
    shown: str
    size: int
    version: str


def scheme_of(path: str) -> str:
    """The scheme of an address that is read here; '' for anything else."""
    scheme, mark, _ = path.partition("://")
    return scheme.lower() if mark and scheme.lower() in (*STORES, *WEB) else ""


def is_remote(path: str) -> bool:
    return "://" in path and bool(scheme_of(path))


def is_database(path: str) -> bool:
    """Whether an address is a database's, which holds tables and no files."""
    return path.partition("://")[0].lower() in DATABASES and "://" in path


def is_elsewhere(path: str) -> bool:
    """Whether reading it makes a connection."""
    return is_remote(path) or is_database(path)


def is_many(path: str) -> bool:
    """Whether an address names several files: with wildcards, or a folder by the slash at its end."""
    return scheme_of(path) in STORES and (has_wildcard(path) or path.endswith("/") or not name_in(path))


def name_in(path: str) -> str:
    """What an address names in its bucket or container."""
    return path.partition("://")[2].partition("/")[2]


def require_plain(path: str) -> None:
    """Raises UserError for an address that holds what is secret, or is not to be trusted."""
    parts = urlsplit(path)
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if "@" in parts.netloc:
        raise UserError(
            f"{bare} was given with a user or password, which would stand in every trace",
            "take it out of the address: credentials are read from the environment (AWS_*, GOOGLE_*, AZURE_*, PG*)",
        )
    if parts.scheme.lower() in WEB and (parts.query or parts.fragment):
        raise UserError(f"{bare} was given with a query, which may hold a key", "fetch it first, and give the file")
    if parts.scheme.lower() == "http" and parts.hostname not in LOOPBACK:
        raise UserError(
            f"{bare} is not encrypted: what comes may be anyone's", "give it as https://, or fetch it first"
        )


def find_remote(path: str) -> list[RemoteFile]:
    """The files that an address names: one, those of a folder or those of a glob."""
    require_plain(path)
    scheme = scheme_of(path)
    if scheme in WEB:
        if has_wildcard(path):
            raise UserError(f"{path}: a web server does not list its files", "name each file")
        found = web.head(path)
        return [RemoteFile(path, path.rpartition("/")[2], *found)]
    root = path[: len(path) - len(name_in(path))].rstrip("/")
    if not is_many(path):
        return [RemoteFile(path, path.rpartition("/")[2], *object_storage.head(path))]
    inner = name_in(path)
    folder = fixed_folder(inner) if has_wildcard(inner) else inner
    pattern = name_pattern(inner) if has_wildcard(inner) else None
    listed = object_storage.listed(root, folder)
    return [
        RemoteFile(f"{root}/{name}", name[len(folder) :], size, version)
        for name, size, version in listed
        if (pattern is None or pattern.match(name))
        and not any(part.startswith(".") for part in name[len(folder) :].split("/"))
        and not name.endswith("/")
    ]


def state_of(path: str) -> tuple[int, tuple[int, ...]]:
    """A file's bytes, and its version as a number: another number is another version."""
    size, version = (web if scheme_of(path) in WEB else object_storage).head(path)
    return size, (int(identity("version-v1", [version])[:15], 16),)


@contextmanager
def open_remote(path: str) -> Iterator[Any]:
    """A file as a stream, which is read in ranges, several at a time where it is read through."""
    require_plain(path)
    place = web if scheme_of(path) in WEB else object_storage
    size, version = place.head(path)
    with ThreadPoolExecutor(AHEAD) as pool:
        yield Ranges(size, lambda start, end: place.fetch(path, start, end, version), pool)


class Ranges(Positioned):
    """A file of known size as a stream of ranges; owns what is on its way."""

    step = WINDOW

    def __init__(self, size: int, fetch: Callable[[int, int], bytes], pool: ThreadPoolExecutor) -> None:
        super().__init__(size)
        self.fetch, self.pool = fetch, pool
        self.begin = 0
        self.held = b""
        self.pending: deque[tuple[int, Future[bytes]]] = deque()

    def take(self, wanted: int) -> bytes:
        """The next bytes, not beyond a range."""
        if self.at >= self.size or not wanted:
            return b""
        if not self.begin <= self.at < self.begin + len(self.held):
            through = self.at in (0, self.begin + len(self.held))
            self.held = self.read_through() if through else self.read_near(wanted)
            self.begin = self.at
        found = self.held[self.at - self.begin : self.at - self.begin + wanted]
        self.at += len(found)
        return found

    def read_through(self) -> bytes:
        """The range that begins here, and the next ones on their way."""
        if not self.pending or self.pending[0][0] != self.at:
            self.pending.clear()
        start = self.pending[-1][0] + WINDOW if self.pending else self.at
        while len(self.pending) < AHEAD and start < self.size:
            self.pending.append((start, self.pool.submit(self.fetch, start, min(start + WINDOW, self.size))))
            start += WINDOW
        return self.pending.popleft()[1].result()

    def read_near(self, wanted: int) -> bytes:
        return self.fetch(self.at, min(self.size, self.at + max(NEAR, wanted)))
