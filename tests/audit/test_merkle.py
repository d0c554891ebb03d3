"""The tree against RFC 6962 written down naively, and against a verifier written by others."""

import hashlib

import metamorphic_log as judge
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit import merkle


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, over the data itself."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    split = largest_power_below(len(leaves))
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_consistency(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = largest_power_below(len(leaves))
    if old <= split:
        return [*naive_consistency(old, leaves[:split], whole), naive_root(leaves[split:])]
    return [*naive_consistency(old - split, leaves[split:], False), naive_root(leaves[:split])]


def largest_power_below(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def subtrees_of(leaves: list[bytes]) -> merkle.Subtree:
    return lambda level, position: naive_root(leaves[position << level : (position + 1) << level])


data = st.lists(st.binary(max_size=4), min_size=1, max_size=80)


@given(st.lists(st.binary(max_size=4), max_size=80))
def test_a_growing_range_has_the_root_of_the_whole_tree(leaves):
    tree = merkle.CompactRange()
    for count, leaf in enumerate(leaves):
        for level, position, value in tree.append(merkle.leaf_hash(leaf)):
            assert value == naive_root(leaves[position << level : (position + 1) << level])
        tree = merkle.CompactRange.from_bytes(count + 1, tree.to_bytes())
        assert tree.root() == naive_root(leaves[: count + 1])
    assert tree.root() == naive_root(leaves)


@given(data, st.data())
def test_inclusion_proofs_are_those_of_the_standard_and_convince_others(leaves, draw):
    index = draw.draw(st.integers(0, len(leaves) - 1))
    root, leaf = naive_root(leaves), merkle.leaf_hash(leaves[index])
    proof = merkle.inclusion_proof(index, len(leaves), subtrees_of(leaves))
    assert proof == naive_path(index, leaves)
    merkle.verify_inclusion(index=index, size=len(leaves), leaf=leaf, proof=proof, root=root)
    judge.verify_inclusion(index, len(leaves), leaf, proof, root)


@given(data, st.data())
def test_consistency_proofs_are_those_of_the_standard_and_convince_others(leaves, draw):
    old = draw.draw(st.integers(1, len(leaves)))
    old_root, new_root = naive_root(leaves[:old]), naive_root(leaves)
    proof = merkle.consistency_proof(old, len(leaves), subtrees_of(leaves))
    assert proof == naive_consistency(old, leaves)
    merkle.verify_consistency(old=old, new=len(leaves), old_root=old_root, new_root=new_root, proof=proof)
    judge.verify_consistency(old, len(leaves), proof, old_root, new_root)


@given(data, st.data())
def test_a_forged_inclusion_proof_is_refused_by_us_and_by_others(leaves, draw):
    index = draw.draw(st.integers(0, len(leaves) - 1))
    good = {
        "index": index,
        "size": len(leaves),
        "leaf": merkle.leaf_hash(leaves[index]),
        "proof": merkle.inclusion_proof(index, len(leaves), subtrees_of(leaves)),
        "root": naive_root(leaves),
    }
    forged = {**good, **draw.draw(forgeries_of_inclusion(good))}
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(**forged)
    with pytest.raises(judge.VerifyError):
        judge.verify_inclusion(forged["index"], forged["size"], forged["leaf"], forged["proof"], forged["root"])


def forgeries_of_inclusion(good: dict) -> st.SearchStrategy[dict]:
    """One thing spoilt that must not verify: another leaf, root, a changed, missing or additional hash."""
    proof = good["proof"]
    other = hashlib.sha256(b"other").digest()
    cases = [{"leaf": other}, {"root": other}, {"proof": [*proof, other]}, {"index": good["size"]}]
    cases += [{"proof": [*proof[:at], other, *proof[at + 1 :]]} for at in range(len(proof))]
    cases += [{"proof": [*proof[:at], *proof[at + 1 :]]} for at in range(len(proof))]
    return st.sampled_from(cases)


@given(data.filter(lambda leaves: len(leaves) > 1), st.data())
def test_a_forged_consistency_proof_is_refused_by_us_and_by_others(leaves, draw):
    old, new = draw.draw(st.integers(1, len(leaves) - 1)), len(leaves)
    proof = merkle.consistency_proof(old, new, subtrees_of(leaves))
    other = hashlib.sha256(b"other").digest()
    roots = (naive_root(leaves[:old]), naive_root(leaves))
    forged = draw.draw(
        st.sampled_from(
            [(proof, (other, roots[1])), (proof, (roots[0], other)), ([*proof, other], roots), ([], roots)]
            + [([*proof[:at], other, *proof[at + 1 :]], roots) for at in range(len(proof))]
            + [([*proof[:at], *proof[at + 1 :]], roots) for at in range(len(proof))]
        )
    )
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(old=old, new=new, old_root=forged[1][0], new_root=forged[1][1], proof=forged[0])
    with pytest.raises(judge.VerifyError):
        judge.verify_consistency(old, new, forged[0], *forged[1])


def test_the_empty_tree_and_one_leaf_are_those_of_the_standard():
    assert merkle.CompactRange().root() == merkle.EMPTY_ROOT == naive_root([])
    tree = merkle.CompactRange()
    tree.append(merkle.leaf_hash(b""))
    assert tree.root() == naive_root([b""])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_for_what_is_not_in_the_tree(index, size):
    with pytest.raises(ValueError, match="is not in a tree"):
        merkle.inclusion_proof(index, size, subtrees_of([b"x"] * size))


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_there_is_no_consistency_with_a_tree_that_is_empty_or_larger(old, new):
    with pytest.raises(ValueError, match="precedes"):
        merkle.consistency_proof(old, new, subtrees_of([b"x"] * new))


@pytest.mark.parametrize(("size", "hashes"), [(3, 1), (0, 1), (-1, 0), (4, 2)])
def test_a_range_with_another_number_of_hashes_is_refused(size, hashes):
    with pytest.raises(ValueError, match="no compact range"):
        merkle.CompactRange(size, [bytes(32)] * hashes)
