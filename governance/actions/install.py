"""The installation: the first policies and the first people, once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from governance.accounts.models import RoleGrant
from governance.accounts.roles import SIGNING
from governance.actions._common import INSTALLATION
from governance.actions.people import add_person, grant_role, issue_credential_link
from governance.actions.signing_keys import introduce_signing_key
from governance.audit import log
from governance.audit.canonical import canonical_document, digest
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.log import Subject
from governance.policy.language import check_document
from governance.policy.models import PolicyVersion
from governance.release import signing


@dataclass(frozen=True)
class FirstPerson:
    username: str
    printed_name: str
    email: str
    roles: tuple[str, ...]


@transaction.atomic
def install(people: list[FirstPerson], policies: Path) -> dict[str, str]:
    """Names the first people without two grantors, and loads the shipped policies.

    Returns the secret of each person's single-use link by user name. Raises Refused once a signing role exists, UnusableKey.
    """
    if RoleGrant.objects.filter(role__in=SIGNING).exists():
        raise Refused("installed", "Signing roles exist already; further ones take two people.", who="two people")
    for path in sorted(policies.glob("*.json")):
        load_policy(path)
    introduce_signing_key(signing.private_key().public_key(), actor=INSTALLATION)
    secrets = {}
    for one in people:
        person = add_person(by=None, username=one.username, printed_name=one.printed_name, email=one.email)
        for role in one.roles:
            grant_role(person, role=role, by=None)
        secrets[one.username] = issue_credential_link(person, by=None)
    log.append(Action.INSTALLED, actor=INSTALLATION, subject=Subject("instance", "1"), data={"people": len(people)})
    return secrets


@transaction.atomic
def load_policy(path: Path) -> PolicyVersion:
    """A shipped policy, published by the installation and marked so (rule 6)."""
    document = json.loads(path.read_text())
    check_document(document)
    canonical = canonical_document(document)
    event = log.append(
        Action.POLICY_LOADED, actor=INSTALLATION, subject=Subject("policy", f"{document['name']} {document['version']}"),
        data={"digest": digest(canonical), "origin": "as shipped"},
    )  # fmt: skip
    return PolicyVersion.objects.create(
        name=document["name"],
        version=document["version"],
        document=canonical.decode(),
        digest=digest(canonical),
        origin="as shipped",
        event=event,
    )
