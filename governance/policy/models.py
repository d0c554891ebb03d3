"""Policy versions: the rules a candidate is judged by."""

import json
from functools import cached_property
from typing import Any

from django.db import models

from governance.accounts.models import Person
from governance.audit.immutable import Fact
from governance.registry.models import DIGEST, TIERS, Candidate


class PolicyVersion(Fact):
    """One published text of a policy; its document never changes, a new version follows it."""

    name = models.SlugField(max_length=80)
    version = models.PositiveIntegerField()
    document = models.TextField()
    digest = models.CharField(max_length=DIGEST)
    origin = models.CharField(max_length=20)
    published_by = models.ForeignKey(Person, models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="policy_version_number")]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @cached_property
    def rules(self) -> dict[str, Any]:
        return json.loads(self.document)


class PolicyPin(Fact):
    """Under which policy version and tier a candidate is judged; the highest number holds."""

    candidate = models.ForeignKey(Candidate, models.PROTECT, related_name="pins")
    number = models.PositiveIntegerField()
    policy = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="pins")
    tier = models.CharField(max_length=10)
    cause = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["candidate", "number"], name="policy_pin_number"),
            models.CheckConstraint(condition=models.Q(tier__in=TIERS), name="policy_pin_known_tier"),
        ]
