"""Keys of labels: which key says which, in a terminal and on the page alike.

In: a closed set of answers. Out: each label's key, and whether keys suffice. Law: a label that is one digit has that
digit; `?`, `u` and `q` are never a label's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

KEYS = "123456789abcdefghijklmnoprst"
FEW = 10
"""Labels that one key each is pressed for; of more, a key or the label's beginning is typed."""


def keys_of(labels: Sequence[str | bool]) -> Mapping[str, str | bool]:
    """The key of each label."""
    if set(labels) == {True, False}:
        return {"y": True, "n": False}
    if all(isinstance(label, str) and len(label) == 1 and label in "0123456789" for label in labels):
        return {str(label): label for label in labels}
    return dict(zip(KEYS, labels, strict=False))


def by_one_key(labels: Sequence[str | bool] | None) -> bool:
    """Whether one key says all."""
    return labels is not None and len(labels) <= FEW
