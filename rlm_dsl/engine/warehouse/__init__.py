"""The warehouse: where contexts, steps and answers lie as tables of DuckDB."""

from rlm_dsl.engine.warehouse.warehouse import Warehouse

__all__ = ["Warehouse"]
