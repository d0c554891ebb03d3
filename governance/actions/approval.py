"""What second-line people do to a standing approval: suspend at once, reinstate together, revoke for good."""

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
from governance.registry.models import Candidate
from governance.release import standing
from governance.release.integrity import ACTS
from governance.release.models import Approval, ApprovalAct
from governance.release.queries import approval_fact
from governance.review.independence import require_independent


def suspend(candidate: Candidate, *, by: Person, reason: str, credentials: Credentials) -> ApprovalAct:
    """Any second-line person, at once, with a reason. The gate's next answer is no."""
    return _act("suspend", candidate, by, reason, credentials)


def reinstate(candidate: Candidate, *, by: Person, reason: str, credentials: Credentials) -> ApprovalAct:
    """One voice for reinstatement; it holds once the last stage's quorum has spoken, the suspender not alone."""
    return _act("reinstate", candidate, by, reason, credentials)


def revoke(candidate: Candidate, *, by: Person, reason: str, credentials: Credentials) -> ApprovalAct:
    """Final."""
    return _act("revoke", candidate, by, reason, credentials)


def retire(candidate: Candidate, *, by: Person, reason: str, credentials: Credentials, environment: str) -> ApprovalAct:
    """The version no longer runs in that environment."""
    if environment not in settings.COUNTERSIGN_ENVIRONMENTS:
        raise BadInput([fault("/environment", "unknown-environment", f"There is no environment {environment!r}.")])
    return _act("retire", candidate, by, reason, credentials, environment)


def _act(
    kind: str, candidate: Candidate, by: Person, reason: str, credentials: Credentials, environment: str = ""
) -> ApprovalAct:
    reason = require_text("/reason", reason, "Reason")
    reauthenticate(by, credentials)
    with transaction.atomic():
        candidate = locked(candidate)
        by = locked(by)
        roles = require_second_line(by, f"{kind} an approval")
        approval = Approval.objects.filter(candidate=candidate).first()
        if approval is None:
            raise Refused("not-approved", "There is no approval to act on.", status=409)
        _require_sense(kind, approval, candidate, by)
        event = log.append(
            ACTS[kind], actor=acting(by), subject=Subject("approval", approval.digest),
            model=candidate.model.slug, candidate=candidate.pk, data={"environment": environment},
        )  # fmt: skip
        return ApprovalAct.objects.create(
            approval=approval, kind=kind, environment=environment, reason=reason, by=by,
            printed_name=by.printed_name, roles=sorted(roles), event=event,
        )  # fmt: skip


def _require_sense(kind: str, approval: Approval, candidate: Candidate, by: Person) -> None:
    fact = approval_fact(approval)
    if standing.revoked(fact):
        raise Refused("revoked", "This approval was revoked; that is final.", status=409)
    if kind == "suspend" and standing.suspended(fact):
        raise Refused("suspended", "This approval is suspended already.", status=409)
    if kind == "reinstate":
        if not standing.suspended(fact):
            raise Refused("not-suspended", "This approval is not suspended.", status=409)
        require_independent(by, candidate)
