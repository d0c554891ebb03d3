"""The administration of people. Every change goes through the same actions as everywhere; the rest is read-only."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from governance.accounts.models import Person, RoleGrant, ServiceAccount, Token
from governance.accounts.roles import SIGNING, TITLES, Role
from governance.actions import people
from governance.audit.errors import Refused

admin.site.site_header = admin.site.site_title = "Countersign: people"
admin.site.index_title = "People and accounts"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]


def _no_password_change(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """The framework's own page would change a password without a word in the log."""
    detail = "A password is not changed here. Where yours is lost or known to others, another administrator takes it away."
    raise Refused("not-offered", detail, who="another administrator")


admin.site.password_change = _no_password_change  # type: ignore[method-assign,assignment]
admin.site.disable_action("delete_selected")


def administrator(request: HttpRequest) -> Person:
    """The person signed in; the admin lets nobody else in."""
    if not isinstance(request.user, Person):
        raise Refused("signed-out", "Sign in first.", status=401)
    return request.user


def attempt(page: Any, request: HttpRequest, person: Person, act: Any, *args: Any, **more: Any) -> Any:
    """The action's result, or None with its refusal shown."""
    try:
        result = act(*args, **more)
    except Refused as refused:
        page.message_user(request, f"{person}: {refused.detail}", messages.ERROR)
        return None
    page.message_user(request, f"{person}: done.", messages.SUCCESS)
    return result


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Facts are shown, never changed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _granting(role: Role) -> Any:
    @admin.action(description=f"Give the role: {TITLES[role]}")
    def grant(modeladmin: PersonAdmin, request: HttpRequest, queryset: QuerySet[Person]) -> None:
        for person in queryset:
            attempt(modeladmin, request, person, people.grant_role, person, role=role.value, by=administrator(request))

    grant.__name__ = f"grant_{role.name.lower()}"
    return grant


@admin.register(Person)
class PersonAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("printed_name", "username", "email", "is_active", "held")
    search_fields = ("printed_name", "username", "email")
    fields = ("username", "printed_name", "email", "reports_to")
    actions = (
        "issue_link",
        "reset_credential",
        "deactivate",
        *(_granting(role) for role in Role if role not in SIGNING),
    )

    @admin.display(description="Roles")
    def held(self, person: Person) -> str:
        return ", ".join(TITLES[Role(role)] for role in sorted(person.roles()))

    def get_readonly_fields(self, request: HttpRequest, obj: Person | None = None) -> tuple[str, ...]:
        return ("username",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Person | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:
        given = form.cleaned_data
        if change:
            people.change_person(
                obj, by=administrator(request), printed_name=given["printed_name"], email=given["email"],
                reports_to=given["reports_to"],
            )  # fmt: skip
            return
        made = people.add_person(
            by=administrator(request), username=given["username"], printed_name=given["printed_name"], email=given["email"]
        )
        obj.pk = made.pk
        obj._state.adding = False
        self.issue_link(request, Person.objects.filter(pk=made.pk))

    @admin.action(description="Make a single-use link for the first password")
    def issue_link(self, request: HttpRequest, queryset: QuerySet[Person]) -> None:
        for person in queryset:
            secret = attempt(self, request, person, people.issue_credential_link, person, by=administrator(request))
            self._hand_out(request, person, secret)

    def _hand_out(self, request: HttpRequest, person: Person, secret: str | None) -> None:
        if secret:
            link = settings.COUNTERSIGN_URL + reverse("first_credential", args=[secret])
            self.message_user(request, f"Hand this to {person}, it works once: {link}", messages.WARNING)

    @admin.action(description="Take a lost password away: ends sessions, makes a new link; no signing until confirmed")
    def reset_credential(self, request: HttpRequest, queryset: QuerySet[Person]) -> None:
        for person in queryset:
            secret = attempt(self, request, person, people.reset_credential, person, by=administrator(request))
            self._hand_out(request, person, secret)

    @admin.action(description="Deactivate: ends sessions, tokens and roles at once")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[Person]) -> None:
        for person in queryset:
            attempt(self, request, person, people.deactivate_person, person, by=administrator(request))


@admin.register(RoleGrant)
class RoleGrantAdmin(ReadOnly):
    list_display = ("person", "role", "proposed_by", "granted_by", "at_installation", "ended")
    list_select_related = ("person", "proposed_by", "granted_by", "ending")
    actions = ("end",)

    @admin.display(description="Ended", boolean=True)
    def ended(self, grant: RoleGrant) -> bool:
        return hasattr(grant, "ending")

    @admin.action(description="End the role at once")
    def end(self, request: HttpRequest, queryset: QuerySet[RoleGrant]) -> None:
        for grant in queryset.select_related("person"):
            attempt(self, request, grant.person, people.end_role, grant, by=administrator(request))


@admin.register(ServiceAccount)
class ServiceAccountAdmin(ReadOnly):
    list_display = ("name", "responsible", "created_by")


@admin.register(Token)
class TokenAdmin(ReadOnly):
    list_display = ("name", "person", "service_account", "scopes", "expires_at")
    exclude = ("secret_hash",)
