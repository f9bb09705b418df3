"""A database of PostgreSQL's: the store of a team."""

from __future__ import annotations

from rlm_dsl.models.cache.kinds.postgresql.reading import opened_to_read
from rlm_dsl.models.cache.kinds.postgresql.store import opened
from rlm_dsl.models.cache.protocol import Kind

KIND = Kind("postgresql", ("postgresql", "postgres"), opened, opened_to_read)
