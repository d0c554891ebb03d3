"""Challenge data in the browser and in the API: the form, its refusals, figures side by side, failures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from governance.accounts.models import Person
from governance.evidence.kinds import ChallengeKind, Kind
from governance.registry import storage
from governance.registry.models import Candidate, ChallengeData
from tests.factories import (
    GOLDEN,
    a_candidate,
    a_challenge,
    a_model,
    challenge_computed,
    computed,
    interpreted,
)
from tests.interfaces.pages import Browser, Page, address
from tests.interfaces.world import World

pytestmark = pytest.mark.one_engine

NOTE = "Loans of the branch in the north, of a later month."
MANIFEST = json.loads((GOLDEN / "manifest.json").read_text())
SINGLE = [MANIFEST[key] for key in ("target", "weight", "row_id") if key in MANIFEST]
COLUMNS = list(dict.fromkeys([*MANIFEST["features"], *MANIFEST["sensitive_features"], *SINGLE]))
ROWS = f"{','.join(COLUMNS)}\n{','.join('1' for _ in COLUMNS)}\n".encode()


@pytest.fixture
def candidate(people: dict[str, Person]) -> Candidate:
    return interpreted(computed(a_candidate(people, a_model(people))), people["officer"])


def sent(browser: Browser, candidate: Candidate, content: bytes | None = ROWS, **changed: Any) -> Any:
    files = {"challenge": SimpleUploadedFile("anything.bin", content)} if content is not None else {}
    return browser.post(candidate, "challenge", {"note": NOTE, **files, **changed})


def form_of(page: Page) -> Any:
    return page.form("/challenge/")


def test_a_validator_uploads_by_the_form_alone(people: dict[str, Person], candidate: Candidate) -> None:
    browser = Browser(people["validator"], csrf=True)
    form = form_of(browser.decision(candidate))
    assert set(form.fields) == {"csrfmiddlewaretoken", "challenge", "note"}
    token = form.fields["csrfmiddlewaretoken"]
    answer = sent(browser, candidate, csrfmiddlewaretoken=token)
    assert (answer.status_code, answer["Location"]) == (302, address(candidate) + "#challenge")
    challenge = ChallengeData.objects.get()
    assert (challenge.by, challenge.note, challenge.format) == (people["validator"], NOTE, "csv")
    with storage.open_blob(challenge.digest) as kept:
        assert kept.read() == ROWS
    page = browser.decision(candidate)
    assert page.says("Evidence on challenge data 1, which Mirela Popa uploaded, is being computed.")
    assert page.says("Fairness on challenge data")
    assert page.form("/sign/") is None


def test_without_the_token_of_the_form_nothing_is_taken(people: dict[str, Person], candidate: Candidate) -> None:
    assert sent(Browser(people["validator"], csrf=True), candidate).status_code == 403
    assert not ChallengeData.objects.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "Choose a file"),
        (b"", "empty file"),
        (b"\x80\x04\x95pickled", "runs code when it is loaded"),
        (b"\x00\x01\x02", "no known format"),
        (b"some;columns;only\n1;2;3\n", "separate columns by commas"),
        (b"age,income\n1,2\n", "The file has no column of these names"),
        (ROWS.replace(b"\n", b",amount\n", 1), "stands there twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_once_and_nothing_is_kept(
    content: bytes | None, said: str, people: dict[str, Person], candidate: Candidate
) -> None:
    before = sorted(path for path in storage._root().rglob("*") if path.is_file())
    answer = sent(Browser(people["validator"]), candidate, content)
    page = Page(answer.content.decode())
    assert answer.status_code == 400
    assert page.says(said)
    assert form_of(page).fields["note"] == NOTE, "what was written is kept"
    assert not ChallengeData.objects.exists()
    assert sorted(path for path in storage._root().rglob("*") if path.is_file()) == before


def test_somebody_who_may_not_leaves_no_file_behind(people: dict[str, Person], candidate: Candidate) -> None:
    before = sorted(path for path in storage._root().rglob("*") if path.is_file())
    for name in ("scientist", "officer", "auditor"):
        assert sent(Browser(people[name]), candidate).status_code == 403
        assert form_of(Browser(people[name]).decision(candidate)) is None
    assert sorted(path for path in storage._root().rglob("*") if path.is_file()) == before


def other(content: dict[str, Any]) -> None:
    if "roc_auc" in content:
        content["roc_auc"] = {"value": 0.5, "low": 0.4, "high": 0.6}
    for grouping in content.get("groupings", ()):
        for group in grouping["groups"]:
            if group["verdict"]:
                group["verdict"], group["rate_ratio"] = "outside", {"value": 0.321, "low": 0.3, "high": 0.35}


def test_figures_stand_side_by_side_and_the_checks_stay_as_they_are(
    people: dict[str, Person], candidate: Candidate
) -> None:
    browser = Browser(people["officer"])
    before = browser.decision(candidate)
    assert not before.says("Challenge data")
    challenge_computed(a_challenge(candidate, people["validator"], note=NOTE), performance=other, fairness=other)
    page = browser.decision(candidate)
    assert page.says("The policy’s checks are judged on the submitter’s data")
    assert page.says("opens a finding")
    assert page.says("0.500 (0.400–0.600)")
    assert page.says("0.321 (0.300–0.350)")
    assert page.says(NOTE)
    assert page.form("/findings/", kind="challenge") is not None
    for kind in ChallengeKind:
        answer = browser.client.get(address(candidate, f"evidence/{kind}"))
        assert json.loads(answer.content) == candidate.evidence.get(kind=kind).document


def test_a_failed_set_says_why_and_what_to_do(people: dict[str, Person], candidate: Candidate) -> None:
    kind = ChallengeKind.CHALLENGE_FAIRNESS
    challenge_computed(a_challenge(candidate, people["validator"]), failing=kind)
    page = Browser(people["validator"]).decision(candidate)
    assert page.says("No figures could be computed: age is no column.")
    assert page.says("It counts as not there. Correct the file and upload it again.")
    assert form_of(page) is not None
    assert page.form("/sign/") is not None, "it keeps nobody from deciding"
    assert page.form("/rerun/") is None


def test_a_validator_who_took_part_reads_why_not(people: dict[str, Person]) -> None:
    model = a_model(people, developers=[people["second_validator"]])
    one = computed(a_candidate(people, model))
    page = Browser(people["second_validator"]).decision(one)
    assert form_of(page) is None
    assert page.says("You took part in this candidate and cannot decide on it: you are named as developer of the model.")


# -- the API ---------------------------------------------------------------------------------------------------------


def test_the_api_gains_the_two_kinds_with_the_first_upload_only(world: World) -> None:
    one = computed(a_candidate(world.people, a_model(world.people)))
    path = f"/api/v1/candidates/{one.pk}/"
    assert [line["kind"] for line in world.call("GET", path).json()["evidence"]] == [kind.value for kind in Kind]
    for kind in ChallengeKind:
        assert world.call("GET", f"{path}evidence/{kind}/").status_code == 404
    challenge = a_challenge(one, world.people["validator"])
    lines = world.call("GET", path).json()["evidence"]
    assert [line["kind"] for line in lines] == [kind.value for kind in (*Kind, *ChallengeKind)]
    assert {line["state"] for line in lines[-2:]} == {"queued"}
    challenge_computed(challenge, performance=other, fairness=other)
    for line in world.call("GET", path).json()["evidence"][-2:]:
        answer = world.call("GET", f"{path}evidence/{line['kind']}/")
        assert answer.status_code == 200
        assert answer.json()["digest"] == line["digest"] == one.evidence.get(kind=line["kind"]).digest
        assert answer.json()["schema"] == f"{ChallengeKind(line['kind']).beside}/1"
