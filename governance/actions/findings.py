"""Findings that people open, answer and close."""

from __future__ import annotations

from django.db import transaction

from governance.accounts.models import Person
from governance.accounts.roles import FIRST_LINE
from governance.actions._common import acting, require_role, require_second_line, require_text
from governance.actions._findings import record_finding
from governance.audit import log
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.models import Candidate
from governance.review.independence import require_independent
from governance.review.models import SEVERITIES, Finding, FindingChange
from governance.review.queries import finding_fact


@transaction.atomic
def open_finding(
    candidate: Candidate, *, by: Person, title: str, detail: str, severity: str, blocking: bool
) -> Finding:
    """A second-line person's own finding; whether it blocks is the author's explicit choice (rule 1)."""
    candidate = locked(candidate)
    require_second_line(by, "open a finding")
    if severity not in SEVERITIES:
        raise BadInput([fault("/severity", "not-allowed", f"Severities are {', '.join(SEVERITIES)}.")])
    return record_finding(
        candidate.model, actor=acting(by), severity=severity, blocking=blocking, detail=detail.strip(), by=by,
        title=require_text("/title", title, "Finding", least=5), candidate=candidate,
    )  # fmt: skip


def answer_finding(finding: Finding, *, by: Person, text: str) -> FindingChange:
    """The first line's answer; it closes nothing."""
    require_role(by, frozenset(FIRST_LINE), "answer a finding")
    return _change(finding, by, "answered", text, Action.FINDING_ANSWERED)


def close_finding(finding: Finding, *, by: Person, text: str) -> FindingChange:
    """A second-line person who took no part closes a finding that somebody wrote.

    One that comes from a failed check stays open while the check fails: only a waiver takes it out of the way.
    """
    return _settle(finding, by, "closed", text, Action.FINDING_CLOSED)


def lower_finding(finding: Finding, *, by: Person, text: str) -> FindingChange:
    """It no longer blocks. The same people and the same limits as for closing."""
    return _settle(finding, by, "lowered", text, Action.FINDING_LOWERED)


def _settle(finding: Finding, by: Person, kind: str, text: str, action: Action) -> FindingChange:
    require_second_line(by, "close or lower a finding")
    if finding.candidate is not None:
        require_independent(by, finding.candidate)
    if finding.check_result_id is not None and finding.blocking:
        detail = "This finding comes from a failed check of the policy. It stays open while the check fails."
        raise Refused("check-failed", detail, who="data-scientist")
    return _change(finding, by, kind, text, action)


@transaction.atomic
def _change(finding: Finding, by: Person, kind: str, text: str, action: Action) -> FindingChange:
    if finding.candidate is not None:
        locked(finding.candidate)
    finding = locked(finding)
    if finding_fact(finding).state in ("closed", "void"):
        raise Refused("finding-closed", f"{finding.label} is closed already.", status=409)
    number = finding.changes.count() + 1
    event = log.append(
        action, actor=acting(by), subject=Subject("finding", finding.label), model=finding.model.slug,
        candidate=finding.candidate_id, data={"number": number},
    )  # fmt: skip
    return FindingChange.objects.create(
        finding=finding, number=number, kind=kind, text=require_text("/text", text, "Text"), by=by, event=event
    )
