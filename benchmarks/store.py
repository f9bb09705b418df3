"""How fast answers are found and kept, in SQLite and in PostgreSQL.

In: nothing, or an address with --store. Out: answers a second, looked up together and one by one, kept and claimed.
Without an address a server of the system's packages is started; it does not wait for its disk then (fsync is off), as
the file beside it does (synchronous=FULL).

    python benchmarks/store.py [--answers 5000] [--store postgresql://host/db]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rlm_dsl.models.cache.opening import open_store
from rlm_dsl.models.request import Answer, Message, ModelSettings, Request


def a_second(count: int, work: Callable[[], object]) -> str:
    started = time.perf_counter()
    work()
    return f"{count / (time.perf_counter() - started):,.0f}"


def measured(place: str, many: int) -> list[str]:
    model = ModelSettings("m", f"http://h/{time.time_ns()}")
    requests = [Request(model, (Message("system", "x" * 1_500), Message("user", f"row {n}"))) for n in range(many)]
    store = open_store(place)
    few = [request.key for request in requests[: many // 10]]

    async def claimed() -> None:
        await asyncio.gather(*(store.claim(f"{place} {key}") for key in few))

    def kept() -> None:
        for done in [store.put(request, Answer('{"label": "a"}')) for request in requests]:
            done.result()

    try:
        return [
            a_second(many, kept),
            a_second(many, lambda: store.held(request.key for request in requests)),
            a_second(len(few), lambda: [store.held([key]) for key in few]),
            a_second(len(few), lambda: asyncio.run(claimed())),
        ]
    finally:
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=5_000)
    parser.add_argument("--store")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as held:
        address = given.store
        if address is None:
            from tests.support.postgresql import postgresql_server

            os.environ.update(held.enter_context(postgresql_server()).environment)
            address = "postgresql:///postgres"
        print(f"{'':14}{'kept':>12}{'found':>12}{'one by one':>12}{'claimed':>12}   a second")
        for name, place in (("SQLite", f"{folder}/s.sqlite"), ("PostgreSQL", address)):
            print(f"{name:14}" + "".join(f"{each:>12}" for each in measured(place, given.answers)))


if __name__ == "__main__":
    main()
