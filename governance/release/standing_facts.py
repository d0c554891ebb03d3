"""The facts of a file's approved candidates, kept by a process for as long as the log tells of nothing new about the model.

Every change of state appends an event in its own transaction (rule 5), and after an approval only recorded acts and the
clock decide. So facts that were loaded, and held against the log, when an event was the model's newest are those of now
while that very event still is: it is known by its hash, which no other event has.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from threading import Lock

from django.conf import settings

from governance.audit.errors import Refused
from governance.audit.queries import newest_about
from governance.registry.models import Candidate
from governance.release.facts import GateFacts
from governance.release.integrity import require_told
from governance.release.queries import gate_facts

MOST = 512
Standing = tuple[tuple[Candidate, GateFacts], ...]
_kept: OrderedDict[tuple[str, str], tuple[bytes, Standing]] = OrderedDict()
_lock = Lock()


def of(model: str, digest: str) -> Standing:
    """Candidates of that model with that file that have an approval, newest first, in no environment in particular.

    Empty where rows and log differ about one of them: who asks goes the long way then, which says so.
    """
    leaf = newest_about(model)
    if not leaf:
        return ()
    with _lock:
        newest, found = _kept.get((model, digest), (b"", ()))
    if newest == leaf:
        return found
    found = _loaded(model, digest)
    if found:
        _keep((model, digest), leaf, found)
    return found


def _loaded(model: str, digest: str) -> Standing:
    rows = Candidate.objects.filter(model__slug=model, gate_digest=digest).select_related("model", "event").order_by("-version")
    approved = list(rows.exclude(approval=None, emergency=None))
    if not approved:
        return ()
    found = tuple((row, gate_facts(row, settings.COUNTERSIGN_ENVIRONMENTS[0])) for row in approved)
    with suppress(Refused):
        require_told(list(rows))
        return found
    return ()


def _keep(key: tuple[str, str], leaf: bytes, found: Standing) -> None:
    with _lock:
        _kept[key] = (leaf, found)
        _kept.move_to_end(key)
        while len(_kept) > MOST:
            _kept.popitem(last=False)
