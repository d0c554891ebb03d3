"""When a stage is due, and whether its clock stands. Pure. A clock only tells: nothing is ever approved by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from governance.policy.language import StageRule
from governance.review.facts import PauseFact


@dataclass(frozen=True)
class StageClock:
    """The clock of one opening of a stage at a moment.

    `due` is when it would run out if it went on from that moment; while `paused`, it moves away as time passes.
    """

    due: datetime
    late: bool
    paused: PauseFact | None


def clock_of(
    rule: StageRule, opened_seq: int, opened_at: datetime, pauses: tuple[PauseFact, ...], now: datetime
) -> StageClock:
    """Opened, and the policy's days, and what was paused since. Late from the very moment on at which it is due.

    A pause from before the stage (re-)opened is of another opening and does not count.
    """
    own = [one for one in pauses if one.stage == rule.key and one.seq > opened_seq]
    stood = sum(((one.resumed_at or now) - one.at for one in own), timedelta())
    due = opened_at + timedelta(days=rule.due_days) + stood
    return StageClock(due, now >= due, next((one for one in own if one.resumed_at is None), None))
