"""The questions that the gate was asked: what is sealed and whether it still is, and deployments that nobody asked about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Exists, Max, OuterRef, QuerySet

from governance.audit.merkle import CompactRange, leaf_hash
from governance.registry.models import Model
from governance.release.models import Deployment, GateQuestion, QuestionSeal

ASKED_WITHIN = timedelta(hours=1)
"""An allow is good for at most an hour: a deployment later than that went by no answer."""


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


def unasked_deployments(model: Model) -> QuerySet[Deployment]:
    """Deployments before which, for an hour, nobody was told that this file may run there; newest first."""
    asked = GateQuestion.objects.filter(
        model_slug=model.slug, digest=OuterRef("digest"), environment=OuterRef("environment"), status=200,
        at__lte=OuterRef("deployed_at"), at__gt=OuterRef("deployed_at") - ASKED_WITHIN,
    )  # fmt: skip
    rows = Deployment.objects.filter(model=model).exclude(Exists(asked))
    return rows.select_related("candidate", "by").order_by("-deployed_at")
