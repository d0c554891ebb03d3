"""What a dossier prints is frozen first: one moment, a digest that only changes of record move, and no row of data."""

import hashlib
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.actions import jobs
from governance.actions.clock import pause_clock, resume_clock
from governance.actions.delegate import delegate
from governance.actions.findings import open_finding
from governance.actions.revise_text import revise_text
from governance.actions.sign import withdraw_signature
from governance.evidence.kinds import JobKind
from governance.evidence.models import Job
from governance.registry import storage
from governance.registry.models import Candidate
from governance.release import dossier
from governance.release.dossier import current, dossier_facts, wait_for_dossier
from tests.dossier.cases import attachments_of, pdf_of, text_of
from tests.factories import (
    CREDENTIALS,
    a_candidate,
    a_model,
    approved,
    computed,
    confirmed_letter,
    founded,
    interpreted,
    recorded_letter,
    signed,
    supervised_policy,
    suspended,
)

pytestmark = pytest.mark.one_engine

CELL = "Aurelia Featherstonehaugh, 4711"


def printed(candidate: Candidate) -> dossier.Dossier:
    """A dossier through the jobs' own door, with any bytes."""
    claimed = jobs.claim_job(jobs.order_dossier(candidate).pk)
    facts = dossier_facts(claimed.candidate)
    stored = storage.put(io.BytesIO(json.dumps(facts.document).encode()))
    return jobs.record_dossier(claimed, facts_digest=facts.digest, stored=stored, final=facts.final)


def review_of(document: dict) -> bytes:
    """Printed without its evidence, which takes most of the pages and of the time."""
    return pdf_of({**document, "evidence": []})


def test_it_is_final_only_when_approved(people):
    model = a_model(people)
    assert not dossier_facts(computed(a_candidate(people, model)).pk).final
    facts = dossier_facts(approved(people, model).pk)
    assert facts.final
    assert facts.document["decision"]["approval"]["state"] == "active"


def test_a_candidate_without_any_evidence_has_a_dossier(people):
    facts = dossier_facts(a_candidate(people, a_model(people, tier=None)).pk)
    assert facts.document["evidence"] == []
    assert "DRAFT" in text_of(pdf_of(facts.document))


def test_signatures_are_printed_as_they_were_given(people):
    facts = dossier_facts(approved(people, a_model(people)).pk).document
    first, last = facts["decision"]["signatures"]
    assert (first["printed_name"], first["seat"], first["counts"]) == ("Mirela Popa", "validator", True)
    assert last["printed_name"] == "Aoife Brennan"
    for one in (first, last):
        assert "sha256:" + hashlib.sha256(one["payload"].encode()).hexdigest() == one["digest"]
        assert one["signer_since"] < one["at"]
    statements = {one["digest"]: one["body"] for one in facts["decision"]["statements"]}
    body = statements[first["statement_digest"]]
    assert "sha256:" + hashlib.sha256(body.encode()).hexdigest() == first["statement_digest"]


def test_the_digest_is_of_the_record_and_not_of_the_making(people):
    model = a_model(people)
    candidate = approved(people, model)
    before = dossier_facts(candidate.pk)
    printed(candidate)
    a_model(people, slug="another-model")
    after = dossier_facts(candidate.pk)
    assert after.digest == before.digest
    assert after.document["made"] != before.document["made"]
    assert after.document["made"]["number"] == 2


def a_finding(candidate, people):
    open_finding(
        candidate, by=people["validator"], title="Odd pattern in scores", detail="", severity="low", blocking=False
    )


def a_suspension(candidate, people):
    suspended(candidate, people["officer"])


@pytest.mark.parametrize("change", [a_finding, a_suspension])
def test_whatever_changes_the_record_asks_for_a_new_dossier(people, change):
    candidate = approved(people, a_model(people))
    assert current(candidate) is None
    first = printed(candidate)
    assert current(candidate) == first
    change(candidate, people)
    assert current(candidate) is None
    assert wait_for_dossier(candidate, seconds=5) is None, "nobody prints one, so that there is nothing to wait for"
    assert current(candidate) != printed(candidate) != first


def test_waiting_ends_when_the_time_is_over(people):
    candidate = computed(a_candidate(people, a_model(people)))
    jobs.order_dossier(candidate)
    assert wait_for_dossier(candidate, seconds=0.2) is None


def test_what_was_read_from_a_row_never_enters(people):
    """Faults at intake and in failed runs may quote a cell; so may what the gate says of them."""
    candidate = a_candidate(people, a_model(people))
    claimed = jobs.claim_job(Job.objects.get(candidate=candidate, kind=JobKind.INTAKE).pk)
    fault = {"pointer": "/evaluation/age", "code": "wrong-type", "detail": f"{CELL} is no number"}
    jobs.record_intake(claimed, errors=[fault], facts={"rows": 400, "first": CELL})
    failing = computed_but_one(people, candidate.model)
    for one in (candidate, failing):
        document = dossier_facts(one.pk).document
        assert CELL not in json.dumps(document)
        data = pdf_of(document)
        assert CELL.split(",", maxsplit=1)[0] not in text_of(data)
        assert not any(CELL.encode() in file for file in attachments_of(data).values())
    assert dossier_facts(candidate.pk).document["intake"]["errors"] == [
        {"pointer": "/evaluation/age", "code": "wrong-type"}
    ]
    assert dossier_facts(failing.pk).document["runs"]["failed"][0]["code"] == "task-failed"


def computed_but_one(people, model) -> Candidate:
    candidate = a_candidate(people, model)
    for job in Job.objects.filter(candidate=candidate).order_by("pk"):
        claimed = jobs.claim_job(job.pk)
        if claimed.kind == JobKind.INTAKE:
            jobs.record_intake(claimed, errors=[], facts={})
        else:
            jobs.record_failure(claimed, code="task-failed", detail=f"could not convert {CELL}")
    return candidate


def test_reading_takes_no_more_queries_when_there_is_more_to_read(people):
    model = a_model(people)
    candidate = interpreted(computed(a_candidate(people, model)), people["validator"])
    few = queries(candidate)
    for _ in range(3):
        a_candidate(people, model)
        a_finding(candidate, people)
    signed(candidate, people["validator"])
    assert queries(candidate) <= few + 3, "the approval's and the siblings' reads at most"


def queries(candidate: Candidate) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        dossier_facts(candidate.pk)
    return len(captured)


def test_facts_that_move_while_they_are_read_are_read_again(people, monkeypatch):
    candidate = computed(a_candidate(people, a_model(people)))
    seen = iter([1, 2, 2, 2])
    monkeypatch.setattr(dossier, "_newest_event", lambda _: next(seen))
    assert dossier_facts(candidate.pk).digest
    always = iter(range(100))
    monkeypatch.setattr(dossier, "_newest_event", lambda _: next(always))
    with pytest.raises(dossier.FactsMoved):
        dossier_facts(candidate.pk)


def test_the_extract_names_who_acted_and_in_which_role(people):
    events = dossier_facts(approved(people, a_model(people)).pk).document["audit"]["events"]
    given = [one for one in events if one["action"] == "signature.given"]
    assert [(one["actor"], one["roles"]) for one in given] == [
        ("Mirela Popa", ["validator"]),
        ("Aoife Brennan", ["compliance-officer"]),
    ]
    assert [one["seq"] for one in events] == sorted(one["seq"] for one in events)
    assert {one["actor"] for one in events if one["action"] == "evidence.recorded"} == {"worker"}


def test_a_signature_taken_back_is_told_with_its_reason(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people, tier="high"))), people["validator"])
    for name in ("validator", "officer"):
        signed(candidate, people[name])
    withdraw_signature(candidate, by=people["officer"], reason="I read the wrong version.", credentials=CREDENTIALS)
    document = dossier_facts(candidate.pk).document
    told = {one["printed_name"]: one for one in document["decision"]["signatures"]}
    first, second = told["Mirela Popa"], told["Aoife Brennan"]
    assert (first["counts"], first["withdrawn"]) == (True, None)
    assert (second["counts"], second["withdrawn"]["reason"]) == (False, "I read the wrong version.")
    data = review_of(document)
    text = " ".join(text_of(data).split())
    assert "Does not count: the signer withdrew it on" in text
    assert "withdrew the own signature" in text


def test_requests_for_changes_are_printed_with_their_answers_and_the_newest_text(people):
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    signed(candidate, people["validator"], "request-changes", reason="Say what was capped.")
    assert dossier_facts(candidate.pk).document["texts"]["requests"][0]["answered_by"] is None
    revise_text(
        candidate, by=people["scientist"], summary="Income is capped at the 99th percentile.", answer="The cap is named now."
    )
    document = dossier_facts(candidate.pk).document
    text = text_of(review_of(document))
    for said in ("Say what was capped.", "Answered with text revision 2: The cap is named now.", "Income is capped at the 99th"):
        assert said in text
    assert document["texts"]["summary"] == "Income is capped at the 99th percentile."
    assert f"As submitted, the text read: “{json.loads(candidate.manifest)['summary']}”" in text


def test_a_letter_is_printed_with_who_vouches_for_it_and_its_record_is_embedded(empty_db, settings, tmp_path):
    settings.COUNTERSIGN_POLICY_FOLDER = supervised_policy(tmp_path / "policies")
    people = founded()
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    for name in ("validator", "officer"):
        signed(candidate, people[name])
    recorded_letter(candidate, people["second_officer"], authority="A Second Authority")
    decision = recorded_letter(candidate, people["second_officer"])
    confirmed_letter(decision, people["approver"])
    document = dossier_facts(candidate.pk).document
    data = review_of(document)
    text = text_of(data)
    for said in ("Financial Supervisory Authority", "Tomás Herrera", "Helene Vasseur", "An authority’s letter, recorded by one"):
        assert said in text
    assert "A Second Authority" in text
    assert "Nobody has confirmed it" in text
    assert attachments_of(data)["letter-record-2.json"] == decision.payload.encode()
    assert "sha256:" + hashlib.sha256(decision.payload.encode()).hexdigest() == decision.digest
    last = document["decision"]["signatures"][-1]
    assert (last["letter"], last["signer_since"], last["seat"]) == (decision.digest, None, "regulator")


def test_whom_a_stand_in_signed_for_and_where_the_clock_stood_are_told(people):
    until = f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%d}"
    delegate(
        by=people["second_validator"], to=people["validator"], role="validator", begins="", until=until, when_late=False,
        reason="Parental leave.", credentials=CREDENTIALS,
    )  # fmt: skip
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    pause_clock(candidate, by=people["officer"], reason="A letter is on its way.")
    resume_clock(candidate, by=people["second_officer"])
    signed(candidate, people["validator"], for_person=people["second_validator"])
    document = dossier_facts(candidate.pk).document
    (given,) = document["decision"]["signatures"]
    assert (given["on_behalf_of"]["printed_name"], given["on_behalf_of"]["when_late"]) == ("Jonas Weber", False)
    text = " ".join(text_of(review_of(document)).split())
    assert "Jonas Weber, as stand-in" in text
    assert "its clock was paused" in text
    assert "A letter is on its way." in text
