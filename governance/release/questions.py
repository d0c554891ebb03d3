"""The questions that the gate was asked: whether what is sealed still is; deployments without an answer or against it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery

from governance.audit.merkle import CompactRange, leaf_hash
from governance.registry.models import Model
from governance.release.models import Deployment, GateQuestion, QuestionSeal

ASKED_WITHIN = timedelta(hours=1)
"""An allow is good for at most an hour: a deployment later than that went by no answer."""
DENIED_WITHIN = timedelta(days=30)
"""How long a denial is remembered against the deployment that follows it."""


def unsealed() -> QuerySet[GateQuestion]:
    """In the order in which they will be sealed."""
    last = QuestionSeal.objects.aggregate(last=Max("last"))["last"] or 0
    return GateQuestion.objects.filter(pk__gt=last).order_by("pk")


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The RFC 6962 tree head over leaf hashes."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def broken_seals() -> list[str]:
    """Sealed questions that are no longer what was sealed, in words; empty is good."""
    found = []
    for seal in QuestionSeal.objects.order_by("first"):
        rows = GateQuestion.objects.filter(pk__gte=seal.first, pk__lte=seal.last).order_by("pk").values_list("body", "leaf")
        bodies = [(leaf_hash(body.encode()), bytes(leaf)) for body, leaf in rows]
        if len(bodies) != seal.count or root_of(leaf for leaf, _ in bodies).hex() != seal.root:
            found.append(f"questions {seal.first} to {seal.last}, sealed by event {seal.event_id}")
        elif any(computed != kept for computed, kept in bodies):
            found.append(f"a leaf among the questions {seal.first} to {seal.last}")
    return found


def with_question(rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    """With `asked`: whether within the hour before it somebody was told that this file may run there."""
    return rows.annotate(asked=Exists(_told()))


def unasked_deployments(models: QuerySet[Model]) -> QuerySet[Deployment]:
    """Deployments of these models before which, for an hour, nobody was told that the file may run there; newest first."""
    rows = Deployment.objects.filter(~Exists(_told()), model__in=models)
    return rows.select_related("model", "candidate", "event", "by", "service_account").order_by("-deployed_at", "-event_id")


def denied_and_deployed(models: QuerySet[Model]) -> QuerySet[Deployment]:
    """Deployments of these models where the last answer before, within 30 days, was a no; newest first.

    `question` is the id of that question. A later yes takes a deployment off the list, another file, environment or model
    does not put it on.
    """
    last = _questions().filter(at__gt=OuterRef("deployed_at") - DENIED_WITHIN).order_by("-at", "-pk")
    rows = Deployment.objects.filter(model__in=models).annotate(
        question=Subquery(last.values("pk")[:1]), answered=Subquery(last.values("status")[:1])
    )
    rows = rows.filter(question__isnull=False).exclude(answered=200)
    return rows.select_related("model", "candidate", "event", "by", "service_account").order_by("-deployed_at", "-event_id")


def _told() -> QuerySet[GateQuestion]:
    return _questions().filter(status=200, at__gt=OuterRef("deployed_at") - ASKED_WITHIN)


def _questions() -> QuerySet[GateQuestion]:
    """Those about the very file of a deployment, where it was put, up to when it was."""
    return GateQuestion.objects.filter(
        model_slug=OuterRef("model__slug"), digest=OuterRef("digest"), environment=OuterRef("environment"),
        at__lte=OuterRef("deployed_at"),
    )  # fmt: skip
