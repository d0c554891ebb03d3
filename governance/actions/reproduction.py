"""Having evidence computed again (rule 8). It records nothing, but takes workers their time, so it is rationed."""

from __future__ import annotations

import time

from governance.accounts.models import Token
from governance.audit.errors import Refused
from governance.evidence import reproductions
from governance.evidence.judged import judged_runs
from governance.evidence.reproductions import BrokerAway, Reproduction
from governance.registry.models import Candidate

ORDERS_AN_HOUR = 20


def order_reproduction(candidate: Candidate, *, kind: str | None, token: Token | None = None) -> Reproduction:
    """Order all kinds that count, or one. One order at a time for a candidate, twenty an hour for a token.

    Without a token it is whoever administers the host.

    Raises Refused: `not-computed`, `reproduction-running`, `too-many-reproductions`, `workers-away`.
    """
    computed = sorted(judged_runs(candidate.pk))
    kinds = tuple(one for one in computed if kind in (None, one))
    if not kinds:
        detail = f"There is nothing to compute again; computed so far: {', '.join(computed) or 'nothing'}."
        raise Refused("not-computed", detail, status=409)
    try:
        return _ordered(candidate, token, kinds)
    except BrokerAway as problem:
        raise Refused("workers-away", "No worker can be reached now; ask again in a while.", status=503) from problem


def _ordered(candidate: Candidate, token: Token | None, kinds: tuple[str, ...]) -> Reproduction:
    running = reproductions.newest(candidate.pk)
    if running is not None and not reproductions.is_done(reproductions.results(running)):
        raise _still_running(running)
    if token is not None and reproductions.count_order(token.pk, int(time.time()) // 3600) > ORDERS_AN_HOUR:
        detail = f"This token has ordered {ORDERS_AN_HOUR} reproductions in this hour; go on in the next."
        raise Refused("too-many-reproductions", detail, status=429)
    begun = reproductions.begin(candidate.pk, kinds, after=running)
    if begun is None:
        raise _still_running(reproductions.newest(candidate.pk))
    return begun


def _still_running(one: Reproduction | None) -> Refused:
    name = one.id if one else "that came in just now"
    detail = f"The reproduction {name} of this candidate is still running; ask for its results."
    return Refused("reproduction-running", detail, status=409)
