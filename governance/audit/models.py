"""The tables of the log.

An event is inserted only at `seq = head.size`, the head grows by exactly one with it, and nothing else ever
changes: the triggers of `immutable.py` hold this in the database, on both engines.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

SUBTREE_LEVELS = 8


class AuditEvent(models.Model):
    """One event. `body` is what was hashed, byte for byte; the other columns only repeat parts of it for search.

    `seq` counts from 0, as leaves of an RFC 6962 tree do; `leaf` is SHA-256(0x00 ‖ body).
    """

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=64, db_index=True)
    body = models.TextField()
    leaf = models.BinaryField(max_length=32)
    actor_person = models.UUIDField(null=True, db_index=True)
    model_slug = models.CharField(max_length=80, default="", db_index=True)
    candidate = models.UUIDField(null=True, db_index=True)
    subject_type = models.CharField(max_length=64)
    subject_id = models.CharField(max_length=128)

    class Meta:
        db_table = "audit_event"
        constraints = [models.CheckConstraint(condition=Q(seq__gte=0), name="audit_event_counts_from_0")]
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="audit_event_subject")]

    def __str__(self) -> str:
        return f"{self.seq} {self.action}"


class AuditHead(models.Model):
    """The single row that every append locks: how many events there are, and the signed root over them.

    `range_before` holds the hashes of the perfect subtrees over all events but the last (32 bytes each, largest
    first); they are at the same time the last event's audit path, so that the note, the last event and the rest
    of the tree can be held against each other without reading the log. `note` is the C2SP checkpoint of `size`;
    empty only while the log is.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    range_before = models.BinaryField(default=bytes)
    note = models.TextField(default="")

    class Meta:
        db_table = "audit_head"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="audit_head_single_row"),
            models.CheckConstraint(condition=Q(size__gte=0), name="audit_head_size"),
        ]

    def __str__(self) -> str:
        return f"{self.size} events"


class AuditSubtree(models.Model):
    """Hash of a perfect subtree of 2^level events, so that proofs read hundreds of rows and not a million.

    `level` is a multiple of SUBTREE_LEVELS; `position` counts subtrees of that level from the left. Written with the
    last of its events; the verifier computes it again.
    """

    level = models.SmallIntegerField()
    position = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        db_table = "audit_subtree"
        constraints = [models.UniqueConstraint(fields=["level", "position"], name="audit_subtree_once")]

    def __str__(self) -> str:
        return f"level {self.level}, position {self.position}"


class AuditCheckpoint(models.Model):
    """A signed root that was kept: what is published, and what a later log must still contain."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "audit_checkpoint"
        constraints = [models.CheckConstraint(condition=Q(size__gte=1), name="audit_checkpoint_not_empty")]

    def __str__(self) -> str:
        return f"checkpoint of {self.size} events"


class AuditAlarm(models.Model):
    """What a full verification found wrong. While one stands, the log takes no event, nobody signs, the gate answers 503.

    It cannot be an event, since the log that would hold it is the one that does not verify.
    """

    at = models.DateTimeField()
    event = models.BigIntegerField()
    code = models.CharField(max_length=40)
    detail = models.TextField()

    class Meta:
        db_table = "audit_alarm"

    def __str__(self) -> str:
        return f"event {self.event}: {self.code}"


class AuditPublication(models.Model):
    """One attempt to put the checkpoint of `size` events outside: what went wrong, or nothing did."""

    at = models.DateTimeField()
    destination = models.CharField(max_length=10)
    size = models.BigIntegerField()
    failure = models.TextField(blank=True)

    class Meta:
        db_table = "audit_publication"
        indexes = [models.Index(fields=["destination", "id"], name="audit_publication_newest")]

    def __str__(self) -> str:
        return f"{self.destination}: {self.size} events{f', {self.failure}' if self.failure else ''}"
