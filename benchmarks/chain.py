"""A chain of six exact steps: fused into one query, and each step made a table as an exploration makes it."""

from __future__ import annotations

from collections.abc import Iterator

import corpora
from corpus_session import Corpus
from measure import Effort, Goal, Measure, compared

CHAINS = {
    "six steps": r"""
a = log | grep(r"request")
b = a | where(length(text) > 60)
c = b | derive(size=length(text), slow=contains(text, "timeout"))
d = c | where(size > 80)
e = d | derive(wide=size > 120)
f = e | group(by=[slow, wide], n=count())
""",
    "six steps with extract": r"""
a = log | grep(r"request")
b = a | where(length(text) > 60)
c = b | extract(r"ms=(?P<ms>\d+)", types={ms: int})
d = c | where(ms > 20)
e = d | derive(slow=ms > 100)
f = e | group(by=slow, n=count())
""",
}
FASTER = Goal(reach=4, ideal=5, now=4.6, more=True)
PEER = "the six steps as tables"


def measures(effort: Effort) -> Iterator[Measure]:
    path = corpora.synthetic(effort.of(5, 50) * corpora.MB)
    with Corpus(str(path)) as corpus:
        for what, steps in CHAINS.items():
            yield from one(corpus, what, steps)


def one(corpus: Corpus, what: str, steps: str) -> Iterator[Measure]:
    program = f"{steps}answer f\n"
    peers = {PEER: lambda: corpus.explored(steps)}
    goals = {PEER: FASTER}
    yield from compared(f"{what}, one query", lambda: corpus.queried(program), peers, goals)
    yield from compared(f"{what}, as `run` runs it", lambda: corpus.ran(program, digests=True), peers, goals)
