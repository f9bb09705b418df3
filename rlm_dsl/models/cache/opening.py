"""A store opened by its place: the kinds are found by reading `kinds/`.

In: a place as people write it. Out: the open store. Law: adding a kind is adding one folder, and nothing else names it;
a store that is only read is never written to, whatever asks for it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache

from rlm_dsl.common.diagnostics import UserError, did_you_mean
from rlm_dsl.models.cache import kinds as folder
from rlm_dsl.models.cache.place import Place, read_place
from rlm_dsl.models.cache.protocol import AnswerStore, Kind
from rlm_dsl.models.cache.read_only import ReadOnly


@cache
def kinds() -> Sequence[Kind]:
    """Every kind of store, by name."""
    modules = [importlib.import_module(f"{folder.__name__}.{m.name}") for m in pkgutil.iter_modules(folder.__path__)]
    return sorted((module.KIND for module in modules), key=lambda kind: kind.name)


def kind_of(place: Place) -> Kind:
    """The kind of a place. Raises UserError for an address of none."""
    for kind in kinds():
        if place.scheme in (kind.schemes or ("",)):
            return kind
    known = [scheme for kind in kinds() for scheme in kind.schemes]
    hint = did_you_mean(place.scheme, known, what="addresses of stores") or ("name a file, or postgresql://",)
    raise UserError(f"no answer store has an address of {place.scheme}://", hint[0])


def open_store(given: str | None) -> AnswerStore:
    """The store that is named, or the usual one."""
    return open_place(read_place(given))


def open_place(place: Place) -> AnswerStore:
    kind = kind_of(place)
    return ReadOnly(kind.read(place)) if place.read_only else kind.open(place)
