"""The RFC 6962 Merkle tree: hashes, a range that grows, proofs and their verification. No Django here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""Gives the hash of the perfect subtree of 2^level leaves at a position (level, position)."""


class ProofError(ValueError):
    """A proof that does not prove what it was offered for."""


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962, 2.1: SHA-256(0x00 ‖ data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962, 2.1: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


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
        return self._append(leaf, 0)

    def append_block(self, leaves: list[bytes]) -> list[tuple[int, int, bytes]]:
        """Add 2^k leaf hashes at a multiple of 2^k. Returns the perfect subtrees that they completed, of level ≥ k.

        Raises ValueError, with nothing added, for another count or place.
        """
        root, level = perfect_root(leaves), len(leaves).bit_length() - 1
        if self.size % len(leaves):
            raise ValueError(f"a block of {len(leaves)} leaves does not start at leaf {self.size}")
        return [(level, self.size >> level, root), *self._append(root, level)]

    def _append(self, merged: bytes, level: int) -> list[tuple[int, int, bytes]]:
        """Add the hash of a perfect subtree of a level. Returns those above it that it completed."""
        completed, size, hashes = [], self.size, self.hashes
        self.size = size + (1 << level)
        while (size >> level) & 1:
            merged = node_hash(hashes.pop(), merged)
            level += 1
            completed.append((level, size >> level, merged))
        hashes.append(merged)
        return completed

    def root(self) -> bytes:
        """The root of the whole tree; SHA-256 of nothing for the empty one."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def perfect_root(hashes: list[bytes]) -> bytes:
    """The root over 2^k neighbouring subtree hashes of one level. Raises ValueError for another count."""
    if not hashes or len(hashes) & (len(hashes) - 1):
        raise ValueError(f"{len(hashes)} hashes make no perfect subtree")
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def tree_root(size: int, subtree: Subtree) -> bytes:
    """The root over the first `size` leaves."""
    return _range_root(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """RFC 6962, 2.1.1: the audit path of leaf `index` in the tree of `size` leaves, lowest hash first.

    Raises ValueError unless 0 ≤ index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"event {index} is not in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, subtree))
            end = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """RFC 6962, 2.1.2: that the tree of `new` leaves begins with that of `old`.

    Raises ValueError unless 0 < old ≤ new.
    """
    if not 0 < old <= new:
        raise ValueError(f"no tree of {old} leaves precedes one of {new}")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(middle, end, subtree))
            end = middle
        else:
            path.append(_range_root(start, middle, subtree))
            start, whole = middle, False
    if not whole:
        path.append(_range_root(start, end, subtree))
    return path[::-1]


def verify_inclusion(*, index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> None:
    """RFC 9162, 2.1.3.2. Raises ProofError."""
    if not 0 <= index < size:
        raise ProofError(f"event {index} is not in a tree of {size}")
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or result != root:
        raise ProofError("the proof does not lead from the leaf to the root")


def verify_consistency(*, old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> None:
    """RFC 9162, 2.1.4.2. Raises ProofError."""
    if not 0 < old <= new:
        raise ProofError(f"no tree of {old} leaves precedes one of {new}")
    if old == new:
        if proof or old_root != new_root:
            raise ProofError("two different roots of one size")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise ProofError("the proof is empty")
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or first != old_root or second != new_root:
        raise ProofError("the later tree does not begin with the earlier one")


def _split(count: int) -> int:
    """The largest power of two below `count` (count ≥ 2): where RFC 6962 divides a tree."""
    return 1 << (count - 1).bit_length() - 1


def _range_root(start: int, end: int, subtree: Subtree) -> bytes:
    """The root over leaves start … end − 1, a range that the splitting of a tree leads to."""
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return subtree(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range_root(start, middle, subtree), _range_root(middle, end, subtree))
