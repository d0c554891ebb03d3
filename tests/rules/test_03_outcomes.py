"""Rule 3: what follows each outcome. A request for changes is answered by a text; who abstained stays out of the stage."""

import json
from datetime import timedelta

import pytest

from governance.accounts.models import Person
from governance.actions.interpret import interpret
from governance.actions.models import revise_model
from governance.actions.revise_text import revise_text
from governance.actions.sign import sign
from governance.actions.submit_candidate import submit_candidate, withdraw
from governance.actions.tokens import create_service_account
from governance.audit.canonical import canonical, digest
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, Refused
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate, Model
from governance.release.queries import candidate_state, gate_facts
from governance.review.independence import why_not_independent
from governance.review.models import Statement, TextRevision
from tests.factories import (
    CREDENTIALS,
    INTERPRETATION,
    a_candidate,
    a_model,
    a_submission,
    computed,
    interpreted,
    shown,
    signed,
)
from tests.moving_clock import moving_clock

SUMMARY = "Retrained on the newest year; the income feature is now capped at its 99th percentile."
ANSWER = "The cap is described now, and why it was chosen."


@pytest.fixture
def ready(people):
    return interpreted(computed(a_candidate(people, a_model(people))), people["validator"])


def again(candidate: Candidate) -> Candidate:
    """As a later request finds it: nothing remembered."""
    return Candidate.objects.get(pk=candidate.pk)


def stage_of(candidate: Candidate) -> str:
    return candidate_state(again(candidate), ("production",)).stage


def codes(candidate: Candidate) -> set[str]:
    ((_, reasons),) = candidate_state(again(candidate), ("production",)).reasons
    return {one.code for one in reasons}


def requested(candidate: Candidate, person: Person) -> Candidate:
    signed(candidate, person, "request-changes", reason="Say what was capped.")
    return candidate


def revised(candidate: Candidate, person: Person) -> TextRevision:
    return revise_text(candidate, by=person, summary=SUMMARY, answer=ANSWER)


def test_an_answered_request_stops_nothing_and_every_stage_is_signed_anew(ready, people):
    first = signed(ready, people["validator"])
    requested(ready, people["officer"])
    assert stage_of(ready) == "changes-requested"
    assert "changes-requested" in codes(ready)
    text = revised(ready, people["scientist"])
    assert stage_of(ready) == "independent-validation"
    assert codes(ready) == {"awaiting-signature"}
    facts = gate_facts(again(ready), "production")
    assert facts.progress.stages[0].changes == ("the text of what changed was revised",)
    assert facts.progress.stages[0].changes_requested is None
    assert not facts.progress.counted()
    second = signed(again(ready), people["validator"])
    assert second.statement_id != first.statement_id
    signed(again(ready), people["officer"])
    assert stage_of(ready) == "approved"
    bodies = [json.loads(one.body) for one in Statement.objects.filter(candidate=ready).order_by("event_id")]
    assert [one["schema"] for one in bodies] == ["statement/1"] * 2 + ["statement/2"] * 2
    assert [one["text_revision"] for one in bodies] == [1] * 2 + [{"number": 2, "digest": text.digest}] * 2


def test_the_digest_of_a_text_is_over_all_that_it_says(ready, people):
    text = revised(requested(ready, people["validator"]), people["scientist"])
    said = {"candidate": str(ready.pk), "number": 2, "summary": SUMMARY, "answer": ANSWER, "by": str(people["scientist"].pk)}
    assert text.digest == digest(canonical({"schema": "text-revision/1", **said}))


def test_nobody_decides_before_the_answer(ready, people):
    form = shown(ready, people["second_validator"])
    requested(ready, people["validator"])
    for outcome in ("approve", "reject", "request-changes", "abstain"):
        with pytest.raises(Refused, match="closed"):
            sign(
                ready, by=people["second_validator"], **form, outcome=outcome, reason="Why", conditions=[],
                credentials=CREDENTIALS,
            )  # fmt: skip


def test_each_request_is_answered_by_the_first_text_after_it(ready, people):
    revised(requested(ready, people["validator"]), people["scientist"])
    requested(again(ready), people["validator"])
    assert stage_of(ready) == "changes-requested"
    revise_text(again(ready), by=people["scientist"], summary=SUMMARY + " Once more.", answer="Once more, with a reason.")
    review = gate_facts(again(ready), "production").review
    assert [(one.outcome, text.number) for one, text in review.change_requests()] == [("request-changes", n) for n in (2, 3)]
    assert review.summary.endswith("Once more.")
    assert stage_of(ready) == "independent-validation"


def test_its_author_takes_part(ready, people):
    revised(requested(ready, people["validator"]), people["colleague"])
    assert "wrote text revision 2 of this version" in why_not_independent(people["colleague"], again(ready))
    later = a_candidate(people, ready.model)
    assert f"wrote text revision 2 of version {ready.version}" in why_not_independent(people["colleague"], later)


def submitter(people: dict[str, Person]) -> tuple[Model, Person]:
    return a_model(people), people["scientist"]


def owner(people: dict[str, Person]) -> tuple[Model, Person]:
    return a_model(people), people["colleague"]


def developer(people: dict[str, Person]) -> tuple[Model, Person]:
    return a_model(people, owner=people["auditor"], developers=[people["colleague"]]), people["colleague"]


def nobody_of_it(people: dict[str, Person]) -> tuple[Model, Person]:
    return a_model(people, owner=people["auditor"]), people["colleague"]


def second_line(people: dict[str, Person]) -> tuple[Model, Person]:
    return a_model(people), people["second_validator"]


def owner_of_no_first_line(people: dict[str, Person]) -> tuple[Model, Person]:
    return a_model(people, owner=people["auditor"]), people["auditor"]


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (submitter, ""), (owner, ""), (developer, ""), (nobody_of_it, "not-yours"), (second_line, "role-required"),
        (owner_of_no_first_line, "role-required"),
    ],
)  # fmt: skip
def test_who_answers(who, code, people):
    model, person = who(people)
    candidate = requested(interpreted(computed(a_candidate(people, model)), people["validator"]), people["validator"])
    if not code:
        assert revised(candidate, person).number == 2
        return
    with pytest.raises(Refused, match=code):
        revised(candidate, person)
    assert stage_of(candidate) == "changes-requested"


def test_whoever_answers_for_the_pipeline_answers_the_request(people):
    model = a_model(people, owner=people["auditor"])
    account = create_service_account(by=people["scientist"], name="pipeline", responsible=people["colleague"])
    candidate, _, _ = submit_candidate(model, submission=a_submission(), by=people["scientist"], service_account=account)
    requested(interpreted(computed(candidate), people["validator"]), people["validator"])
    assert revised(again(candidate), people["colleague"]).number == 2


@pytest.mark.parametrize("ended", ["never requested", "answered already", "withdrawn", "rejected"])
def test_without_a_request_that_waits_there_is_no_new_text(ended, ready, people):
    if ended == "rejected":
        signed(ready, people["validator"], "reject")
    elif ended != "never requested":
        requested(ready, people["validator"])
    if ended == "answered already":
        revised(ready, people["scientist"])
    if ended == "withdrawn":
        withdraw(ready, by=people["scientist"], reason="Wrong file.")
    texts = TextRevision.objects.count()
    with pytest.raises(Refused, match="nothing-requested"):
        revised(again(ready), people["scientist"])
    assert TextRevision.objects.count() == texts


@pytest.mark.parametrize("empty", ["summary", "answer"])
def test_a_text_and_an_answer_say_something(empty, ready, people):
    requested(ready, people["validator"])
    with pytest.raises(BadInput) as refused:
        revise_text(ready, by=people["scientist"], **{"summary": SUMMARY, "answer": ANSWER, empty: " \n "})
    assert refused.value.errors[0]["pointer"] == f"/{empty}"


# --- abstaining ----------------------------------------------------------------------------------------------------


def replaced_interpretation(candidate: Candidate, people: dict[str, Person]) -> None:
    interpret(
        candidate, by=people["validator"], kind="fairness", text=INTERPRETATION + " On second thoughts, otherwise.",
        evidence_digest=candidate.evidence.get(kind="fairness").digest,
    )  # fmt: skip


def answered_request(candidate: Candidate, people: dict[str, Person]) -> None:
    revised(requested(candidate, people["both"]), people["scientist"])


@pytest.mark.parametrize("reopened", [None, replaced_interpretation, answered_request])
def test_who_abstained_is_barred_from_the_stage_whatever_it_is_opened_again_for(reopened, ready, people):
    signed(ready, people["second_validator"], "abstain", reason="A friend develops it.")
    if reopened:
        reopened(ready, people)
        assert gate_facts(again(ready), "production").progress.stages[0].changes
    for outcome in ("approve", "reject", "request-changes", "abstain"):
        with pytest.raises(Refused, match="abstained"):
            signed(again(ready), people["second_validator"], outcome)
    signed(again(ready), people["validator"])
    assert stage_of(ready) == "compliance-review", "the seat was free for another"


def test_who_abstained_at_one_stage_may_sign_another(ready, people):
    signed(ready, people["both"], "abstain")
    signed(ready, people["validator"])
    signed(ready, people["both"])
    assert stage_of(ready) == "approved"


# --- interpretations -----------------------------------------------------------------------------------------------


def test_an_interpretation_counts_while_its_author_takes_no_part(ready, people):
    revise_model(
        ready.model, by=people["scientist"], name="Renamed", purpose="p", team="t", owner=people["colleague"], risk_tier="low",
        developers=[people["validator"]],
    )  # fmt: skip
    assert "awaiting-interpretation" in codes(ready)
    with pytest.raises(Refused, match="awaiting-interpretation"):
        signed(again(ready), people["second_validator"])
    interpreted(again(ready), people["officer"])
    statement = json.loads(signed(again(ready), people["second_validator"]).statement.body)
    officers = set(ready.interpretations.filter(by=people["officer"]).values_list("digest", flat=True))
    assert {one["digest"] for one in statement["interpretations"]} == officers


def test_who_comes_after_the_day_that_an_earlier_signature_names_approves_nothing(ready, people):
    with moving_clock() as clock:
        until = f"{database_now() + timedelta(days=3):%Y-%m-%d}"
        signed(ready, people["validator"], "approve-with-conditions", conditions=[{"kind": "until", "until": until}])
        clock.move(timedelta(days=9))
        before = AuditEvent.objects.count()
        with pytest.raises(Refused, match="conditions-ended") as refused:
            signed(again(ready), people["officer"])
        assert until in str(refused.value)
        assert (stage_of(ready), AuditEvent.objects.count()) == ("compliance-review", before)
        requested(again(ready), people["officer"])
        revised(again(ready), people["scientist"])
        for name in ("validator", "officer"):
            signed(again(ready), people[name])
        assert stage_of(ready) == "approved"
