"""The price of an answer: six questions of the OOLONG form over 1,000 short rows, asked through rlms, dspy.RLM and us.

Each explorer has a root of equal wit and the same sub-model, both played (`price_server.py`), so that what is measured
is how they ask: calls, tokens in and out, tokens that a provider would have cached, seconds beside the models, and how
many of the six answers are right. `python benchmarks/price.py --help` for other worlds, errors and slips.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from explorers import PEERS, there
from measure import Effort, Goal, Measure, Spread, missing
from price_world import Question, made_world, questions, read_world, right

from rlm_dsl.integrations.rlms import RLM

ROWS, SEED = 1_000, 7
TOKENS, ROOT, SECONDS = Goal(reach=0.6, ideal=0.4), Goal(reach=0.7, ideal=0.5), Goal(reach=1.0, ideal=0.5)
SHARED = "shared.sqlite"
HERE = Path(__file__).parent
Taken = dict[str, Any]
Kind = tuple[str, str, Goal, Callable[[Taken], float]]
"""What is measured, its unit, its goal, and how it is read from what an explorer took."""


def ours(base_url: str, text: str, question: str, store: Path) -> str:
    return str(RLM("m", base_url=base_url, api_key="none", store=str(store)).completion(text, question).response)


def rlms(base_url: str, text: str, question: str, store: Path) -> str:
    from rlm import RLM as Peer

    peer = Peer(backend="openai", backend_kwargs={"model_name": "m", "base_url": base_url, "api_key": "none"})
    return str(peer.completion(text, root_prompt=question).response)


def dspy_rlm(base_url: str, text: str, question: str, store: Path) -> str:
    import dspy

    lm = dspy.LM("openai/m", api_base=base_url, api_key="none", cache=store.name == SHARED)
    with dspy.context(lm=lm):
        peer = dspy.RLM("context, query -> answer", interpreter_factory=dspy.LocalInterpreter)
        return str(peer(context=text, query=question).answer)


EXPLORERS = {"ours": ours, "rlms": rlms, "dspy.RLM": dspy_rlm}


@contextmanager
def played(given: dict[str, Any]) -> Iterator[str]:
    command = [sys.executable, str(HERE / "price_server.py"), json.dumps(given)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def told(url: str) -> dict[str, dict[str, int]]:
    with urllib.request.urlopen(f"{url}/told") as reply:
        found: dict[str, dict[str, int]] = json.load(reply)
    return found


def taken(given: dict[str, Any], names: list[str], shared: bool) -> dict[str, Taken]:
    """What six questions took, by explorer. With `shared`, each keeps what it keeps unless told otherwise: we the store
    of answers, dspy its cache of prompts, rlms nothing; else each question begins with nothing known."""
    world = read_world(Path(given["world"])) if given["world"] else made_world(given["rows"], given["seed"])
    asked = questions(world)
    found: dict[str, Taken] = {}
    with played(given) as url, tempfile.TemporaryDirectory() as held:
        for name in names:
            answers, seconds = [], []
            explore = EXPLORERS[name]
            warm(explore, url, world.context, asked[0], Path(held) / f"warm-{name}.sqlite")
            told(url)
            if name == "dspy.RLM":
                import dspy

                dspy.configure_cache(enable_disk_cache=False, enable_memory_cache=True)  # a new one
            for number, question in enumerate(asked):
                store = Path(held) / (SHARED if shared else f"{number}.sqlite")
                started = time.perf_counter()
                answers.append(explore(f"{url}/v1", world.context, question.text, store))
                seconds.append(time.perf_counter() - started)
            found[name] = {**told(url), "right": right(answers, asked), "seconds": sorted(seconds)[len(seconds) // 2]}
    return found


def warm(explore: Any, url: str, text: str, question: Question, store: Path) -> None:
    """Once, not counted: what is loaded at the first use is loaded."""
    explore(f"{url}/v1", text, question.text, store)


def total(found: Taken, role: str = "", part: str = "") -> int:
    roles = [role] if role else ["root", "sub"]
    return sum(found.get(each, {}).get(p, 0) for each in roles for p in ([part] if part else ["in", "out"]))


def table(found: dict[str, Taken]) -> str:
    rows: list[tuple[str, Callable[[Taken], str]]] = [
        ("answers right", lambda one: f"{one['right']} of 6"),
        ("root turns", lambda one: f"{total(one, 'root', 'calls'):,}"),
        ("root tokens in / out", lambda one: f"{total(one, 'root', 'in'):,} / {total(one, 'root', 'out'):,}"),
        ("of them in a known prefix", lambda one: f"{total(one, 'root', 'cached'):,}"),
        ("sub-calls", lambda one: f"{total(one, 'sub', 'calls'):,}"),
        ("sub tokens in / out", lambda one: f"{total(one, 'sub', 'in'):,} / {total(one, 'sub', 'out'):,}"),
        ("all tokens", lambda one: f"{total(one):,}"),
        ("seconds beside the models, one question", lambda one: f"{one['seconds']:.2f}"),
    ]
    return table_of("sum of six", found, rows)


def table_of(about: str, found: dict[str, Taken], rows: Sequence[tuple[str, Callable[[Taken], str]]]) -> str:
    """A row each, a column an explorer."""
    lines = [f"| {about} | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(map(cell, found.values()))} |" for name, cell in rows)])


def measures(effort: Effort) -> Iterator[Measure]:
    names = ["ours", *(name for name, (package, _, _) in PEERS.items() if there(package))]
    world = {"rows": ROWS, "seed": SEED, "errors": 0.0, "slips": 0.0, "world": ""}
    for shared in (False, True):
        found = taken(world, names, shared)
        print(table(found), flush=True)
        yield from compared_with_peers(found, "six questions, with what each keeps" if shared else "six questions")


def compared_with_peers(found: dict[str, Taken], about: str) -> Iterator[Measure]:
    kinds: tuple[Kind, ...] = (
        ("all tokens", "tokens", TOKENS, total),
        ("root tokens", "tokens", ROOT, lambda one: total(one, "root")),
        ("seconds beside the root", "s", SECONDS, lambda one: one["seconds"]),
    )
    notes = {name: f"right: ours {found['ours']['right']}, {name} {one['right']} of 6" for name, one in found.items()}
    yield from beside_peers(found, about, kinds, dict.fromkeys(PEERS, "") | notes)


def beside_peers(
    found: dict[str, Taken], about: str, kinds: Sequence[Kind], notes: dict[str, str]
) -> Iterator[Measure]:
    """What ours took divided by what each peer did, kind by kind; `notes` name the peers, missing ones too."""
    for what, unit, goal, part in kinds:
        mine = Spread.of([part(found["ours"])])
        for name in (each for each in notes if each != "ours"):
            if name not in found:
                yield missing(f"{about}: {what}", name, mine, goal)
                continue
            theirs = part(found[name])
            ratio = Spread.of([part(found["ours"]) / theirs])
            yield Measure(f"{about}: {what}", mine, name, Spread.of([theirs]), ratio, goal, unit, notes[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--world", default="", help="folder with context.txt and rows.jsonl, instead of a made one")
    parser.add_argument("--errors", type=float, default=0.0, help="share of rows labelled wrong alone; more in packs")
    parser.add_argument("--slips", type=float, default=0.0, help="share of a pack's lines left out or shifted")
    parser.add_argument("--shared", action="store_true", help="with what each keeps from question to question")
    given = vars(parser.parse_args())
    shared = given.pop("shared")
    logging.disable(logging.WARNING)
    names = ["ours", *(name for name, (package, _, _) in PEERS.items() if there(package))]
    print(table(taken(given, names, shared)))


if __name__ == "__main__":
    main()
