"""Having evidence computed again (rule 8). It records nothing, but takes workers their time, so it is rationed."""

from __future__ import annotations

import time

from django.db import transaction

from governance.accounts.models import Token
from governance.audit.errors import Refused
from governance.audit.locking import locked
from governance.evidence import reproductions
from governance.evidence.judged import judged_runs
from governance.evidence.reproductions import BrokerAway, Reproduction
from governance.registry.models import Candidate

ORDERS_AN_HOUR = 20


@transaction.atomic
def order_reproduction(candidate: Candidate, *, token: Token, kind: str | None) -> Reproduction:
    """Order all kinds that count, or one. One order at a time for a candidate, twenty an hour for a token.

    Raises Refused: `not-computed`, `reproduction-running`, `too-many-reproductions`, `workers-away`.
    """
    candidate = locked(candidate)  # two orders at once: one sees the other
    computed = sorted(judged_runs(candidate.pk))
    kinds = tuple(one for one in computed if kind in (None, one))
    if not kinds:
        detail = f"There is nothing to compute again; computed so far: {', '.join(computed) or 'nothing'}."
        raise Refused("not-computed", detail, status=409)
    try:
        running = reproductions.newest(candidate.pk)
        if running is not None and not reproductions.is_done(reproductions.results(running)):
            detail = f"The reproduction {running.id} of this candidate is still running; ask for its results."
            raise Refused("reproduction-running", detail, status=409)
        if reproductions.count_order(token.pk, int(time.time()) // 3600) > ORDERS_AN_HOUR:
            detail = f"This token has ordered {ORDERS_AN_HOUR} reproductions in this hour; go on in the next."
            raise Refused("too-many-reproductions", detail, status=429)
        return reproductions.begin(candidate.pk, kinds)
    except BrokerAway as problem:
        raise Refused("workers-away", "No worker can be reached now; ask again in a while.", status=503) from problem
