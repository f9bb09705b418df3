"""Explorations of 3 and of 12 turns beside rlms and dspy.RLM: root tokens of the whole, and seconds a turn.

All answer the same question over the same text, asked of the same testing endpoint in a process of its own, which plays
the turns of each in its own language and counts tokens by one measure for all. No model: what is measured is the loop.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import corpora
from measure import ROUNDS, Effort, Goal, Measure, Spread, missing, ratios

from rlm_dsl.integrations.rlms import RLM

QUESTION = "How many lines of this log have the level ERROR?"
TURNS = (3, 12)
"""How many turns an exploration has: the more there are, the more the turns before weigh."""
GOAL = Goal(reach=1.0, ideal=0.5)
CODE = (
    "print(context[:500])",
    "hits = [line for line in context.splitlines() if ' ERROR ' in line]\nprint(len(hits), hits[:3])",
)
Explorer = Callable[[str, str, Path], str]


def looks(turns: int, form: str) -> list[str]:
    """As many looks at the hits, ten rows each, as make up the number of turns."""
    return [form.format(skip=10 * n, end=10 * n + 10) for n in range(turns - 3)]


def script(turns: int) -> dict[str, list[str]]:
    """Turns by what only the prompts of one explorer hold; dspy's say by a field which turn it is."""
    more = looks(turns, "print(hits[{skip}:{end}])")
    ours = [
        "show prompt | take(3)",
        'hits = prompt | grep(" ERROR ")',
        *looks(turns, "show hits | take(10, skip={skip})"),
    ]
    rlms = [*CODE, *more, "answer['content'] = str(len(hits))\nanswer['ready'] = True"]
    reply = "[[ ## reasoning ## ]]\nOn I go.\n\n[[ ## code ## ]]\n```python\n{}\n```\n\n[[ ## completed ## ]]"
    dspy = {
        f"[[ ## iteration ## ]]\n{n}/": [reply.format(code)]
        for n, code in reversed(list(enumerate([*CODE, *more, "SUBMIT(str(len(hits)))"], 1)))
    }
    return {**dspy, "Contexts:\n": [*ours, "answer hits | count()"], "": [f"```repl\n{code}\n```" for code in rlms]}


def endpoint(folder: Path, turns: int) -> tuple[subprocess.Popen[str], str]:
    """The testing endpoint as a process; its base URL is the line it prints."""
    (folder / "script.json").write_text(json.dumps(script(turns)))
    command = [sys.executable, "-m", "rlm_dsl.testing.endpoint", "--port", "0", "--script", str(folder / "script.json")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def counted(base_url: str) -> tuple[int, int]:
    """Calls and tokens that the endpoint has seen."""
    with urllib.request.urlopen(f"{base_url.removesuffix('/v1')}/stats") as reply:
        held = json.load(reply)
    return held["calls"], held["tokens"]["prompt"] + held["tokens"]["completion"]


def ours(base_url: str, text: str, store: Path) -> str:
    return RLM("m", base_url=base_url, api_key="none", store=str(store)).completion(text, QUESTION).response


def rlms(base_url: str, text: str, store: Path) -> str:
    from rlm import RLM as Peer

    peer = Peer(backend="openai", backend_kwargs={"model_name": "m", "base_url": base_url, "api_key": "none"})
    return str(peer.completion(text, root_prompt=QUESTION).response)


def dspy_rlm(base_url: str, text: str, store: Path) -> str:
    import dspy

    logging.getLogger("dspy").setLevel(logging.ERROR)
    lm = dspy.LM("openai/m", api_base=base_url, api_key="none", cache=False)
    with dspy.context(lm=lm):
        peer = dspy.RLM("context, query -> answer", interpreter_factory=dspy.LocalInterpreter)
        return str(peer(context=text, query=QUESTION).answer)


PEERS: dict[str, tuple[str, str, Explorer]] = {
    "rlms": ("rlm", "rlms", rlms),
    "dspy.RLM": ("dspy", "dspy", dspy_rlm),
}
"""Each peer's package to import, its name as it is installed, and how it is asked."""


def measures(effort: Effort) -> Iterator[Measure]:
    for size in effort.of([corpora.MB], [corpora.MB, 10 * corpora.MB]):
        text = corpora.synthetic(size).read_text(encoding="utf-8")
        right = str(sum(" ERROR " in line for line in text.splitlines()))
        explorers = {"": ours, **{name: explore for name, (package, _, explore) in PEERS.items() if there(package)}}
        for turns in TURNS:
            with tempfile.TemporaryDirectory() as held:
                process, base_url = endpoint(Path(held), turns)
                try:
                    taken = rounds(explorers, base_url, text, right, Path(held), turns)
                finally:
                    process.terminate()
                    process.wait()
            yield from told(f"{turns} turns, {size // corpora.MB} MB", taken, turns)


def rounds(
    explorers: dict[str, Explorer], base_url: str, text: str, right: str, folder: Path, turns: int
) -> dict[str, list[tuple[float, int]]]:
    """Seconds and tokens of each explorer in each round, after one that does not count."""
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in explorers}
    for number in range(-1, ROUNDS):
        for name, explore in explorers.items():
            calls, tokens = counted(base_url)
            started = time.perf_counter()
            answer = explore(base_url, text, folder / f"{number}.sqlite")
            seconds = time.perf_counter() - started
            asked, used = counted(base_url)
            assert (answer, asked - calls) == (right, turns), f"{name or 'ours'}: {answer} after {asked - calls} turns"
            if number >= 0:
                taken[name].append((seconds, used - tokens))
    return taken


def told(size: str, taken: dict[str, list[tuple[float, int]]], turns: int) -> Iterator[Measure]:
    kinds: tuple[tuple[str, str, Callable[[tuple[float, int]], float]], ...] = (
        ("seconds a turn", "s", lambda one: one[0] / turns),
        ("root tokens", "tokens", lambda one: float(one[1])),
    )
    for what, unit, part in kinds:
        mine = [part(one) for one in taken[""]]
        for name in PEERS:
            if name not in taken:
                yield missing(f"{what}, {size}", name, Spread.of(mine), GOAL)
                continue
            theirs: list[Any] = [part(one) for one in taken[name]]
            ratio = ratios(mine, theirs)
            note = f"{PEERS[name][1]} {version(PEERS[name][1])}, openai {version('openai')}"
            yield Measure(f"{what}, {size}", Spread.of(mine), name, Spread.of(theirs), ratio, GOAL, unit, note)


def there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
