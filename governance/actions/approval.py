"""What second-line people do to a standing approval: suspend at once, reinstate together, revoke for good.

Suspending and revoking concern the candidate: they end a running emergency approval too, for good.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from governance.accounts.models import Person
from governance.accounts.reauthentication import Credentials
from governance.actions._common import acting, reauthenticate, require_second_line, require_text
from governance.audit import log
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.audit.models import AuditEvent
from governance.registry.models import Candidate
from governance.release import standing
from governance.release.clock import decision_time
from governance.release.integrity import ACTS
from governance.release.models import EMERGENCY_ACTS, Approval, ApprovalAct, EmergencyAct, EmergencyApproval
from governance.release.queries import approval_fact, running_emergency
from governance.review.independence import require_independent

PAST = {"suspend": "suspended", "reinstate": "reinstated", "revoke": "revoked", "retire": "retired"}


def suspend(
    candidate: Candidate, *, by: Person, reason: str, credentials: Credentials
) -> ApprovalAct | EmergencyAct:
    """Any second-line person, at once, with a reason. The gate's next answer is no."""
    return _act("suspend", candidate, by, reason, credentials)


def reinstate(
    candidate: Candidate, *, by: Person, reason: str, credentials: Credentials
) -> ApprovalAct | EmergencyAct:
    """One voice for reinstatement; it holds once the last stage's quorum has spoken, the suspender not alone."""
    return _act("reinstate", candidate, by, reason, credentials)


def revoke(
    candidate: Candidate, *, by: Person, reason: str, credentials: Credentials
) -> ApprovalAct | EmergencyAct:
    """Final."""
    return _act("revoke", candidate, by, reason, credentials)


def retire(
    candidate: Candidate, *, by: Person, reason: str, credentials: Credentials, environment: str
) -> ApprovalAct | EmergencyAct:
    """The version no longer runs in that environment."""
    if environment not in settings.COUNTERSIGN_ENVIRONMENTS:
        raise BadInput([fault("/environment", "unknown-environment", f"There is no environment {environment!r}.")])
    return _act("retire", candidate, by, reason, credentials, environment)


def _act(
    kind: str, candidate: Candidate, by: Person, reason: str, credentials: Credentials, environment: str = ""
) -> ApprovalAct | EmergencyAct:
    """The act on the review's approval; a suspension or revocation on a running emergency approval too."""
    reason = require_text("/reason", reason, "Reason")
    reauthenticate(by, credentials)
    with transaction.atomic():
        candidate = locked(candidate)
        by = locked(by)
        roles = require_second_line(by, f"{kind} an approval")
        approval = Approval.objects.filter(candidate=candidate).first()
        running = running_emergency(candidate, decision_time())
        emergency = running if kind in EMERGENCY_ACTS and not _done(kind, running) else None
        refused = _senseless(kind, approval, running)
        if refused and emergency is None:
            raise refused
        if kind == "reinstate":
            require_independent(by, candidate)
        given = {"kind": kind, "reason": reason, "by": by, "printed_name": by.printed_name, "roles": sorted(roles)}
        acts: list[ApprovalAct | EmergencyAct] = []
        if approval is not None and refused is None:
            event = _event(kind, approval.digest, candidate, by, environment)
            acts.append(ApprovalAct.objects.create(approval=approval, environment=environment, event=event, **given))
        if emergency is not None:
            event = _event(kind, emergency.digest, candidate, by, environment)
            acts.append(EmergencyAct.objects.create(emergency=emergency, event=event, **given))
        return acts[0]


def _event(kind: str, digest: str, candidate: Candidate, by: Person, environment: str) -> AuditEvent:
    return log.append(
        ACTS[kind], actor=acting(by), subject=Subject("approval", digest), model=candidate.model.slug,
        candidate=candidate.pk, data={"environment": environment},
    )  # fmt: skip


def _done(kind: str, emergency: EmergencyApproval | None) -> bool:
    """Nothing is left to do to it: there is none that runs, it was revoked, or this was done before."""
    done = {act.kind for act in emergency.acts.all()} if emergency else {"revoke"}
    return bool(done & {kind, "revoke"})


def _senseless(kind: str, approval: Approval | None, emergency: EmergencyApproval | None) -> Refused | None:
    """Why the act makes no sense on the review's approval, if it does not."""
    if approval is None:
        detail = "There is no approval to act on."
        if emergency is not None:
            detail = f"An emergency approval ends within a day; it cannot be {PAST[kind]}."
            if _done(kind, emergency):
                detail = "This emergency approval was stopped already; that is not undone."
        return Refused("not-approved", detail, status=409)
    fact = approval_fact(approval)
    if standing.revoked(fact):
        return Refused("revoked", "This approval was revoked; that is final.", status=409)
    if kind == "suspend" and standing.suspended(fact):
        return Refused("suspended", "This approval is suspended already.", status=409)
    if kind == "reinstate" and not standing.suspended(fact):
        return Refused("not-suspended", "This approval is not suspended.", status=409)
    return None
