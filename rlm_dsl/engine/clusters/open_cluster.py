"""Clusters by the engine that is named, each opened once in a process.

In: a placement. Out: its cluster. Law: nothing of a cluster is imported before one is wanted.
"""

from __future__ import annotations

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.context.placement import Placement
from rlm_dsl.engine.clusters.cluster import Cluster

_open: dict[Placement, Cluster] = {}


def open_cluster(placement: Placement) -> Cluster:
    """The cluster of a placement. Raises UserError where it is not reached."""
    if placement not in _open:
        _open[placement] = opened(placement)
    return _open[placement]


def opened(placement: Placement) -> Cluster:
    if placement.engine == "ray":
        from rlm_dsl.engine.clusters.ray import RayCluster

        return RayCluster.connect(placement)
    raise UserError(f"no cluster is called `{placement.engine}`", "say engine: ray")
