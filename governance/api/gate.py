"""The deploy gate and what hangs on it. Nothing here turns an error into an allow."""

from __future__ import annotations

import logging
import re
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import Http404, QueryDict
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.gate_questions import record_question
from governance.api import scope, shapes
from governance.api.authentication import Credential, caller, require_scope
from governance.api.views import ApiView, problems
from governance.audit.errors import BadInput, Refused, fault
from governance.registry.manifest import DIGEST
from governance.release import gate
from governance.release.clock import decision_time

logger = logging.getLogger(__name__)

NOWHERE = " "
"""A slug that no model has and no event names: asking for it costs what asking for an unknown one costs."""
DENIALS_A_MINUTE = 600
PAST_A_MINUTE = 120
NONCE = re.compile(r"[A-Za-z0-9_-]{16,128}")
ENVIRONMENT = OpenApiParameter("environment", str, required=True, description="One of the instance's environments.")


def environment_of(request: Request) -> str:
    """The environment asked about. Raises BadInput: missing, or not on the instance's list."""
    known = settings.COUNTERSIGN_ENVIRONMENTS
    asked = request.query_params.get("environment")
    if not asked:
        detail = f"Name the environment: {', '.join(known)}."
        raise BadInput([fault("/environment", "required", detail)])
    require_environment("/environment", asked)
    return asked


def require_environment(pointer: str, name: str) -> None:
    known = settings.COUNTERSIGN_ENVIRONMENTS
    if name not in known:
        detail = f"{name[:60]!r} is no environment of this instance; there are {', '.join(known)}."
        raise BadInput([fault(pointer, "unknown-environment", detail)])


def _require_digest(pointer: str, value: str | None) -> None:
    if value is not None and not DIGEST.fullmatch(value):
        detail = f"{value[:80]!r} is no digest; write sha256: and 64 lower-case hexadecimal digits."
        raise BadInput([fault(pointer, "malformed-digest", detail)])


def _moment(asked: QueryDict) -> datetime | None:
    """The earlier moment that is asked about. Raises BadInput: no time, in the future, or asked with a nonce."""
    text = asked.get("as_of")
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
        moment = moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):  # its numbers are of no day, or of none that UTC has
        moment = None
    if moment is None:
        raise BadInput([fault("/as_of", "wrong-type", f"{text[:60]!r} is no time; write it as 2026-05-03T14:00:00Z.")])
    if moment > decision_time():
        raise BadInput([fault("/as_of", "in-the-future", "What will be answered then is not known yet.")])
    if "nonce" in asked:
        raise BadInput([fault("/nonce", "not-with-as-of", "An answer about the past lets nothing run and is not signed.")])
    return moment


def _require_nonce(value: str | None) -> None:
    if value is not None and not NONCE.fullmatch(value):
        detail = "A nonce is made of 16 to 128 letters, digits, - or _; make a new one for each question."
        raise BadInput([fault("/nonce", "malformed-nonce", detail)])


def _signed(document: dict[str, Any], at: datetime, asked: QueryDict) -> dict[str, Any]:
    further = {name: asked.get(name) for name in ("use", "manifest")}
    return gate.signed_document(document, nonce=str(asked["nonce"]), asked=further, at=at)


ANSWER = PolymorphicProxySerializer("GateReply", [shapes.GateAnswer, shapes.Envelope], resource_type_field_name=None)
"""Signed where the question came with a nonce."""


class Gate(ApiView):
    required_scopes = {"GET": ("gate", "read")}

    @extend_schema(
        operation_id="ask_gate",
        summary="May this very file run there now?",
        description="200 only if it may. 503 when the service cannot decide: then too `allowed` is false.",
        parameters=[
            ENVIRONMENT,
            OpenApiParameter("use", str, description="Asked for where the approval limits uses."),
            OpenApiParameter("manifest", str, description="Digest of the manifest that will be in force."),
            OpenApiParameter(
                "nonce", str, description="16 to 128 letters, digits, - or _: the same answer as a signed DSSE envelope."
            ),
            OpenApiParameter(
                "as_of", OpenApiTypes.DATETIME, description="Scope `read`: what would have been answered then. Lets nothing run."
            ),
        ],
        responses={
            200: ANSWER,
            403: ANSWER,
            429: ANSWER,
            503: shapes.GateAnswer,
            **{status: one for status, one in problems(400).items() if status[0] != 403},
        },
    )
    def get(self, request: Request, slug: str, digest: str) -> Response:
        environment = environment_of(request)
        asked = request.query_params
        _require_digest("/digest", digest)
        _require_digest("/manifest", asked.get("manifest"))
        _require_nonce(asked.get("nonce"))
        further = {"use": asked.get("use"), "manifest_digest": asked.get("manifest")}
        question = {"digest": digest, "environment": environment, **further}
        moment = _moment(asked)
        return self.of_now(request, slug, question) if moment is None else self.of_then(request, slug, question, moment)

    def of_now(self, request: Request, slug: str, question: dict[str, Any]) -> Response:
        by, asked = caller(request), request.query_params
        require_scope(by, "gate")
        covered = by.covers("gate", slug)
        answer = replace(gate.ask(model=slug if covered else NOWHERE, **question), model=slug)
        document = gate.document(answer, url=settings.COUNTERSIGN_URL)
        body = _signed(document, answer.checked_at, asked) if "nonce" in asked else document
        allowed = document["allowed"] is True and not document["reasons"]
        wait = 0 if allowed else _too_many_denials(by)
        if wait:
            return Response(body, status=429, headers={"Retry-After": str(wait)})
        status = 200 if allowed else 403
        _keep(answer, by, status, asked, covered=covered)
        return Response(body, status=status)

    def of_then(self, request: Request, slug: str, question: dict[str, Any], moment: datetime) -> Response:
        """Nothing may run on it: it is neither kept as a question nor counted as a denial."""
        by = caller(request)
        require_scope(by, "read")
        _require_seldom(by)
        visible = scope.models(by, "read").filter(slug=slug).exists()
        answer = replace(gate.ask(model=slug if visible else NOWHERE, **question, at=moment), model=slug)
        return Response(gate.document(answer, url=settings.COUNTERSIGN_URL), status=200 if answer.allowed else 403)

    def handle_exception(self, exc: Exception) -> Response:
        """Whatever keeps the gate from deciding is 503 and a no."""
        if isinstance(exc, APIException | Http404) or (isinstance(exc, Refused) and exc.status != 503):
            return super().handle_exception(exc)
        if not isinstance(exc, Refused):
            logger.error("the gate could not decide", exc_info=exc)
        return Response(_undecided(self.kwargs, self.request, exc), status=503, headers={"Retry-After": "5"})


def _undecided(where: dict[str, Any], request: Request, error: Exception) -> dict[str, Any]:
    reasons = (
        [{"code": error.code, "detail": error.detail, "who": error.who, "url": None}]
        if isinstance(error, Refused)
        else []
    )
    return {
        "allowed": False,
        "model": where["slug"],
        "digest": where["digest"],
        "environment": request.GET.get("environment", ""),
        "checked_at": None,
        "reasons": reasons,
        "approval": None,
        "candidate": None,
        "operating_point": None,
        "recheck_by": None,
        "checkpoint": None,
    }


def _keep(answer: gate.Answer, by: Credential, status: int, asked: QueryDict, *, covered: bool) -> None:
    """The question in its table, before it is answered. Raises DatabaseError.

    Only what the row tells is taken off the count: others may be refused meanwhile.
    """
    further = {name: asked.get(name) for name in ("use", "manifest", "nonce")}
    refused = max(cache.get(_uncounted(by), 0), 0)
    record_question(answer, token=by.token.pk, status=status, **further, covered=covered, refused_before=refused)
    if refused:
        with suppress(ValueError):  # the cache was emptied
            cache.decr(_uncounted(by), refused)


def _uncounted(by: Credential) -> str:
    return f"gate-denials-not-kept:{by.token.pk}"


def _too_many_denials(by: Credential) -> int:
    """Seconds to wait where this token was denied too often in this minute, else 0. Only ever asked of a denial.

    Those past the limit are counted, and the next question of the token that is kept tells how many they were.
    """
    if _in_this_minute("denials", by) <= DENIALS_A_MINUTE:
        return 0
    cache.add(_uncounted(by), 0, timeout=None)
    cache.incr(_uncounted(by))
    return 60 - int(time.time()) % 60


def _require_seldom(by: Credential) -> None:
    """Questions about the past cost more than those of now. Raises Refused `too-many-questions` (429)."""
    if _in_this_minute("past", by) > PAST_A_MINUTE:
        detail = f"A token asks about the past at most {PAST_A_MINUTE} times a minute; wait a minute."
        raise Refused("too-many-questions", detail, status=429)


def _in_this_minute(what: str, by: Credential) -> int:
    """How often this token did that in this minute, with this time."""
    key = f"gate-{what}:{by.token.pk}:{int(time.time()) // 60}"
    cache.add(key, 0, timeout=120)
    return cache.incr(key)


class RollbackTarget(ApiView):
    required_scopes = {"GET": "gate"}

    @extend_schema(
        operation_id="get_rollback_target",
        summary="The newest other version that the gate allows there now",
        parameters=[ENVIRONMENT],
        responses={200: shapes.GateAnswer, **problems(400, 404)},
    )
    def get(self, request: Request, slug: str) -> Response:
        environment = environment_of(request)
        one = scope.model_or_404(caller(request), "gate", slug)
        answer = gate.rollback_target(one.slug, environment)
        if answer is None:
            detail = f"No other version of {one.slug} may run in {environment} now."
            raise Refused("no-rollback-target", detail, status=404)
        return Response(gate.document(answer, url=settings.COUNTERSIGN_URL))
