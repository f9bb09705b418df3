"""Doubt: how little speaks for the answer that the model gave, by what is known of the run.

In: texts and answers, probabilities or a tuned proxy where there are. Out: a number a row, from 0 (as expected)
to 1. Law: where the program asks how probable an answer is, that is taken; else the margin of the run's proxy; else the
words of the other rows (naive Bayes, whole words). The same rows give the same doubts whatever their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log

import numpy as np

from rlm_dsl.models.proxy_model import WORD, Proxy

LONGEST = 2_000
"""Characters of a text that are looked at."""
STRATA = (0.05, 0.5)
"""Where doubt is some, and where it is much."""
UNDECIDED = 0.25
"""The doubt of an answer that a proxy would give too, and is not sure of."""
SMOOTHED = 0.5


def by_probability(probabilities: Sequence[float | None]) -> tuple[float, ...]:
    """One minus how probable the model holds each answer; of one without that all."""
    return tuple(1.0 if each is None else 1.0 - each for each in probabilities)


def by_margin(proxy: Proxy, texts: Sequence[str], answers: Sequence[str | bool | None]) -> tuple[float, ...]:
    """None where the proxy is sure of the same answer, some where its margin is less than that takes, all where it
    says something else."""
    known: dict[str, tuple[str | bool, bool]] = {}
    found = []
    for text, answer in zip(texts, answers, strict=True):
        if text not in known:
            best, margin = proxy.margin(text)
            least = proxy.thresholds[best]
            known[text] = proxy.labels[best], least is not None and margin >= least
        label, sure = known[text]
        found.append(1.0 if label != answer else 0.0 if sure else UNDECIDED)
    return tuple(found)


def doubts(texts: Sequence[str], answers: Sequence[str]) -> list[float]:
    """One minus the probability of each row's answer, by the words of the other rows."""
    words = [sorted(set(WORD.findall(text[:LONGEST].casefold()))) for text in texts]
    held = Counter(word for own in words for word in own)
    shared = {word: place for place, word in enumerate(sorted(word for word, rows in held.items() if rows > 1))}
    names = {name: place for place, name in enumerate(sorted(set(answers)))}
    given = np.array([names[answer] for answer in answers], dtype=np.int64)
    rows = np.bincount(given, minlength=len(names)).astype(float)
    own_words = [np.array([shared[word] for word in own if word in shared], dtype=np.int64) for own in words]
    counts = np.zeros((len(names), len(shared)))
    for label, own in zip(given, own_words, strict=True):
        counts[label, own] += 1
    likely = np.log(counts + SMOOTHED) - np.log(rows + 1)[:, None]
    alone = log(SMOOTHED) - np.log(rows + 1)
    found = []
    for label, own, every in zip(given, own_words, words, strict=True):
        single = len(every) - len(own)  # words that no other row has
        scores = np.log(rows + SMOOTHED) + likely[:, own].sum(axis=1) + single * alone
        left = counts[label, own] - 1 + SMOOTHED
        size = rows[label]
        scores[label] = log(size - 1 + SMOOTHED) + float((np.log(left) - log(size)).sum())
        scores[label] += single * (log(SMOOTHED) - log(size))
        share = np.exp(scores - scores.max())
        found.append(1.0 - float(share[label] / share.sum()))
    return found


def stratum_of(doubt: float) -> str:
    """The stratum of a doubt, by name."""
    return "little doubt" if doubt < STRATA[0] else "some doubt" if doubt < STRATA[1] else "much doubt"
