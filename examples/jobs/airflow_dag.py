"""An Airflow DAG: the same, a task a day.

In: a day's file below `DATA`. Out: the answer, as the task's value. Law: an outage or a spent budget is tried again;
whatever else failed is not, as it would fail again.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task

import rlm_dsl
from rlm_dsl import UserError

DATA = Path(os.environ.get("TICKETS", "data"))
PROGRAM = Path(__file__).parent / "billing.rlm"


@task(retries=3, retry_delay=datetime.timedelta(minutes=10))
def billing(ds: str | None = None, try_number: int = 1) -> Any:
    """How many billing questions came on a day."""
    try:
        return rlm_dsl.run(
            PROGRAM.read_text(encoding="utf-8"),
            {"tickets": DATA / f"{ds}.csv"},
            model=os.environ.get("MODEL", "gpt-5-mini"),
            store=os.environ.get("RLM_DSL_STORE"),
            trace=DATA / "runs" / f"{ds}-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}.trace",
        ).value
    except UserError as failure:
        if failure.exit_code == 3:
            raise  # tried again: answers so far are kept
        raise AirflowFailException(str(failure)) from failure


@dag(schedule="@daily", start_date=datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC), catchup=False)
def tickets() -> None:
    billing()


tickets()
