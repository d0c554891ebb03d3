"""The RFC 6962 Merkle tree: hashes, a range that grows, proofs and their verification. No Django here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""Gives the hash of the perfect subtree of 2^level leaves at a position (level, position)."""


class ProofError(ValueError):
    """A proof that does not prove what it was offered for."""


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962, 2.1: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962, 2.1: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The hashes of the perfect subtrees of a tree from the left, one for each 1 in the binary form of `size`."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if size < 0 or len(self.hashes) != size.bit_count() or any(len(one) != HASH_BYTES for one in self.hashes):
            raise ValueError(f"{len(self.hashes)} hashes are no compact range of {size} leaves")

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> CompactRange:
        return cls(size, [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)])

    def to_bytes(self) -> bytes:
        return b"".join(self.hashes)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash. Returns the perfect subtrees that it completed, as (level, position, hash), level ≥ 1."""
        completed = []
        level, merged, size = 0, leaf, self.size
        while (size >> level) & 1:
            merged = node_hash(self.hashes.pop(), merged)
            level += 1
            completed.append((level, size >> level, merged))
        self.hashes.append(merged)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """The root of the whole tree; SHA-256 of nothing for the empty one."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root
