"""Rules 1, 2 and 4 in SQL: rows that no program gets into the database, whatever it is, on both engines.

Every row here is inserted past the actions. The same row without the one trouble goes in, so that it is the guard that
refuses.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from governance.accounts.models import Person, RoleEnd, ServiceAccount, Token
from governance.actions.approval import revoke
from governance.actions.emergency import propose_emergency, second_emergency
from governance.audit import immutable
from governance.registry.models import Candidate, CandidateFile, ModelDeveloper, Withdrawal
from governance.release.models import Approval, ApprovalAct, EmergencyAct, EmergencyApproval
from governance.review.models import Signature, SignatureWithdrawal
from tests.factories import CREDENTIALS, a_candidate, a_model, approved, computed, interpreted, sha, signed

pytestmark = pytest.mark.both_engines

People = dict[str, Person]
EMERGENCY = {"environments": ["production"], "hours": 2, "reason": "It cannot wait.", "credentials": CREDENTIALS}


def inserted(row: models.Model, **changed: Any) -> Any:
    """A copy of the row under a new key, with new values where columns are unique by themselves."""
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    for name in ("digest", "nonce", "secret_hash"):
        if name in values:
            values[name] = sha(uuid.uuid4().bytes)[: 64 if name == "secret_hash" else 71]
    copy = type(row)(**{**values, "id": uuid.uuid4(), **changed})
    copy.save_base(raw=True, force_insert=True)
    return copy


@pytest.fixture
def given(people: People) -> Signature:
    """A validator's signature on a candidate of low tier, which waits for a compliance officer."""
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["validator"])
    return signed(candidate, people["validator"])


def elsewhere(given: Signature, by: Person, **candidate: Any) -> dict[str, Any]:
    """The same statement on another candidate, whose row differs in this."""
    newest = Candidate.objects.order_by("-version").values_list("version", flat=True)[0]
    other = inserted(given.candidate, version=newest + 1, **candidate)
    return {"by_id": by.pk, "candidate_id": other.pk, "statement_id": inserted(given.statement, candidate_id=other.pk).pk}


def account(given: Signature, responsible: Person, created_by: Person) -> ServiceAccount:
    return ServiceAccount.objects.create(
        name=f"pipeline {uuid.uuid4()}", responsible=responsible, created_by=created_by, event=given.event
    )


def by_token(given: Signature, officer: Person, people: People) -> dict[str, Any]:
    pipeline = account(given, people["scientist"], people["scientist"])
    token = Token.objects.create(
        name="t", secret_hash="x" * 64, service_account=pipeline, scopes=[], created_by=officer, event=given.event
    )
    return elsewhere(given, officer, token_id=token.pk)


def of_owner(given: Signature, officer: Person) -> dict[str, Any]:
    current = given.candidate.model.current
    inserted(current, number=current.number + 1, owner_id=officer.pk)
    return {"by_id": officer.pk}


def of_former_owner(given: Signature, officer: Person) -> dict[str, Any]:
    of_owner(given, officer)
    current = given.candidate.model.current
    inserted(current, number=current.number + 1, owner_id=None)
    return {"by_id": officer.pk}


def of_developer(given: Signature, officer: Person) -> dict[str, Any]:
    ModelDeveloper.objects.create(revision=given.candidate.model.current, person=officer, event=given.event)
    return {"by_id": officer.pk}


def of_uploader(given: Signature, officer: Person) -> dict[str, Any]:
    CandidateFile.objects.create(
        candidate=given.candidate, part="background", digest="x", size=1, format="csv", uploaded_by=officer, event=given.event
    )
    return {"by_id": officer.pk}


def without_role(given: Signature, officer: Person) -> dict[str, Any]:
    RoleEnd.objects.create(grant=officer.grants.get(), event=given.event)
    return {"by_id": officer.pk}


def inactive(given: Signature, officer: Person) -> dict[str, Any]:
    Person.objects.filter(pk=officer.pk).update(is_active=False)
    return {"by_id": officer.pk}


def withdrawn(given: Signature, officer: Person) -> dict[str, Any]:
    Withdrawal.objects.create(candidate=given.candidate, by=officer, reason="r", event=given.event)
    return {"by_id": officer.pk}


def after_approval(given: Signature, officer: Person, people: People) -> dict[str, Any]:
    signed(given.candidate, people["second_officer"])
    return {"by_id": officer.pk}


SIGNED: dict[str, tuple[Callable[[Signature, Person, People], dict[str, Any]], str]] = {
    "by whoever submitted it": (lambda g, o, p: elsewhere(g, o, submitted_by_id=o.pk), "submitted the candidate"),
    "by whoever uploaded a file": (lambda g, o, p: of_uploader(g, o), "uploaded a file"),
    "by who answers for the service account": (
        lambda g, o, p: elsewhere(g, o, service_account_id=account(g, o, p["scientist"]).pk), "service account",
    ),
    "by who created the service account": (
        lambda g, o, p: elsewhere(g, o, service_account_id=account(g, p["scientist"], o).pk), "service account",
    ),
    "by who created the token": (by_token, "created the token"),
    "by the owner": (lambda g, o, p: of_owner(g, o), "owns the model"),
    "by a developer": (lambda g, o, p: of_developer(g, o), "develops the model"),
    "without a role": (lambda g, o, p: without_role(g, o), "without one of the roles"),
    "by a data scientist": (lambda g, o, p: {"by_id": p["scientist"].pk}, "without one of the roles|submitted"),
    "by an administrator": (lambda g, o, p: {"by_id": p["administrator"].pk}, "without one of the roles"),
    "by somebody who left": (lambda g, o, p: inactive(g, o), "without one of the roles"),
    "on a withdrawn candidate": (lambda g, o, p: withdrawn(g, o), "was withdrawn"),
    "on an approved candidate": (after_approval, "is approved"),
    "on another candidate's statement": (
        lambda g, o, p: {**elsewhere(g, o), "statement_id": g.statement_id}, "statement of another",
    ),
    "on another stage's statement": (lambda g, o, p: {"by_id": o.pk, "stage": "other"}, "statement of another"),
}  # fmt: skip
HARMLESS: dict[str, Callable[[Signature, Person, People], dict[str, Any]]] = {
    "by a compliance officer": lambda g, o, p: {"by_id": o.pk},
    "on another candidate": lambda g, o, p: elsewhere(g, o),
    "by somebody who owned it before": lambda g, o, p: of_former_owner(g, o),
    "by a colleague of the service account": lambda g, o, p: elsewhere(
        g, o, service_account_id=account(g, p["scientist"], p["scientist"]).pk
    ),
}


@pytest.mark.parametrize("trouble", SIGNED)
def test_no_signature_gets_in(trouble: str, given: Signature, people: People) -> None:
    make, message = SIGNED[trouble]
    changed = make(given, people["officer"], people)
    with pytest.raises(IntegrityError, match=f"review_signature takes no.*({message})"), transaction.atomic():
        inserted(given, **changed)


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_signature_without_trouble_gets_in(kind: str, given: Signature, people: People) -> None:
    inserted(given, **HARMLESS[kind](given, people["officer"], people))


def test_no_approval_gets_in_without_a_signature_that_counts(given: Signature, people: People) -> None:
    approval = approved(people, a_model(people, "cards")).approval
    unsigned = a_candidate(people, given.candidate.model)
    last = inserted(given, by_id=people["officer"].pk).pk
    with pytest.raises(IntegrityError, match="nobody signed"), transaction.atomic():
        inserted(approval, candidate_id=unsigned.pk, last_signature_id=last)
    with transaction.atomic():
        inserted(approval, candidate_id=given.candidate_id, last_signature_id=last)
        transaction.set_rollback(True)
    for one in Signature.objects.filter(candidate=given.candidate):
        SignatureWithdrawal.objects.create(signature=one, reason="r", event=given.event)
    with pytest.raises(IntegrityError, match="nobody signed"), transaction.atomic():
        inserted(approval, candidate_id=given.candidate_id, last_signature_id=last)


def test_no_approval_gets_in_after_a_rejection_or_a_withdrawal(given: Signature, people: People) -> None:
    approval = approved(people, a_model(people, "cards")).approval
    last = inserted(given, by_id=people["officer"].pk).pk
    for trouble, message in (
        (lambda: inserted(given, by_id=people["approver"].pk, outcome="reject"), "was rejected"),
        (lambda: withdrawn(given, people["officer"]), "was withdrawn"),
    ):
        with transaction.atomic():
            trouble()
            with pytest.raises(IntegrityError, match=message), transaction.atomic():
                inserted(approval, candidate_id=given.candidate_id, last_signature_id=last)
            transaction.set_rollback(True)


def test_every_seat_of_an_approval_is_a_row_and_one_person_fills_one(people: People) -> None:
    approval = approved(people, a_model(people)).approval
    seats = list(approval.seats.order_by("event_id", "stage"))
    assert {(one.stage, one.seat, one.role) for one in seats} == {
        ("independent-validation", 0, "validator"), ("compliance-review", 0, "compliance-officer"),
    }  # fmt: skip
    assert {one.person_id for one in seats} == {people["validator"].pk, people["officer"].pk}
    other = approved(people, a_model(people, "cards")).approval.seats.first()
    first = seats[0]
    for changed in (
        {"seat": 7, "signature_id": other.signature_id},
        {"seat": 7, "signature_id": None, "person_id": None},
        {"seat": 7, "signature_id": None, "person_id": people["approver"].pk},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            inserted(first, **changed)
    with pytest.raises(IntegrityError, match="of another person"), transaction.atomic():
        inserted(other, approval_id=approval.pk, seat=7)


def test_nothing_is_done_to_an_approval_after_its_revocation_or_by_the_first_line(people: People) -> None:
    candidate = approved(people, a_model(people))
    last = revoke(candidate, by=people["officer"], reason="Wrong column.", credentials=CREDENTIALS)
    for kind in ("suspend", "reinstate", "revoke", "retire"):
        with pytest.raises(IntegrityError, match="after a revocation"), transaction.atomic():
            inserted(last, kind=kind)
    approval = approved(people, a_model(people, "cards")).approval
    inserted(last, approval_id=approval.pk, kind="suspend")
    with pytest.raises(IntegrityError, match="without one of the roles"), transaction.atomic():
        inserted(last, approval_id=approval.pk, kind="suspend", by_id=people["scientist"].pk)
    assert ApprovalAct.objects.filter(approval=approval).count() == 1
    assert Approval.objects.count() == 2


EMERGENCIES: dict[str, tuple[Callable[[EmergencyApproval, People], Any], str]] = {
    "approver without a role": (lambda e, p: {"by_id": p["auditor"].pk}, "without one of the roles"),
    "approver a regulator": (lambda e, p: {"by_id": p["regulator"].pk}, "without one of the roles"),
    "approver the owner": (lambda e, p: owned(e, p["both"]), "owns the model"),
    "proposer the owner": (lambda e, p: owned(e, p["officer"], {}), "owns the model"),
    "proposer without a role": (
        lambda e, p: RoleEnd.objects.create(grant=p["officer"].grants.get(), event=e.event) and {}, "without one of the roles",
    ),
    "another proposer": (lambda e, p: {"proposed_by_id": p["second_officer"].pk}, "what was proposed"),
    "more hours": (lambda e, p: {"hours": e.hours + 1}, "what was proposed"),
    "another file": (lambda e, p: {"gate_digest": sha(b"another")}, "no other file"),
    "withdrawn": (
        lambda e, p: Withdrawal.objects.create(candidate=e.candidate, by=p["scientist"], reason="r", event=e.event) and {},
        "was withdrawn",
    ),
    "without trouble, twice": (lambda e, p: {}, "UNIQUE|unique"),
}  # fmt: skip


def owned(emergency: EmergencyApproval, owner: Person, changed: dict[str, Any] | None = None) -> dict[str, Any]:
    current = emergency.candidate.model.current
    inserted(current, number=current.number + 1, owner_id=owner.pk)
    return {"by_id": owner.pk} if changed is None else changed


@pytest.fixture
def emergency(people: People) -> EmergencyApproval:
    candidate = computed(a_candidate(people, a_model(people)))
    proposal = propose_emergency(candidate, by=people["officer"], **EMERGENCY)
    return second_emergency(proposal, by=people["approver"], credentials=CREDENTIALS)


@pytest.mark.parametrize("trouble", EMERGENCIES)
def test_no_emergency_approval_gets_in(trouble: str, emergency: EmergencyApproval, people: People) -> None:
    make, message = EMERGENCIES[trouble]
    changed = make(emergency, people)
    with pytest.raises(IntegrityError, match=message), transaction.atomic():
        inserted(emergency, **changed)


def test_nothing_is_done_to_an_emergency_approval_after_its_revocation(emergency: EmergencyApproval, people: People) -> None:
    act = revoke(emergency.candidate, by=people["officer"], reason="Wrong file.", credentials=CREDENTIALS)
    assert isinstance(act, EmergencyAct)
    with pytest.raises(IntegrityError, match="after a revocation"), transaction.atomic():
        inserted(act, kind="suspend")


def test_guards_are_gone_while_sqlite_rebuilds_a_table_and_back_afterwards(committed_db: None) -> None:
    """Otherwise a migration of a table that a guard names could not be applied."""
    immutable.drop_guards_before_migrate(using="default")
    guarded = sum(len(several) for several in immutable.guarded_tables().values())
    assert len(immutable.missing_triggers()) == (guarded if connection.vendor == "sqlite" else 0)
    field = Approval._meta.get_field("keep_approved")
    wider = models.BigIntegerField()
    wider.set_attributes_from_name("keep_approved")
    with connection.schema_editor() as editor:
        editor.alter_field(Approval, field, wider)
    immutable.install_after_migrate(using="default")
    assert immutable.missing_triggers() == []
