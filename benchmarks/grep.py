"""Patterns over a loaded log, through the language, beside ripgrep on the same file and Python's `re` on its lines.

The rules in language/patterns/ were made with the first patterns; how the second group is looked for was seen while
they were made; those held out were written after the rules. ripgrep counts on the file in the page cache; `re` is timed
on a tenth of the lines, times ten.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import corpora
from corpus_session import Corpus
from measure import Effort, Goal, Measure, Spread, Work, alternating, missing, over_all, ratios, tool

from rlm_dsl.language.patterns.prefilters import matching
from rlm_dsl.language.sql import bound, name, sql

TWENTY = (
    "corrupt|mismatch|bounced|expired|renewed|rollback|deadlock|quota|canary|toggled|throttled|cipher|handshake|denied|"
    "granted|volume|mount|replica|leader|follower"
)
OURS = {
    "rare literal": "FATAL",
    "common literal": "the user",
    "anchored": r"^2024-03-1\d",
    "address": r"ip=10\.\d+\.7\.\d+",
    "capture": r"user=(u\d{4,}) ip=10\.1\.",
    "date": r"\d{4}-\d{2}-\d{2}T09:",
    "20 words": TWENTY,
    "two words": "deadlock|rollback",
    "ignoring case": "(?i)Refund",
    "words, ignoring case": "(?i)certificate expired|handshake refused",
    ".*a.*b.*": r".*ERROR.*timeout.*",
    "class+": r"[A-Za-z0-9_.]+@example\.org",
    "word edges": r"\btask\b",
    "phone": r"\+\d{2}-\d{3}-555-\d{4}",
    "words before an end": r"(failed|reset|timeout) n=\d+$",
    "field in every line": r"ms=\d{3,}",
}
SECOND = {
    "two literals": r"queue.*deadlock",
    "level in brackets": r"(WARN|ERROR) \[(cart|mail)\]",
    "session of a worker": r"\[worker\].*session [a-m]\w+ ",
    "path": r"/srv/\w+/data\.JSON$",
    "code": r"code=E[0-4]\d{2,3}\b",
    "either case": r"[Ss]napshot [Rr]estore",
    "three words, ignoring case": r"(?i)\b(leader|follower|election)\b",
    "hour range": r"T(0[1-3]|22):[0-5]\d:",
    "optional s": r"replicas? (failed|denied)",
    "no literal": r"\d+\.\d+\.\d+\.25[0-5]",
    "rare, whole word": r"\bvolume\b.*\bquota\b",
    "anchored level": r"^\S+ FATAL \[",
}
HELD_OUT = {
    "mail address": r"from \w+@[a-z.]+$",
    "word pair": r"connection (reset|refused|closed)",
    "night errors": r"T0[0-5]:\d\d:\d\d.*(ERROR|FATAL)",
    "user range": r"user=u[1-9]\d{3}\b",
    "not info": r"^\S+ (DEBUG|WARN) ",
    "slow search": r"\[search\].*ms=[3-9]\d\d ",
    "plural": r"\b(volumes?|mounts?|quotas?)\b",
    "title case": r"(?i)garbage collected",
    "rare phrase": r"checksum mismatch",
    "two of three": r"(shard|replica).*(leader|follower)",
}
MEAN, WORST = Goal(reach=1.0, ideal=0.5, now=1.3), Goal(reach=2.0, ideal=1.0, now=4.0)
REPL = Goal(reach=15, ideal=50, now=8, more=True)
RG, RG1, PYTHON, RE2 = "rg -c", "rg -c -j1", "[x for x in lines if re.search]", "regexp_matches alone"
TENTH = 10


def measures(effort: Effort) -> Iterator[Measure]:
    path = corpora.synthetic(effort.of(10, 150) * corpora.MB)
    yield from on_corpus("", path, OURS, effort)
    if effort.full:
        yield from on_corpus("second group, ", path, SECOND, effort)
        yield from on_corpus("held out, ", path, HELD_OUT, effort)
        if there := corpora.real(50 * corpora.MB):
            yield from on_corpus("real logs, ", there, REAL, effort)


REAL = {
    "rare literal": "POSSIBLE BREAK-IN ATTEMPT",
    "common literal": "sshd",
    "address": r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}",
    "capture": r"Invalid user (\w+) from (\S+)",
    "ignoring case": "(?i)FAILED password",
    "three words": "scoreboard|preauth|workerEnv",
    ".*a.*b.*": ".*child.*error.*",
    "date": r"\[\w{3} Dec \d{2} 0[4-6]:",
    "word edges": r"\broot\b",
    "port": r"port \d{5} ssh2$",
}


def on_corpus(group: str, path: Path, patterns: dict[str, str], effort: Effort) -> Iterator[Measure]:
    """Each pattern against each peer, then what they come to together."""
    found: list[Measure] = []
    with Corpus(str(path)) as corpus:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        some = [line[:] for line in lines[::TENTH]]
        factor = len(lines) / len(some)
        del lines
        for what, pattern in patterns.items():
            for measure in one(corpus, path, some, factor, f"{group}{what}", pattern):
                found.append(measure)
                yield measure
    for peer, mean, worst in ((RG, MEAN, WORST), (RG1, MEAN, WORST), (PYTHON, REPL, REPL), (RE2, None, None)):
        held = [m for m in found if m.peer == peer and "query alone" not in m.what]
        yield from over_all(f"{group}all patterns", peer, held, mean, worst)
    alone = [m for m in found if m.peer == RG and "query alone" in m.what]
    yield from over_all(f"{group}all patterns, query alone", RG, alone, MEAN, WORST)


def one(corpus: Corpus, path: Path, some: list[str], factor: float, what: str, pattern: str) -> Iterator[Measure]:
    program = f'n = log | grep(r"{pattern}") | count()'
    raw = matching(name("text"), pattern)
    plain = sql("regexp_matches({t}, {p})", t=name("text"), p=bound(pattern))
    rg = tool("rg")
    expected = corpus.count(plain)
    assert corpus.count(raw) == expected, pattern
    works: dict[str, Work] = {
        "program": lambda: corpus.explored(program),
        "query": lambda: corpus.count(raw),
        RE2: lambda: corpus.count(plain),
    }
    if rg:
        assert ripgrep(rg, pattern, path) == expected, pattern
        works[RG] = lambda: ripgrep(rg, pattern, path)
        works[RG1] = lambda: ripgrep(rg, pattern, path, "-j1")
    compiled = re.compile(pattern, re.ASCII)
    works[PYTHON] = lambda: [line for line in some if compiled.search(line)]
    taken = alternating(works)
    taken[PYTHON] = [seconds * factor for seconds in taken[PYTHON]]
    for peer, goal in ((RG, None), (RG1, None), (PYTHON, REPL), (RE2, None)):
        yield line(what, taken, "query" if peer == RE2 else "program", peer, goal)
    yield line(f"{what}, query alone", taken, "query", RG, None)


def line(what: str, taken: dict[str, list[float]], ours: str, peer: str, goal: Goal | None) -> Measure:
    if peer not in taken:
        return missing(what, peer, Spread.of(taken[ours]), goal)
    ratio = ratios(taken[ours], taken[peer], more=bool(goal and goal.more))
    return Measure(what, Spread.of(taken[ours]), peer, Spread.of(taken[peer]), ratio, goal)


def ripgrep(rg: str, pattern: str, path: Path, *more: str) -> int:
    """How many lines ripgrep counts."""
    asked = [rg, "--no-config", "-a", *more, "-c", "-e", pattern, str(path)]
    return int(subprocess.run(asked, capture_output=True, text=True, check=False).stdout or 0)
