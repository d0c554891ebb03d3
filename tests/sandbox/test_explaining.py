"""Trees are explained in the sandbox as outside of it, in threads, and no job waits for a compiler."""

from __future__ import annotations

from reports.sandbox.limits import Limits
from reports.sandbox.parent import Zygote
from tests.sandbox.explaining import explained


def test_trees_are_explained_bit_by_bit_as_outside_and_nothing_is_compiled(zygote: Zygote) -> None:
    outside = explained(threads=1)
    for threads in (1, 2):
        inside = zygote.run("explain_trees", params={}, files={}, limits=Limits(threads=threads)).value
        assert inside["digests"] == outside["digests"]
        assert inside["compiled"] == 0
        assert 1 <= inside["threads"] <= 2 * threads
        assert (inside["threads"] > 1) == (threads > 1)
