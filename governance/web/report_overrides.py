"""Overrides: whatever let a file run, or stopped one, outside the ordinary review."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.urls import reverse

from governance.evidence.models import RerunOrder
from governance.release.ledger import deployments
from governance.release.models import EmergencyProposal
from governance.release.overrides import (
    Act,
    acts,
    deployments_not_allowed,
    emergencies,
    lowered_findings,
    passed_over,
    reruns,
)
from governance.release.queries import PROPOSAL_LIFE
from governance.review.models import FindingChange
from governance.web.deployments_page import COLUMNS, counted, deployment_rows
from governance.web.report import Part, Report, Scope, event_cell, version_cell
from governance.web.tables import Cell, Column, Row
from reports.charts.verdicts import Verdict

ACTS = {"suspend": "Suspended", "reinstate": "Reinstated", "revoke": "Revoked", "retire": "Retired"}


def _emergencies(found: Iterable[EmergencyProposal], scope: Scope) -> Iterator[Row]:
    for one in found:
        yield (
            version_cell(one.candidate),
            Cell(" and ".join(one.environments), f"{one.hours} {'hour' if one.hours == 1 else 'hours'}"),
            event_cell(one.event_id, one.event.at),
            Cell(one.printed_name),
            Cell(one.reason),
            _outcome(one, scope),
            _passed_over(one),
        )


def _outcome(one: EmergencyProposal, scope: Scope) -> Cell:
    if hasattr(one, "approval"):
        ended = "".join(f"; {ACTS[act.kind].lower()} {act.event.at:%-d %b %Y, %H:%M} UTC" for act in one.approval.acts.all())
        said = f"by {one.approval.printed_name}, {one.approval.event.at:%-d %b %Y, %H:%M} UTC{ended}"
        return Cell("Approved", said, verdict=Verdict.REVIEW)
    if hasattr(one, "decline"):
        said = f"by {one.decline.printed_name}, {one.decline.event.at:%-d %b %Y, %H:%M} UTC: {one.decline.reason}"
        return Cell("Declined", said, verdict=Verdict.NOT_APPLICABLE)
    if scope.now < one.event.at + PROPOSAL_LIFE:
        return Cell("Waits", "for a second person", verdict=Verdict.PENDING)
    return Cell("Ran out", "nobody seconded it within a day", verdict=Verdict.NOT_APPLICABLE)


def _passed_over(one: EmergencyProposal) -> Cell:
    if not hasattr(one, "approval"):
        return Cell("–")
    return Cell("; ".join(f"{where}: {counted(codes)}" for where, codes in passed_over(one.approval).items()))


def _acts(found: Iterable[Act], scope: Scope) -> Iterator[Row]:
    for one in found:
        whole = Cell(one.model, "the whole model", reverse("model", args=[one.model]))
        yield (
            version_cell(one.candidate) if one.candidate else whole,
            Cell(ACTS[one.kind], one.where),
            event_cell(one.seq, one.at),
            Cell(one.by),
            Cell(one.reason),
        )


def _reruns(found: Iterable[RerunOrder], scope: Scope) -> Iterator[Row]:
    for one in found:
        yield (
            version_cell(one.candidate),
            Cell(one.kind.replace("-", " ").capitalize(), f"run {one.run}"),
            event_cell(one.event_id, one.event.at),
            Cell(str(one.by)),
            Cell(one.reason),
        )


def _lowered(found: Iterable[FindingChange], scope: Scope) -> Iterator[Row]:
    for one in found:
        finding = one.finding
        model = Cell(finding.model.slug, "the whole model", reverse("model", args=[finding.model.slug]))
        yield (
            version_cell(finding.candidate) if finding.candidate else model,
            Cell(f"{finding.label}: {finding.title}", finding.severity),
            event_cell(one.event_id, one.event.at),
            Cell(str(one.by) if one.by else "–"),
            Cell(one.text),
        )


OVERRIDES = Report(
    "overrides",
    "Overrides and emergency approvals",
    "Whatever let a file run or stopped it outside the ordinary review, in the days chosen.",
    (
        Part(
            "emergencies", "Emergency approvals",
            "Proposed in the days chosen, newest first. “Passed over” are the gate’s reasons against the file at that moment.",
            "No emergency approval was proposed in these days.",
            (
                Column("Model", "Version"), Column("Where", "How long"), Column("Proposed"), Column("By"), Column("Reason"),
                Column("What became of it", "By whom and when"), Column("Passed over"),
            ),
            lambda scope: emergencies(scope.models).filter(**scope.within("event__at")), _emergencies,
        ),
        Part(
            "acts", "Approvals stopped, resumed or ended",
            "Suspensions, reinstatements, revocations and retirements, newest first.",
            "No approval was suspended, reinstated, revoked or retired in these days.",
            (Column("Model", "Version"), Column("Act", "Where"), Column("When"), Column("By"), Column("Reason")),
            lambda scope: acts(scope.models, **scope.within("event__at")), _acts,
        ),
        Part(
            "findings", "Findings that no longer block",
            "A finding that blocked an approval and was lowered by somebody of the second line, newest first.",
            "No finding was lowered in these days.",
            (Column("Model", "Version"), Column("Finding", "Severity"), Column("When"), Column("By"), Column("Why")),
            lambda scope: lowered_findings(scope.models).filter(**scope.within("event__at")), _lowered,
        ),
        Part(
            "reruns", "Evidence that was run again",
            "Ordered with a reason after a run had failed. Every run is kept; the first that succeeded is judged.",
            "No evidence was ordered to run again in these days.",
            (Column("Model", "Version"), Column("Evidence", "Run"), Column("Ordered"), Column("By"), Column("Reason")),
            lambda scope: reruns(scope.models).filter(**scope.within("event__at")), _reruns,
        ),
        Part(
            "deployments", "Deployments that were not allowed",
            "Deployed in the days chosen although the gate would have refused, then or when it was recorded; newest first.",
            "Every deployment of these days was allowed when it was made.",
            COLUMNS,
            lambda scope: deployments_not_allowed(deployments(scope.models)).filter(**scope.within("deployed_at")),
            lambda found, scope: deployment_rows(found),
        ),
    ),
)  # fmt: skip
