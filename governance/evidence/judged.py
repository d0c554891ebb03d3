"""Which run of each kind counts. The one place that knows."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from governance.audit.prepared import Prepared
from governance.evidence.kinds import ChallengeKind
from governance.evidence.models import Evidence

_RUNS = Prepared(lambda candidate: Evidence.objects.filter(candidate=candidate).defer("content", "provenance"))


def judged(runs: Iterable[Evidence]) -> dict[str, Evidence]:
    """By kind, of one candidate's evidence: the first successful run of what was submitted; of challenge data the runs of
    the newest data set of which every kind succeeded."""
    found: dict[str, Evidence] = {}
    challenges: dict[int, dict[str, Evidence]] = {}
    for one in sorted(runs, key=lambda one: one.run):
        if one.kind in set(ChallengeKind):
            challenges.setdefault(one.run, {})[one.kind] = one
        else:
            found.setdefault(one.kind, one)
    whole = [kinds for _, kinds in sorted(challenges.items()) if len(kinds) == len(ChallengeKind)]
    return {**found, **(whole[-1] if whole else {})}


def judged_runs(candidate: UUID) -> dict[str, Evidence]:
    """By kind, without their texts."""
    return judged(_RUNS(candidate))


def judged_run(candidate: UUID, kind: str) -> Evidence | None:
    """The whole document that counts; None where there is none."""
    found = judged_runs(candidate).get(kind)
    return Evidence.objects.get(pk=found.pk) if found else None
