"""A cheap stand-in for a model on the rows where it is sure: a linear model over hashed n-grams, in whole numbers.

In: texts as they are shown. Out: a label, or none where it is not sure. Law: whole numbers alone, so that it decides
the same on every machine; what it is sure of is said by thresholds certified on rows that it was not made from.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity

SCHEMA = "rlm-proxy/1"
WORD = re.compile(r"\w+")
LONGEST = 20_000
"""Characters of a text that are looked at."""


def features(text: str, buckets: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The buckets, each once, of a text's words, pairs of words and runs of four letters."""
    words = [f" {word} " for word in WORD.findall(text[:LONGEST].casefold())]
    grams = {*words, *(a + b for a, b in pairwise(words))}
    grams.update(word[at : at + 4] for word in words for at in range(len(word) - 3))
    found = {zlib.crc32(gram.encode("utf-8", "surrogatepass")) % buckets for gram in grams}
    return np.array(sorted(found), dtype=np.int64)


@dataclass(frozen=True)
class Proxy:
    """`weights` is a matrix of 8-bit integers, a row a label, a column a bucket; `thresholds` are the least margins, of
    the best label over the second, at which a label is decided (None: never). `target`, from 0 to 1, is the share of
    all rows that are to come out as the model has them, with probability 1 - `delta`; `recheck` of the rows decided in
    a run are asked of the model as well. `certificate` tells what that rests on, for people."""

    labels: tuple[str | bool, ...]
    buckets: int
    weights: bytes
    bias: tuple[int, ...]
    thresholds: tuple[int | None, ...]
    target: str
    delta: str
    recheck: int
    certificate: Mapping[str, Any]

    @cached_property
    def matrix(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        return np.frombuffer(self.weights, dtype=np.int8).reshape(len(self.labels), self.buckets).astype(np.int32)

    def margin(self, text: str) -> tuple[int, int]:
        """The best label's place, and by how much it leads."""
        scores = self.matrix[:, features(text, self.buckets)].sum(axis=1) + np.array(self.bias)
        best = int(scores.argmax())
        return best, int(scores[best] - max(int(s) for at, s in enumerate(scores) if at != best))

    def decide(self, text: str) -> str | bool | None:
        """The label of a text, where it is sure."""
        best, margin = self.margin(text)
        least = self.thresholds[best]
        return None if least is None or margin < least else self.labels[best]

    def refuted(self, rechecked: int, wrong: int, share: Fraction) -> bool:
        return refuted(self.target, self.delta, rechecked, wrong, share)

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "buckets": self.buckets,
            "weights": base64.b64encode(zlib.compress(self.weights, 9)).decode(),
            "bias": list(self.bias),
            "thresholds": list(self.thresholds),
            "target": self.target,
            "delta": self.delta,
            "recheck": self.recheck,
            "certificate": dict(self.certificate),
        }

    @cached_property
    def digest(self) -> str:
        """What decides: the name by which a program calls it. The certificate's figures are no part of it."""
        told = {name: value for name, value in self.as_json().items() if name not in ("weights", "certificate")}
        return identity("proxy-v1", {**told, "weights": self.weights.hex()})

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Proxy:
        """Raises UserError for what is none."""
        try:
            held = {name: value[name] for name in ("buckets", "target", "delta", "recheck", "certificate")}
            weights = zlib.decompress(base64.b64decode(value["weights"]))
            labels, bias, least = (tuple(value[name]) for name in ("labels", "bias", "thresholds"))
            found = Proxy(labels, weights=weights, bias=bias, thresholds=least, **held)
            if value["schema"] != SCHEMA or len(labels) < 2 or len(bias) != len(labels) or len(least) != len(labels):
                raise ValueError
            Fraction(found.target), Fraction(found.delta), found.matrix
        except (KeyError, TypeError, ValueError, ZeroDivisionError, zlib.error):
            raise UserError("this is no proxy", "make one with rlm-dsl optimize --cascade", code="proxy") from None
        return found


def refuted(target: str, delta: str, rechecked: int, wrong: int, share: Fraction) -> bool:
    """Whether so many wrong of those rechecked speak against the target, where so great a share is decided: they would
    come with a probability of `delta` at most if it held."""
    if not wrong:
        return False
    allowed = min(Fraction(1), (1 - Fraction(target)) / share)
    return tail(rechecked, wrong, allowed) <= Fraction(delta)


def tail(n: int, at_least: int, p: Fraction) -> Fraction:
    """The probability of `at_least` or more of `n` independent events of probability p, exactly."""
    from math import comb

    rest = sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(at_least))
    return 1 - Fraction(rest)


def chosen(texts: Sequence[str], most: int) -> list[str]:
    """So many texts, the same ones whatever their order: those whose hashes are least."""
    return sorted(texts, key=lambda text: (identity("recheck-v1", text.encode("utf-8", "surrogatepass").hex()), text))[
        :most
    ]
