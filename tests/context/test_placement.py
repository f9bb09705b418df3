"""Engines as people name them: what is taken, and what is said of what is not.

In: texts and mappings. Out: placements, or words. Law: whoever misspells an engine or an option of it is told which.
"""

from __future__ import annotations

from typing import Any

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.placement import AUTO, SHARD, Placement


@pytest.mark.parametrize(
    ("given", "placed"),
    [
        (None, None),
        ("local", None),
        ({"local": None}, None),
        ("ray", Placement("ray", AUTO, SHARD, None)),
        ("ray:ray://head:10001", Placement("ray", "ray://head:10001", SHARD, None)),
        ({"ray": "auto", "shard": "64MB", "memory": "2GB"}, Placement("ray", AUTO, 64_000_000, 2_000_000_000)),
    ],
)
def test_what_is_taken(given: Any, placed: Placement | None) -> None:
    assert Placement.of(given) == placed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("rai", "no engine is called `rai`\n  hint: did you mean `ray`?"),
        (7, "no engine: 7"),
        ({"ray": "auto", "shards": "3MB"}, "an engine has no `shards`\n  hint: did you mean `shard`?"),
        ({"shard": "3MB"}, "this names no engine"),
        ({"ray": "auto", "local": ""}, "an engine is named once"),
        ({"ray": "auto", "shard": "3 potatoes"}, "no amount of memory: '3 potatoes'"),
    ],
)
def test_what_is_refused(given: Any, said: str) -> None:
    with pytest.raises(UserError) as refused:
        Placement.of(given)
    assert str(refused.value).startswith(said)
