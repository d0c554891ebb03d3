"""The log by API: what was hashed is what is shown, filters are half-open in time, the head is signed."""

from __future__ import annotations

from typing import Any

import pytest

from governance.audit import checkpoint
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
