"""The inventory's record: entries, their revisions, and the confirmed risk tier."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.text import slugify

from governance.accounts.models import Person, ServiceAccount
from governance.accounts.reauthentication import Credentials
from governance.accounts.roles import FIRST_LINE, Role
from governance.actions._common import acting, reauthenticate, require_role, require_second_line, require_text
from governance.actions.checks import judge_all_evidence
from governance.audit import log
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.policy.models import PolicyPin
from governance.registry.models import (
    TIERS,
    Candidate,
    Model,
    ModelDeveloper,
    ModelRetirement,
    ModelRevision,
    TierConfirmation,
)
from governance.release.models import Approval
from governance.review.independence import require_independent
from governance.review.queries import current_pin

RESERVED = frozenset({"new"})
LONGEST_NAME = 200


@transaction.atomic
def create_model(
    *,
    by: Person,
    name: str,
    slug: str = "",
    service_account: ServiceAccount | None = None,
    **record: Any,
) -> Model:
    """A new entry. `record` is as for `revise_model`. Raises BadInput, Refused `slug-taken` (409)."""
    require_role(by, frozenset(FIRST_LINE), "enter a model")
    slug = slugify(slug or name)[:80]
    if not slug:
        raise BadInput([fault("/slug", "required", "Neither slug nor name gives an address of letters and digits.")])
    if slug in RESERVED:
        raise BadInput([fault("/slug", "not-allowed", f"{slug!r} is an address of the product itself.")])
    if Model.objects.filter(slug=slug).exists():
        raise Refused("slug-taken", f"There is a model {slug!r} already; choose another slug.", status=409)
    event = log.append(
        Action.MODEL_CREATED, actor=acting(by, service_account), subject=Subject("model", slug), model=slug
    )
    model = Model.objects.create(slug=slug, created_by=by, service_account=service_account, event=event)
    _revision(model, 1, by=by, service_account=service_account, name=name, **record)
    return model


@transaction.atomic
def revise_model(
    model: Model, *, by: Person, service_account: ServiceAccount | None = None, **record: Any
) -> ModelRevision:
    """A new numbered state of the record; the old ones stay."""
    model = locked(model)
    number = model.revisions.aggregate(Max("number"))["number__max"] + 1
    return _revision(model, number, by=by, service_account=service_account, **record)


def _revision(
    model: Model,
    number: int,
    *,
    by: Person,
    service_account: ServiceAccount | None,
    name: str,
    purpose: str = "",
    team: str = "",
    origin: str = "",
    uses: list[str] | None = None,
    risk_tier: str = "high",
    owner: Person | None = None,
    developers: list[Person] | None = None,
) -> ModelRevision:
    if risk_tier not in TIERS:
        raise BadInput([fault("/risk_tier", "not-allowed", f"{risk_tier!r} is no tier; they are {', '.join(TIERS)}.")])
    if max(len(name), len(team), len(origin)) > LONGEST_NAME:
        raise BadInput([fault("/name", "too-long", f"Name, team and origin have at most {LONGEST_NAME} characters.")])
    event = log.append(
        Action.MODEL_REVISED, actor=acting(by, service_account), subject=Subject("model", model.slug),
        model=model.slug, data={"number": number, "proposed_tier": risk_tier},
    )  # fmt: skip
    revision = ModelRevision.objects.create(
        model=model, number=number, name=require_text("/name", name, "Name"), purpose=purpose, team=team,
        origin=origin, uses=uses or [], risk_tier=risk_tier, owner=owner, by=by, event=event,
    )  # fmt: skip
    for person in {one.pk: one for one in developers or []}.values():
        ModelDeveloper.objects.create(revision=revision, person=person, event=event)
    return revision


def confirm_tier(model: Model, *, by: Person, tier: str, reason: str, credentials: Credentials) -> TierConfirmation:
    """A validator's signed word on the tier. Candidates in review are judged under it from now on.

    Their stages open again where that changes the rules they were signed under. Raises Refused, BadInput.
    """
    reauthenticate(by, credentials)
    with transaction.atomic():
        model = locked(model)
        require_role(by, frozenset({Role.VALIDATOR.value}), "confirm a risk tier")
        if tier not in TIERS:
            raise BadInput([fault("/tier", "not-allowed", f"{tier!r} is no tier; they are {', '.join(TIERS)}.")])
        candidates = list(Candidate.objects.filter(model=model).order_by("version").select_related("event"))
        _require_no_part(by, model, candidates)
        event = log.append(
            Action.TIER_CONFIRMED, actor=acting(by), subject=Subject("model", model.slug), model=model.slug,
            data={"tier": tier},
        )  # fmt: skip
        confirmation = TierConfirmation.objects.create(
            model=model, tier=tier, reason=require_text("/reason", reason, "Reason"), by=by, event=event
        )
        for candidate in candidates:
            _pin_again(candidate, tier, by)
        return confirmation


def retire_model(model: Model, *, by: Person, reason: str, credentials: Credentials) -> ModelRetirement:
    """A second-line person ends the model for good: the gate denies each version, nothing is submitted or signed.

    Raises Refused `role-required`, `retired` where it was done before, BadInput.
    """
    require_second_line(by, "retire a model")
    reason = require_text("/reason", reason, "Reason")
    reauthenticate(by, credentials)
    with transaction.atomic():
        model = locked(model)
        by = locked(by)
        require_second_line(by, "retire a model")
        if ModelRetirement.objects.filter(model=model).exists():
            raise Refused("retired", "This model was retired already.", status=409)
        event = log.append(
            Action.MODEL_RETIRED, actor=acting(by), subject=Subject("model", model.slug), model=model.slug
        )
        return ModelRetirement.objects.create(
            model=model, reason=reason, by=by, printed_name=by.printed_name, event=event
        )


def _require_no_part(by: Person, model: Model, candidates: list[Candidate]) -> None:
    if candidates:
        require_independent(by, candidates[-1])
    revision = model.current
    if by.pk == revision.owner_id or revision.developers.filter(person=by).exists() or revision.by_id == by.pk:
        raise Refused("not-independent", "You own, develop or recorded this model and cannot confirm its tier.")


def _pin_again(candidate: Candidate, tier: str, by: Person) -> None:
    """The same policy version with the confirmed tier, for a candidate that is not approved or withdrawn."""
    candidate = locked(candidate)
    pin = current_pin(candidate)
    if pin.tier == tier or hasattr(candidate, "withdrawal") or Approval.objects.filter(candidate=candidate).exists():
        return
    event = log.append(
        Action.POLICY_PINNED, actor=acting(by), subject=Subject("candidate", str(candidate.pk)),
        model=candidate.model.slug, candidate=candidate.pk,
        data={"policy": pin.policy.digest, "tier": tier, "cause": "tier-confirmed"},
    )  # fmt: skip
    PolicyPin.objects.create(
        candidate=candidate, number=pin.number + 1, policy=pin.policy, tier=tier, cause="tier-confirmed", event=event
    )
    judge_all_evidence(candidate)
