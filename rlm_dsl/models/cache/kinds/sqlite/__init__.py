"""A file of SQLite's: the store of one machine."""

from __future__ import annotations

from rlm_dsl.models.cache.kinds.sqlite.read_only import open_to_read
from rlm_dsl.models.cache.kinds.sqlite.store import SqliteStore
from rlm_dsl.models.cache.protocol import Kind

KIND = Kind("sqlite", (), lambda place: SqliteStore(place.path), lambda place: open_to_read(place.path))
