"""What every page shows around its matter: where one can go, and who one is."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from governance.accounts import identity_provider
from governance.accounts.reauthentication import asked_of
from governance.accounts.roles import TITLES, Role
from governance.web.inbox import number_for
from governance.web.pages import Navigation, NavigationEntry
from governance.web.people_page import READERS

_PLACES = (
    ("Inbox", "inbox", ("/inbox", "/candidates/")),
    ("Models", "models", ("/models/",)),
    ("Policies", "policies", ("/policies/",)),
    ("Gate", "gate", ("/gate/",)),
    ("Deployments", "deployments", ("/deployments/",)),
    ("Audit", "audit", ("/audit/",)),
    ("People", "people", ("/people/",)),
)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """`navigation`; `asks`: what forms ask for again, known once a form wants it; `provider`: the identity provider's name."""
    person = getattr(request, "user", None)
    if person is None or not person.is_authenticated:
        return {"navigation": Navigation(), "provider": identity_provider.name()}
    held = person.roles()
    titles = ", ".join(TITLES[role] for role in Role if role in held)
    entries = tuple(
        NavigationEntry(
            name,
            reverse(view),
            current=request.path == reverse(view) or request.path.startswith(below),
            count=number_for(person, held) if view == "inbox" else 0,
        )
        for name, view, below in _PLACES
        if view != "people" or held & READERS
    )
    asks = SimpleLazyObject(lambda: asked_of(person))
    return {"navigation": Navigation(str(person), titles, entries), "asks": asks, "provider": identity_provider.name()}
