"""The log by API: what was hashed is what is shown, filters are half-open in time, the head is signed."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import metamorphic_log as judge
import pytest

from governance.audit import checkpoint, merkle, queries
from governance.audit.canonical import canonical
from governance.audit.merkle import leaf_hash
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditHead
from tests.audit.logs import seeded
from tests.interfaces.world import World


def listed(world: World, **question: Any) -> list[dict[str, Any]]:
    """All pages of the events that fit."""
    found: list[dict[str, Any]] = []
    answer = world.call("GET", "/api/v1/audit/events/", "read of auditor", data={"page_size": 7, **question})
    while True:
        assert answer.status_code == 200, answer.content
        found += answer.json()["results"]
        following = answer.json()["next"]
        if not following:
            return found
        answer = world.call("GET", following.replace("http://testserver", ""), "read of auditor")


@pytest.fixture
def candidate(world: World) -> Any:
    world.model()
    return world.candidate()


def test_each_event_is_shown_as_it_was_hashed(world: World, candidate: Any) -> None:
    shown = listed(world)
    assert [one["seq"] for one in shown] == list(range(AuditEvent.objects.count() - 1, -1, -1))
    for one in shown:
        leaf = one.pop("leaf")
        assert leaf_hash(canonical(one)).hex() == leaf


def test_filters_narrow(world: World, candidate: Any) -> None:
    scientist = world.people["scientist"]
    submitted = listed(world, action="candidate.submitted")
    assert [one["candidate"] for one in submitted] == [str(candidate.pk)]
    assert {one["model"] for one in listed(world, model="cards")} == {"cards"}
    assert {one["candidate"] for one in listed(world, candidate=str(candidate.pk))} == {str(candidate.pk)}
    assert {one["actor"]["person"] for one in listed(world, actor=str(scientist.pk))} == {str(scientist.pk)}
    moment = submitted[0]["at"]
    assert submitted[0] in listed(world, after=moment)
    assert submitted[0] not in listed(world, before=moment)
    assert len(listed(world, after=moment)) + len(listed(world, before=moment)) == AuditEvent.objects.count()


@pytest.mark.parametrize(
    "question", [{"candidate": "7"}, {"actor": "ada"}, {"action": "nothing.done"}, {"after": "yesterday"}]
)
def test_a_filter_that_is_none_is_refused(world: World, question: dict[str, str]) -> None:
    answer = world.call("GET", "/api/v1/audit/events/", data=question)
    assert answer.status_code == 400
    assert [one["pointer"] for one in answer.json()["errors"]] == [f"/{next(iter(question))}"]


def test_the_checkpoint_is_the_signed_head_of_now(world: World, candidate: Any) -> None:
    answer = world.call("GET", "/api/v1/audit/checkpoint", "read of auditor")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert checkpoint.opened(answer.content.decode()).size == AuditHead.objects.get().size


def signed_now(world: World) -> Any:
    return checkpoint.opened(world.call("GET", "/api/v1/audit/checkpoint", "read of auditor").content.decode())


def test_each_event_is_proven_to_stand_in_the_signed_log(world: World, candidate: Any) -> None:
    for shown in listed(world)[::5]:
        path = f"/api/v1/audit/proof/inclusion/?event={shown['seq']}"
        proof = world.call("GET", path, "read of auditor").json()
        signed = checkpoint.opened(proof["checkpoint"])
        assert (proof["leaf"], proof["size"]) == (shown["leaf"], signed.size)
        proven = {"index": shown["seq"], "size": signed.size, "proof": [bytes.fromhex(one) for one in proof["hashes"]]}
        merkle.verify_inclusion(leaf=bytes.fromhex(proof["leaf"]), root=signed.root, **proven)
        with pytest.raises(merkle.ProofError):
            merkle.verify_inclusion(leaf=bytes(32), root=signed.root, **proven)


def test_a_later_checkpoint_is_proven_to_begin_with_an_earlier_one(world: World, candidate: Any) -> None:
    old = signed_now(world)
    world.model("other-cards")
    new = signed_now(world)
    path = f"/api/v1/audit/proof/consistency/?from={old.size}&to={new.size}"
    hashes = [bytes.fromhex(one) for one in world.call("GET", path, "read of auditor").json()["hashes"]]
    merkle.verify_consistency(old=old.size, new=new.size, proof=hashes, old_root=old.root, new_root=new.root)
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(old=old.size, new=new.size, proof=hashes, old_root=bytes(32), new_root=new.root)


@pytest.fixture
def thousands(world: World) -> int:
    """A log of some three thousand events, with checkpoints kept at each 500."""
    seeded(3000, kept_every=500)
    return int(AuditHead.objects.get().size)


def test_a_verifier_written_by_others_accepts_the_proofs_and_refuses_forged_ones(world: World, thousands: int) -> None:
    key, chance = [str(checkpoint.verifier_key())], random.Random(6962)
    for seq in {0, 1, 255, 256, 511, 2047, 2048, thousands - 2, thousands - 1, *chance.sample(range(thousands), 20)}:
        answer = world.call("GET", f"/api/v1/audit/proof/inclusion/?event={seq}", "read of auditor").json()
        leaf, hashes = bytes.fromhex(answer["leaf"]), [bytes.fromhex(one) for one in answer["hashes"]]
        judge.checkpoint_verify_inclusion(answer["checkpoint"], key, seq, leaf, hashes)
        spoilt = answer["checkpoint"].replace(f"\n{thousands}\n", f"\n{thousands + 1}\n")
        for forged in (
            (answer["checkpoint"], key, seq, leaf_hash(b"another"), hashes),
            (answer["checkpoint"], key, (seq + 1) % thousands, leaf, hashes),
            (spoilt, key, seq, leaf, hashes),
            *((answer["checkpoint"], key, seq, leaf, path) for path in forgeries(hashes, chance)),
        ):
            with pytest.raises(judge.VerifyError):
                judge.checkpoint_verify_inclusion(*forged)


def test_a_verifier_written_by_others_follows_the_log_from_checkpoint_to_checkpoint(world: World, thousands: int) -> None:
    key, chance = [str(checkpoint.verifier_key())], random.Random(9162)
    notes = {one.size: one.note for one in AuditCheckpoint.objects.order_by("size")} | {thousands: queries.checkpoint_now()}
    for old, new in [*pairwise(notes), (1, thousands), (500, thousands)]:
        path = f"/api/v1/audit/proof/consistency/?from={old}&to={new}"
        hashes = [bytes.fromhex(one) for one in world.call("GET", path, "read of auditor").json()["hashes"]]
        judge.checkpoint_verify_consistency(notes[old], notes[new], key, hashes)
        forged_proofs = [(notes[old], notes[new], key, one) for one in forgeries(hashes, chance)]
        another = checkpoint.signed(old, leaf_hash(b"another log"))
        for forged in ((another, notes[new], key, hashes), *forged_proofs):
            with pytest.raises(judge.VerifyError):
                judge.checkpoint_verify_consistency(*forged)


def forgeries(hashes: list[bytes], chance: random.Random) -> list[list[bytes]]:
    """The proof with a hash altered, left out, added, and with two exchanged."""
    at = chance.randrange(len(hashes))
    altered = [*hashes[:at], bytes([hashes[at][0] ^ 1]) + hashes[at][1:], *hashes[at + 1 :]]
    return [altered, hashes[:at] + hashes[at + 1 :], [*hashes, bytes(32)], [hashes[-1], *hashes[1:-1], hashes[0]]]


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("inclusion/?event=one", 400), ("inclusion/", 400), ("inclusion/?event=999999", 404), ("inclusion/?event=-1", 400),
        ("consistency/?from=0&to=3", 400), ("consistency/?from=3&to=2", 400), ("consistency/?from=1&to=999999", 400),
        ("consistency/?from=1", 400),
    ],
)  # fmt: skip
def test_a_proof_of_what_is_not_there_is_refused(world: World, question: str, status: int) -> None:
    assert world.call("GET", f"/api/v1/audit/proof/{question}", "read of auditor").status_code == status


def test_who_may_not_see_an_event_gets_no_proof_of_it(world: World, candidate: Any) -> None:
    of_people = AuditEvent.objects.filter(model_slug="").earliest("seq").seq
    path = f"/api/v1/audit/proof/inclusion/?event={of_people}"
    assert world.call("GET", path, "read of auditor").status_code == 200
    assert world.call("GET", path, "read elsewhere").status_code == 404
