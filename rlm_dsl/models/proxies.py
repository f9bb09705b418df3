"""What stands in for a model where it is sure: proxies of each kind, by their digests.

In: JSON. Out: proxies. Law: a proxy is what it is called by, or is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models import small_model
from rlm_dsl.models.proxy_model import Proxy
from rlm_dsl.models.small_model import SmallModel

AnyProxy: TypeAlias = Proxy | SmallModel


def proxies_of(held: Mapping[str, Any]) -> dict[str, AnyProxy]:
    """Proxies by their digests, which are computed anew. Raises UserError for one that is not what it is called."""
    found: dict[str, AnyProxy] = {}
    for digest, value in held.items():
        small = isinstance(value, Mapping) and value.get("schema") == small_model.SCHEMA
        proxy: AnyProxy = SmallModel.from_json(value) if small else Proxy.from_json(value)
        if proxy.digest != digest:
            raise UserError("a proxy is not what it is called by", "optimize again", code="proxy")
        found[digest] = proxy
    return found
