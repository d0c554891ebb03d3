"""The decision page as it was at an earlier moment: everything that was shown, and nothing that can be done."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime

from governance.accounts.models import Person
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, fault
from governance.audit.past import as_of
from governance.registry.models import Candidate
from governance.web.decision import decision_page
from governance.web.pages import (
    ActForm,
    ChallengeForm,
    DecisionPage,
    EnvironmentLine,
    FieldForm,
    FindingForm,
    InterpretationForm,
    Shut,
    SignForm,
    Work,
)
from governance.web.periods import day_of, end_of

OFFERED = (ActForm, ChallengeForm, FieldForm, FindingForm, InterpretationForm, Shut, SignForm)


LEADING_TO_NOW = (EnvironmentLine, Work)
"""What has an address at which the answer of now would stand."""


def page_of_then(candidate: Candidate, moment: datetime, *, viewer: Person) -> DecisionPage:
    """Raises BadInput where it was not there yet."""
    with as_of(moment):
        then = Candidate.objects.filter(pk=candidate.pk).select_related("model", "event").first()
        if then is None:
            detail = f"This version was not there yet: it was submitted on {candidate.event.at:%-d %b %Y at %H:%M} UTC."
            raise BadInput([fault("/as_of", "not-yet-there", detail)])
        page = decision_page(then, viewer=viewer, session_key="")
    return replace(_only_shown(page), as_of=moment)


def moment_of(text: str) -> datetime:
    """A time, or the last moment of a day in UTC; today's is now. Raises BadInput: neither, or in the future."""
    now, day = database_now(), day_of(text)
    end = end_of(text) if day else None
    moment = end - timedelta(microseconds=1) if end else _time(text)
    if moment is None:
        detail = f"{text[:60]!r} is no date; write it as 2026-05-03, or with a time as 2026-05-03 14:00."
        raise BadInput([fault("/as_of", "wrong-type", detail)])
    if moment > now and day != now.date():
        raise BadInput([fault("/as_of", "in-the-future", f"{text[:60]} is yet to come.")])
    return min(moment, now)


def _time(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
        return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # its numbers are of no day, or of none that UTC has
        return None


def _only_shown(value: Any) -> Any:
    """The same page without what it offers to this person, and without why it offers nothing."""
    if isinstance(value, tuple):
        return tuple(_only_shown(one) for one in value if not isinstance(one, OFFERED))
    if not is_dataclass(value) or isinstance(value, type):
        return value
    if isinstance(value, LEADING_TO_NOW):
        return replace(value, href="")
    kept = {one.name: getattr(value, one.name) for one in fields(value) if one.init and one.name != "downloads"}
    shown = {name: None if isinstance(one, OFFERED) else _only_shown(one) for name, one in kept.items()}
    return replace(value, **shown, **({"downloads": ()} if hasattr(value, "downloads") else {}))
