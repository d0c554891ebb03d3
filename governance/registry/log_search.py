"""What somebody who reads the log types into its search: a name, a model, a digest, a number, the id of a request."""

from __future__ import annotations

import json
import re

from django.db.models import Q, QuerySet

from governance.accounts.models import Person
from governance.audit.models import AuditEvent
from governance.registry.models import ModelRevision

MOST_PEOPLE = 100
NUMBER = re.compile(r"#?([0-9]{1,15})")
LEAF = re.compile(r"[0-9a-fA-F]{64}")
LEAST_OF_A_BODY = 8
"""Shorter words stand in every other event."""


def search(rows: QuerySet[AuditEvent], text: str) -> QuerySet[AuditEvent]:
    """Those of `rows` that the text may mean; what it could mean is asked all at once.

    A number: that event. A name or part of one: what the person did and what was done to the account, or events of the
    model. Eight characters or more: also whatever the event says, such as a digest, the beginning of one or an id. The
    64 digits of a leaf: the event with that hash.
    """
    wanted = _people(text) | _models(text)
    if number := NUMBER.fullmatch(text):
        wanted |= Q(seq=int(number[1]))
    if LEAF.fullmatch(text):
        wanted |= Q(leaf=bytes.fromhex(text))
    if len(text) >= LEAST_OF_A_BODY:
        wanted |= Q(body__icontains=json.dumps(text, ensure_ascii=False)[1:-1])
    return rows.filter(wanted)


def _people(text: str) -> Q:
    named = Person.objects.filter(Q(printed_name__icontains=text) | Q(username__icontains=text))
    ids = list(named.values_list("pk", flat=True)[:MOST_PEOPLE])
    return Q(actor_person__in=ids) | Q(subject_type="person", subject_id__in=[str(one) for one in ids])


def _models(text: str) -> Q:
    named = ModelRevision.objects.filter(name__icontains=text).values("model__slug")
    return Q(model_slug__icontains=text) | Q(model_slug__in=named)
