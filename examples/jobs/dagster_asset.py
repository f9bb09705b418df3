"""A Dagster asset: the labelled tickets of a day, each answer of the model paid for once.

In: a partition, its file below `DATA`. Out: rows, and what the run was as the asset's metadata. Law: a run that was
stopped goes on from its trace; a second materialization asks only about what is new.
"""

# No `from __future__ import annotations` here: Dagster looks at the types of what is handed in.
import os
from pathlib import Path

import dagster as dg

import rlm_dsl

DATA = Path(os.environ.get("TICKETS", "data"))
PROGRAM = Path(__file__).parent / "billing.rlm"
DAYS = dg.DailyPartitionsDefinition(start_date="2026-11-01")


@dg.asset(partitions_def=DAYS, retry_policy=dg.RetryPolicy(max_retries=3, delay=60))
def billing(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """How many billing questions came on a day."""
    day = context.partition_key
    result = rlm_dsl.run(
        PROGRAM.read_text(encoding="utf-8"),
        {"tickets": DATA / f"{day}.csv"},
        model=os.environ.get("MODEL", "gpt-5-mini"),
        budget={"calls": 1_000},
        store=os.environ.get("RLM_DSL_STORE"),
        trace=DATA / "runs" / f"{day}-{context.run_id[:8]}-{context.retry_number}.trace",
    )
    spent = result.spent
    told = {"calls": spent.calls, "head": result.head or "", "trace": str(result.trace)}
    return dg.MaterializeResult(value=result.value, metadata=told)


defs = dg.Definitions(assets=[billing])
