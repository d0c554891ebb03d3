"""Rows that are never edited: the base class of every fact, and the triggers that make the database refuse.

Django rebuilds SQLite tables on most alterations and drops their triggers without a word. So they are not part of
migrations: `install_triggers` runs after every `migrate`, and `require_triggers` before the product starts.
"""

from __future__ import annotations

import uuid

from django.db import models

from governance.audit.models import AuditEvent


class Fact(models.Model):
    """A row that is written once, together with the audit event that tells of it, and never changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.ForeignKey(AuditEvent, models.PROTECT, related_name="+", db_column="event_seq")

    class Meta:
        abstract = True
