"""Whose account at the identity provider is whose here: by facts alone, never by an address or a name."""

from __future__ import annotations

from governance.accounts import identity_provider
from governance.accounts.models import Person, ProviderAccount
from governance.audit.canonical import canonical, digest


def account_of(person: Person) -> ProviderAccount | None:
    """The one that the person linked at the provider that is configured, and that did not end."""
    client = identity_provider.configured()
    if client is None:
        return None
    return ProviderAccount.objects.filter(person=person, issuer=client.issuer, ending=None).order_by("event_id").last()


def account_at(issuer: str, subject: str) -> ProviderAccount | None:
    """Whoever linked this account and did not end it. It belongs to one person for good, so there is one at most."""
    rows = ProviderAccount.objects.filter(issuer=issuer, subject=subject, ending=None)
    return rows.select_related("person").order_by("event_id").last()


def is_anothers(issuer: str, subject: str, person: Person) -> bool:
    """Whether anybody else ever linked it: one human being would have two accounts here (rule 2)."""
    return ProviderAccount.objects.filter(issuer=issuer, subject=subject).exclude(person=person).exists()


def has_credential(person: Person) -> bool:
    """Whether the person has set something to sign in with."""
    return person.has_usable_password() or account_of(person) is not None


def account_digest(issuer: str, subject: str) -> str:
    """How the log names an account: subjects of some providers are addresses."""
    return digest(canonical({"issuer": issuer, "subject": subject}))
