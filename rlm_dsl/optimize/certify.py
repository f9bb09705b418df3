"""A cascade: a proxy made of answers, and what it may decide so that a target holds with probability 1 - delta.

In: texts with the model's answers, cut in two: one part to learn from, one to certify on. Out: a proxy with thresholds
and its certificate, or nothing where none can be had. Law: what certifies was not learnt from; the thresholds are
tested in an order fixed beforehand, from the strictest, so that each of them holds together with all before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.common.hashing import identity
from rlm_dsl.models.proxy_model import Proxy, features
from rlm_dsl.models.small_model import WHOLE, SmallModel
from rlm_dsl.optimize.statistics import most_errors

BUCKETS = 4096
LEVELS = 60
"""How many thresholds are tested at most."""
RECHECK = 20
Pair = tuple[str, str | bool]
"""A text with the model's answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a cascade must hold: the share of rows answered as the model would (`accuracy`), or of the rows that the
    model would keep that are kept (`recall`)."""

    kind: str
    share: Fraction
    delta: Fraction

    @staticmethod
    def read(text: str, delta: float) -> Target:
        kind, compared, share = text.replace(" ", "").partition(">=")
        try:
            found = Target(kind, Fraction(share), Fraction(str(delta)))
        except (ValueError, ZeroDivisionError):
            found = Target("", Fraction(0), Fraction(0))
        if kind not in ("accuracy", "recall") or not compared or not 0 < found.share < 1 or not 0 < found.delta < 1:
            raise UserError(f"no target: {text!r}", "write --cascade 'accuracy>=0.95' or --cascade 'recall>=0.9'")
        return found

    def __str__(self) -> str:
        return f"{self.kind} >= {float(self.share):g}"


def split_in_halves(pairs: Iterable[Pair]) -> tuple[list[Pair], list[Pair]]:
    """To learn from, to certify on: by the hash of each text."""
    found: tuple[list[Pair], list[Pair]] = ([], [])
    for text, label in pairs:
        found[int(identity("halves-v1", text.encode("utf-8", "surrogatepass").hex())[:8], 16) % 2].append((text, label))
    return found


def train_proxy(pairs: Sequence[Pair], labels: Sequence[str | bool], seed: int = 0) -> Proxy | None:
    """A proxy that never decides, from texts with answers; None where fewer than two labels stand among them."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    known = [label for label in labels if any(answer == label for _, answer in pairs)]
    if len(known) < 2:
        return None
    rows = [features(text, BUCKETS) for text, _ in pairs]
    ends = np.cumsum([0, *map(len, rows)])
    x = csr_matrix((np.ones(ends[-1]), np.concatenate(rows), ends), shape=(len(rows), BUCKETS))
    at = {label: n for n, label in enumerate(known)}
    model = LogisticRegression(C=10.0, max_iter=300, random_state=seed).fit(x, [at[label] for _, label in pairs])
    weights, bias = model.coef_, model.intercept_
    if len(known) == 2:
        weights, bias = np.vstack([-weights[0], weights[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    scale = 127 / max(float(np.abs(weights).max()), 1e-9)
    whole = np.clip(np.rint(weights * scale), -127, 127).astype(np.int8)
    held = tuple(int(b) for b in np.rint(bias * scale))
    never = (None,) * len(known)
    return Proxy(tuple(known), BUCKETS, whole.tobytes(), held, never, "1", "1/20", RECHECK, {})


def levels_to_test(proxy: Proxy, pairs: Sequence[Pair]) -> list[int]:
    """Thresholds to test, from the strictest: even steps down from the greatest margin of what was learnt from."""
    most = max((proxy.margin(text)[1] for text, _ in pairs), default=0)
    return sorted({most * n // LEVELS for n in range(1, LEVELS + 1)}, reverse=True)


P = TypeVar("P", Proxy, SmallModel)
Margin = Callable[[str], tuple[int, int]]
"""Of a text: the place of the label that a proxy would give, and how sure it is."""


def certify_proxy(
    proxy: P, pairs: Sequence[Pair], target: Target, levels: Sequence[int], margin_of: Margin
) -> P | None:
    """The proxy with the loosest thresholds that are certified; None where not even the strictest one is. `levels` are
    tested from the first until one fails, and must not come from these pairs. The bound among the rows that the proxy
    decides holds at every level at once (Bonferroni), since which of them is taken depends on these very pairs."""
    if not pairs:
        return None
    allowed, delta, details = allowance(pairs, target)
    only = None if target.kind == "accuracy" else proxy.labels.index(False) if False in proxy.labels else -1
    margins = [(margin_of(each[0]), each[1]) for each in pairs]
    found = [(margin, best, proxy.labels[best] == label) for (best, margin), label in margins]
    best_level, at = None, (0, 0)
    for level in levels:
        decided = [right for margin, best, right in found if margin >= level and (only is None or best == only)]
        wrong = decided.count(False)
        if most_errors(wrong, len(found), float(delta)) > allowed:
            break
        best_level, at = level, (len(decided), wrong)
    if best_level is None:
        return None
    thresholds = tuple(best_level if only is None or n == only else None for n in range(len(proxy.labels)))
    certificate = {
        "target": str(target),
        "delta": str(target.delta),
        "rows": len(found),
        "decided": at[0],
        "wrong": at[1],
        "most_wrong": f"{most_errors(at[1], len(found), float(delta)):.4f}",
        "most_wrong_of_decided": f"{most_errors(at[1], at[0], float(delta) / len(levels)):.4f}",
        **details,
    }
    return replace(
        proxy,
        thresholds=thresholds,
        target=str(Fraction(1 - allowed).limit_denominator(10**6)),
        delta=str(target.delta),
        certificate=certificate,
    )


def allowance(pairs: Sequence[Pair], target: Target) -> tuple[Fraction, Fraction, dict[str, Any]]:
    """The share of all rows that may come out otherwise than the model has them, and the delta left to certify it.
    Recall is of the rows that the model keeps: half of delta goes into how many those are at least."""
    if target.kind == "accuracy":
        return 1 - target.share, target.delta, {}
    half = target.delta / 2
    kept = sum(label is True for _, label in pairs)
    least = 1 - most_errors(len(pairs) - kept, len(pairs), float(half))
    details = {"kept": kept, "kept_at_least": f"{least:.4f}"}
    return (1 - target.share) * Fraction(least).limit_denominator(10**6), half, details


def fit_cascade(
    learn: Mapping[str, str | bool],
    certify: Mapping[str, str | bool],
    labels: Sequence[str | bool],
    target: Target,
    seed: int = 0,
) -> Proxy | None:
    """A certified proxy from texts with the model's answers, some to learn from, others to certify on."""
    known = sorted((text, label) for text, label in learn.items() if text not in certify)
    proxy = train_proxy(known, labels, seed)
    if proxy is None:
        return None
    return certify_proxy(proxy, sorted(certify.items()), target, levels_to_test(proxy, known), proxy.margin)


def fit_small_model(
    small: SmallModel,
    said: Mapping[str, tuple[str | bool, int]],
    certify: Mapping[str, str | bool],
    target: Target,
) -> SmallModel | None:
    """A smaller model with thresholds that are certified, where it decides any row; `said` is its answer to each text,
    and how sure it is. Its levels follow from no answer: even steps down from certainty."""
    place = {label: at for at, label in enumerate(small.labels)}

    def margin(text: str) -> tuple[int, int]:
        label, sure = said.get(text, (None, -1))
        return (place[label], sure) if label in place else (0, -1)

    levels = [WHOLE - WHOLE * n // LEVELS for n in range(LEVELS)]
    found = certify_proxy(small, sorted(certify.items()), target, levels, margin)
    return found if found is not None and found.certificate["decided"] else None
