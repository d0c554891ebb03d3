"""Which signature fills which seat: a maximum matching, asked anew each time (augmenting paths, Kuhn 1955)."""

from __future__ import annotations

from collections.abc import Sequence


def fill(seats: Sequence[str], signers: Sequence[frozenset[str]]) -> dict[int, int]:
    """The largest assignment of signers to seats.

    Parameters
    ----------
    seats : the role that each seat asks for.
    signers : the roles of each signer as at signing, in order of signing.

    Returns
    -------
    Signer index by seat index. A person with two roles never blocks a quorum that can be met.
    """
    taken: dict[int, int] = {}
    for signer in range(len(signers)):
        _place(signer, seats, signers, taken, set())
    return taken


def _place(
    signer: int, seats: Sequence[str], signers: Sequence[frozenset[str]], taken: dict[int, int], tried: set[int]
) -> bool:
    for seat, role in enumerate(seats):
        if role not in signers[signer] or seat in tried:
            continue
        tried.add(seat)
        if seat not in taken or _place(taken[seat], seats, signers, taken, tried):
            taken[seat] = signer
            return True
    return False
