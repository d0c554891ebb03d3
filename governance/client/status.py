"""`countersign status`: where a candidate stands; with --wait, asked again until there is an answer."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable
from typing import Any

from governance.client.outcome import NO, YES, Case, CouldNotAsk, Told
from governance.client.progress import Progress
from governance.client.server import Reply, Server
from governance.client.words import json_text, objects, plain, told

FIRST_PAUSE, LONGEST_PAUSE, SLOWER = 2.0, 30.0, 1.5
LATER = (429, 500, 502, 503, 504)
OVER = ("intake-failed", "rejected", "withdrawn")
ENDED = (*OVER, "changes-requested")
STANDING = ("active", "not-begun")
Body = dict[str, Any]


def run(server: Server, candidate: str, *, wait: str | None, timeout: float, as_json: bool) -> Told:
    """One look, or the first at which there is an answer. Raises CouldNotAsk where there is none in time."""
    path = f"/api/v1/candidates/{urllib.parse.quote(candidate, safe='')}/"
    if wait is None:
        body, code = _body(server.get(path)), YES
    else:
        code_of = WAITED_FOR[wait]
        body = waited(lambda: server.get(path), lambda one: code_of(one) is not None, _brief, timeout=timeout)
        code = code_of(body) or YES
    return Told(code, [json_text(body)] if as_json else _words(body), _cases(body, wait))


def waited(ask: Callable[[], Reply], done: Callable[[Body], bool], brief: Callable[[Body], str], *, timeout: float) -> Body:
    """Ask until it is done, ever less often, and never sooner than the server wants. Raises CouldNotAsk.

    A server that does not answer, or is busy, is asked again; one that refuses is not.
    """
    progress, pause, until = Progress(), FIRST_PAUSE, time.monotonic() + timeout
    while True:
        wish, last = 0.0, "it is not done"
        try:
            reply = ask()
        except CouldNotAsk as problem:
            last = str(problem)
        else:
            if reply.status not in LATER:
                body = _body(reply)
                progress.show(brief(body), last=done(body))
                if done(body):
                    return body
                last = brief(body)
            else:
                wish, last = reply.retry_after or 0.0, f"the server answered {reply.status}: {told(reply.body)}"
        rest = max(pause, wish)
        if time.monotonic() + rest > until:
            raise CouldNotAsk(f"There was no answer within {timeout:.0f} s: {last}. Ask again, or give more with --wait-seconds.")
        time.sleep(rest)
        pause = min(pause * SLOWER, LONGEST_PAUSE)


def _body(reply: Reply) -> Body:
    if reply.status not in (200, 202):
        raise CouldNotAsk(f"The server answered {reply.status}: {told(reply.body)}")
    return reply.body


def _evidence_code(body: Body) -> int | None:
    """None while any is still to come. NO where one failed, or a check did."""
    if body.get("stage") in OVER:
        return NO
    evidence = objects(body.get("evidence"))
    if body.get("stage") == "intake" or not evidence or any(one.get("state") not in ("succeeded", "failed") for one in evidence):
        return None
    failed = [one for one in evidence if one["state"] == "failed"] + _failing(body)
    return NO if failed else YES


def _decision_code(body: Body) -> int | None:
    if body.get("stage") in ENDED:
        return NO
    if body.get("stage") != "approved":
        return None
    approval = body.get("approval")
    return YES if isinstance(approval, dict) and approval.get("state") in STANDING else NO


WAITED_FOR = {"evidence": _evidence_code, "decision": _decision_code}


def _failing(body: Body) -> list[Body]:
    return [one for one in objects(body.get("checks")) if one.get("state") in ("fail", "error")]


def _brief(body: Body) -> str:
    evidence = objects(body.get("evidence"))
    done = sum(1 for one in evidence if one.get("state") in ("succeeded", "failed"))
    running = ", ".join(f"{plain(one.get('kind'))} {_share(one)}" for one in evidence if one.get("state") == "running")
    return f"{plain(body.get('stage'))}: {done} of {len(evidence)} evidence documents" + (f"; {running}" if running else "")


def _share(one: Body) -> str:
    progress = one.get("progress")
    return f"{progress:.0%}" if isinstance(progress, int | float) else "running"


def _words(body: Body) -> list[str]:
    lines = [f"{plain(body.get('stage')).upper()}  {plain(body.get('model'))} version {plain(body.get('version'))}"]
    lines += [f"  {one}" for one in _error_lines(body)]
    for one in objects(body.get("evidence")):
        share = f" {_share(one)}" if one.get("state") == "running" else ""
        lines.append(f"  evidence  {plain(one.get('kind'))}: {plain(one.get('state'))}{share}{_error(one)}")
    lines += [f"  check     {_check(one)}" for one in _failing(body)]
    lines += [f"  finding   {_finding(one)}" for one in _open_findings(body)]
    for one in objects(body.get("signatures")):
        counts = "" if one.get("counts") else " (does not count)"
        name = plain(f"{one.get('printed_name')}, {one.get('role')}: {one.get('outcome')} at {one.get('stage')}")
        lines.append(f"  signed    {name}{counts}")
    for one in objects(body.get("reasons")):
        where = ", ".join(map(str, one.get("environments") or []))
        lines.append(plain(f"  kept from {where} by {one.get('code')}: {one.get('detail')} ({one.get('who')})"))
    approval = body.get("approval")
    if isinstance(approval, dict):
        lines.append(f"  approval  {plain(approval.get('state'))} until {plain(approval.get('valid_until'))}")
    return lines


def _error_lines(body: Body) -> list[str]:
    return [
        plain(f"{one.get('pointer')}  {one.get('code')}: {one.get('detail')}") for one in objects(body.get("errors"))
    ]


def _error(one: Body) -> str:
    error = one.get("error")
    return f": {plain(error.get('code'))}: {plain(error.get('detail'))}" if isinstance(error, dict) else ""


def _check(one: Body) -> str:
    figures = f"value {_figure(one.get('value'))}; limit {_figure(one.get('limit'))}"
    return plain(f"{one.get('key')}: {one.get('state')}: {one.get('title')} ({figures})")


def _figure(value: Any) -> str:
    """A figure with its interval, or a limit with its name, without braces."""
    return ", ".join(f"{name} {one}" for name, one in value.items()) if isinstance(value, dict) else str(value)


def _open_findings(body: Body) -> list[Body]:
    return [one for one in objects(body.get("findings")) if one.get("state") in ("open", "answered")]


def _finding(one: Body) -> str:
    blocks = ", blocks" if one.get("blocking") else ""
    return plain(f"{one.get('label')}: {one.get('severity')}{blocks}: {one.get('title')}")


def _cases(body: Body, wait: str | None) -> tuple[Case, ...]:
    """Evidence and checks one by one; the decision as well where that was waited for."""
    cases = [
        Case(f"evidence {plain(one.get('kind'))}", (f"failed{_error(one)}",) if one.get("state") == "failed" else ())
        for one in objects(body.get("evidence"))
    ]
    cases += [
        Case(f"check {plain(one.get('key'))}", (_check(one),) if one in _failing(body) else ())
        for one in objects(body.get("checks"))
    ]
    against = [f"the candidate is {plain(body.get('stage'))}"] if body.get("stage") in ENDED else []
    if wait == "decision" and not against and _decision_code(body) == NO:
        against = ["its approval no longer stands"]
    cases.append(Case("decision", (*against, *_error_lines(body)) if against else ()))
    return tuple(cases)
