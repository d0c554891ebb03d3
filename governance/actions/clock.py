"""The clock of a stage is stopped and goes on. It only tells when a stage is late; signing stays as it is."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from governance.accounts.models import Person
from governance.actions._common import acting, require_second_line, require_text
from governance.audit import log
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.locking import locked
from governance.audit.log import Subject
from governance.registry.models import Candidate
from governance.release.queries import gate_facts
from governance.review.clocks import StageClock
from governance.review.independence import require_independent
from governance.review.models import StagePause, StageResume
from governance.review.queries import stage_clock


@transaction.atomic
def pause_clock(candidate: Candidate, *, by: Person, reason: str) -> StagePause:
    """The open stage's clock stands until somebody lets it go on.

    Raises Refused (`role-required`, `not-independent`, `closed`, `clock-paused`) and BadInput.
    """
    reason = require_text("/reason", reason, "Reason")
    candidate, stage, clock = _open(candidate, by)
    if clock.paused:
        raise Refused("clock-paused", f"{clock.paused.by_name} has paused this clock already.", status=409)
    event = log.append(
        Action.STAGE_CLOCK_PAUSED, actor=acting(by), subject=Subject("candidate", str(candidate.pk)),
        model=candidate.model.slug, candidate=candidate.pk, data={"stage": stage},
    )  # fmt: skip
    return StagePause.objects.create(candidate=candidate, stage=stage, reason=reason, by=by, event=event)


@transaction.atomic
def resume_clock(candidate: Candidate, *, by: Person) -> StageResume:
    """The open stage's clock goes on where it stood. Raises Refused as `pause_clock` does, and `clock-runs`."""
    candidate, stage, clock = _open(candidate, by)
    if clock.paused is None:
        raise Refused("clock-runs", "The clock of this stage runs already.", status=409)
    event = log.append(
        Action.STAGE_CLOCK_RESUMED, actor=acting(by), subject=Subject("candidate", str(candidate.pk)),
        model=candidate.model.slug, candidate=candidate.pk, data={"stage": stage},
    )  # fmt: skip
    return StageResume.objects.create(pause_id=clock.paused.id, by=by, event=event)


def _open(candidate: Candidate, by: Person) -> tuple[Candidate, str, StageClock]:
    """The candidate, held, with the stage that waits for signatures and its clock, for somebody who may stop it."""
    candidate, by = locked(candidate), locked(by)
    require_second_line(by, "pause or resume the clock of a stage")
    require_independent(by, candidate)
    facts = gate_facts(candidate, settings.COUNTERSIGN_ENVIRONMENTS[0])
    stage = facts.progress.current if facts.approval is None else None
    clock = stage_clock(facts.review, stage, database_now())
    if stage is None or clock is None:
        raise Refused("closed", "No stage is open, so no clock runs.", status=409)
    return candidate, stage.rule.key, clock
