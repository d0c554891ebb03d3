"""Accounts and tokens for programs. A token opens the API for its scopes; none can sign."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.db import transaction

from governance.accounts.models import Person, ServiceAccount, Token, TokenRevocation
from governance.actions._common import acting
from governance.audit import log
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.events import Action
from governance.audit.log import Subject

SCOPES = ("submit", "gate", "deploy", "monitor", "read")
PREFIX = "csn_"


@transaction.atomic
def create_service_account(*, by: Person, name: str, responsible: Person) -> ServiceAccount:
    if not responsible.is_active:
        raise Refused("inactive", "The responsible person was deactivated.")
    if ServiceAccount.objects.filter(name=name).exists():
        raise BadInput([fault("/name", "taken", f"There is a service account {name!r} already.")])
    event = log.append(
        Action.SERVICE_ACCOUNT_ADDED, actor=acting(by), subject=Subject("service-account", name),
        data={"responsible": str(responsible.pk)},
    )  # fmt: skip
    return ServiceAccount.objects.create(name=name, responsible=responsible, created_by=by, event=event)


@transaction.atomic
def create_token(
    *,
    by: Person,
    name: str,
    scopes: list[dict[str, Any]],
    service_account: ServiceAccount | None = None,
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """A token of `by`, or of a service account that `by` answers for, and its secret, shown this once.

    `scopes` is a list of `{"scope": …, "models": [slugs] or null}`.
    """
    unknown = [one["scope"] for one in scopes if one["scope"] not in SCOPES]
    if unknown or not scopes:
        raise BadInput([fault("/scopes", "unknown-scope", f"Scopes are {', '.join(SCOPES)}; got {unknown}.")])
    if not by.is_active:
        raise Refused("inactive", f"{by} was deactivated.", status=409)
    if service_account is not None and service_account.responsible_id != by.pk:
        raise Refused("not-responsible", f"Only {service_account.responsible} answers for {service_account}.")
    secret = PREFIX + secrets.token_urlsafe(32)
    event = log.append(
        Action.TOKEN_CREATED, actor=acting(by, service_account), subject=Subject("token", name),
        data={"scopes": [one["scope"] for one in scopes]},
    )  # fmt: skip
    token = Token.objects.create(
        name=name,
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        person=None if service_account else by,
        service_account=service_account,
        scopes=[{"scope": one["scope"], "models": one.get("models")} for one in scopes],
        created_by=by,
        expires_at=expires_at,
        event=event,
    )
    return token, secret


@transaction.atomic
def revoke_token(token: Token, *, by: Person) -> TokenRevocation:
    if by.pk not in (token.created_by_id, token.answers.pk) and not by.is_staff:
        raise Refused("not-yours", "Only its creator, the person it answers to or an administrator revokes a token.")
    event = log.append(Action.TOKEN_REVOKED, actor=acting(by), subject=Subject("token", str(token.pk)))
    return TokenRevocation.objects.create(token=token, by=by, event=event)
