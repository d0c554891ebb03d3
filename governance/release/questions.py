"""The questions that the gate was asked: whether what is sealed still is; deployments without an answer or against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery

from governance.audit.clock import timestamp
from governance.audit.events import Action
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.models import AuditEvent
from governance.audit.verify import Problem
from governance.registry.models import Model
from governance.release.models import Deployment, GateQuestion, QuestionSeal

ASKED_WITHIN = timedelta(hours=1)
"""An allow is good for at most an hour: a deployment later than that went by no answer."""
DENIED_WITHIN = timedelta(days=30)
"""How long a denial is remembered against the deployment that follows it."""
GATE_QUESTIONS = "gate-questions"
"""The code of an alarm about them."""
REPEATING = ("at", "token", "model_slug", "digest", "environment", "status")
CHUNK = 5000


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


def broken_seals() -> list[Problem]:
    """Sealed questions that are no longer what was sealed, in their order; empty is good.

    What was sealed is told by the events of the log, which is to be verified first. A question of a lower number than the
    last one sealed lies under a seal, or it was put there later.
    """
    sealed = AuditEvent.objects.filter(action=Action.GATE_QUESTIONS_SEALED)
    end: int = sealed.aggregate(last=Max("seq"))["last"] or 0
    found, last = _misplaced_seals(), None
    questions = _InTurn(_pages(GateQuestion.objects.all(), "pk", "body", "leaf", *REPEATING))
    seals = _InTurn(_pages(QuestionSeal.objects.all(), "first", "last", "count", "root", "event"))
    for event, body in _pages(sealed.filter(seq__lte=end), "seq", "body"):
        told = json.loads(body)["data"]
        wrong = (
            _wrong_outside(last, told["first"], questions.upto(told["first"] - 1)),
            _wrong_under(told, map(_question, questions.upto(told["last"]))),
            _wrong_seal(event, told, seals.upto(told["first"])),
        )
        found += [Problem(event, GATE_QUESTIONS, f"{one} (sealed by event {event})") for one in wrong if one]
        last = told["last"]
    return found


def _pages(rows: QuerySet[Any], key: str, *columns: str) -> Iterator[tuple[Any, ...]]:
    """All rows in the order of the key, each page by a statement of its own: no transaction stays open meanwhile."""
    rows = rows.order_by(key).values_list(key, *columns)
    page = list(rows[:CHUNK])
    while page:
        yield from page
        page = list(rows.filter(**{f"{key}__gt": page[-1][0]})[:CHUNK])


class _InTurn:
    """Rows in the order of the number that each begins with: every call goes on where the one before ended."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows, self._next = rows, next(rows, None)

    def upto(self, last: int) -> Iterator[tuple[Any, ...]]:
        while self._next is not None and self._next[0] <= last:
            yield self._next
            self._next = next(self._rows, None)


class _Question(NamedTuple):
    """A row; `columns` are those that repeat its body, in the order and form of `_repeated`."""

    id: int
    body: str
    leaf: bytes
    columns: tuple[Any, ...]


def _question(row: tuple[Any, ...]) -> _Question:
    pk, body, leaf, at, token, *others = row
    return _Question(pk, body, bytes(leaf), (timestamp(at), str(token), *others))


def _repeated(body: str) -> tuple[Any, ...] | None:
    """What the columns beside a body must be; None where it is no body of a question."""
    try:
        told = json.loads(body)
        model = told["model"][:80] if told.get("covered", True) else ""
        return told["at"], told["token"], model, told["digest"], told["environment"], told["status"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _wrong_outside(last: int | None, first: int, rows: Iterator[Any]) -> str:
    count = sum(1 for _ in rows)
    where = f"before {first}" if last is None else f"between {last} and {first}"
    return f"{count} of the gate's questions stand {where}, where none was sealed" if count else ""


def _wrong_under(told: dict[str, Any], rows: Iterator[_Question]) -> str:
    tree, altered = CompactRange(), 0
    for row in rows:
        leaf = leaf_hash(row.body.encode())
        tree.append(leaf)
        if not altered and (leaf != row.leaf or row.columns != _repeated(row.body)):
            altered = row.id
    if altered:
        return f"the gate's question {altered} was altered: its columns are not those of its text"
    if (tree.size, tree.root().hex()) != (told["count"], told["root"]):
        return f"the gate's questions {told['first']} to {told['last']} are not those that were sealed"
    return ""


def _wrong_seal(event: int, told: dict[str, Any], rows: Iterator[tuple[Any, ...]]) -> str:
    sealed = (*(told[name] for name in ("first", "last", "count", "root")), event)
    return "" if list(rows) == [sealed] else f"the seal over the gate's questions from {told['first']} on was altered"


def _misplaced_seals() -> list[Problem]:
    """The first seal that no event tells of: what lies under it would never be sealed."""
    one = QuestionSeal.objects.exclude(event__action=Action.GATE_QUESTIONS_SEALED).order_by("event").first()
    if one is None:
        return []
    return [Problem(one.event_id, GATE_QUESTIONS, f"a seal names event {one.event_id}, which sealed no question")]


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
