"""Merkle tree hash over a list of entries, as RFC 6962 section 2.1 defines it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

LEAF, NODE = b"\x00", b"\x01"


def root(leaves: Sequence[bytes]) -> bytes:
    """The tree's root; of no leaf at all it is the digest of nothing.

    A tree of n leaves splits at the largest power of two below n, so that unbalanced trees have one form.
    """
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(LEAF + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(NODE + root(leaves[:split]) + root(leaves[split:])).digest()
