"""Tasks that meet with an accident, and a command whose tasks take long: what a worker imports of the tests.

In: items. Out: what tasks of a cluster's give, if they do. Law: each says by a file that it has begun.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rlm_dsl.common.diagnostics import UserError


def dying(path: str, shared: str) -> str:
    """Takes its worker with it when it is first run."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return f"{Path(path).name} {shared}"
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def always_dying(item: int, shared: None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refusing(item: int, shared: str) -> None:
    raise UserError(f"refused in a task: {item}", "do else", exit_code=3, code="own")


def surroundings(item: int, shared: None) -> int:
    return os.getpid()


def long(shard: Any, question: Any) -> None:
    """Stands for a query over a shard that takes very long; its files lie beside a folder that tells."""
    folder = Path(shard.files.files[0].path).parent.parent
    (folder / f"begun-{shard.key}").touch()
    time.sleep(20)
    (folder / f"ended-{shard.key}").touch()


def command_with_long_tasks(*words: str) -> None:
    """The command line, whose tasks ask each shard for very long."""
    from rlm_dsl import cli
    from rlm_dsl.engine.shards import sharded_rows

    sharded_rows.ask_shard = long  # type: ignore[assignment]
    sys.exit(cli.run([*words]))
