"""Merkle trees after RFC 6962: one root over many leaves, and short proofs that a leaf is among them.

In: leaves as bytes. Out: digests as bytes. Law: `check_proof(leaf, i, n, prove(leaves, i), root(leaves))` holds exactly
for the leaf at i. A verifier must know the count: it comes from the seal, beside the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """The root; of no leaves, the digest of nothing. A level without a partner for its last node passes it up."""
    return top([leaf_hash(leaf) for leaf in leaves])


def top(level: Sequence[bytes]) -> bytes:
    """The root over leaves' hashes."""
    if not level:
        return sha256(b"").digest()
    while len(level) > 1:
        level = next_level(level)
    return level[0]


def next_level(level: Sequence[bytes]) -> list[bytes]:
    paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return [*paired, level[-1]] if len(level) % 2 else paired


def prove(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The digests beside the path from a leaf to the root, from the leaf up. Raises IndexError outside the leaves."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} of {len(leaves)}")
    level = [leaf_hash(leaf) for leaf in leaves]
    proof: list[bytes] = []
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            proof.append(level[beside])
        level, index = next_level(level), index // 2
    return proof


def check_proof(leaf: bytes, index: int, count: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether the proof leads from the leaf at `index` of `count` to the expected root."""
    if not 0 <= index < count:
        return False
    found, rest, width = leaf_hash(leaf), list(proof), count
    while width > 1:
        if index ^ 1 < width:
            if not rest:
                return False
            beside = rest.pop(0)
            found = node_hash(beside, found) if index % 2 else node_hash(found, beside)
        index, width = index // 2, (width + 1) // 2
    return not rest and found == expected
