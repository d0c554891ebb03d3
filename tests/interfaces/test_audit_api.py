"""The log by API: what was hashed is what is shown, filters are half-open in time, the head is signed."""

from __future__ import annotations

from typing import Any

import pytest

from governance.audit import checkpoint, merkle
from governance.audit.canonical import canonical
from governance.audit.merkle import leaf_hash
from governance.audit.models import AuditEvent, AuditHead
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
