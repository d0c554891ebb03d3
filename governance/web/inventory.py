"""The inventory: the list of models, one model with its versions, a new entry, the tier."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from governance.accounts.models import Person
from governance.accounts.roles import FIRST_LINE, SECOND_LINE, Role
from governance.actions.models import confirm_tier, create_model, retire_model
from governance.actions.rooms import list_in_room
from governance.audit.clock import database_now
from governance.audit.errors import BadInput, Refused, fault
from governance.audit.queries import events
from governance.registry.inventory import confirmed_tiers, with_record
from governance.registry.models import TIERS, Candidate, Model, ModelRevision
from governance.registry.people import find_person
from governance.registry.visibility import room_listings, visible_models
from governance.release import gate
from governance.release.ledger import deployments
from governance.release.models import Deployment
from governance.release.queries import CandidateState, candidate_state, deployed_now
from governance.review.facts import RetirementFact
from governance.review.models import Finding
from governance.review.queries import CHANGES, finding_fact, inventory_gaps, retirement
from governance.web.base import PersonView, credentials_of, faults_of, model_or_404, text_of
from governance.web.pages import (
    ActForm,
    Crumb,
    EnvironmentRow,
    EventLine,
    Fact,
    Faults,
    Field,
    FieldForm,
    FieldRow,
    Link,
    ModelPage,
    ModelRow,
    ModelsPage,
    NewModelPage,
    Option,
    RoomPart,
    Shut,
    StateLabel,
    TierForm,
    VersionRow,
)
from reports.charts.verdicts import Verdict

STAGE_WORDS = {
    "intake": ("Being opened", "here"),
    "intake-failed": ("Could not be opened", "no"),
    "evidence": ("Evidence is being computed", "here"),
    "changes-requested": ("Changes requested", "wait"),
    "rejected": ("Rejected", "no"),
    "withdrawn": ("Withdrawn", "empty"),
}
APPROVAL_WORDS = {
    "active": ("Approved", "yes"),
    "not-begun": ("Approved, not begun", "wait"),
    "suspended": ("Suspended", "no"),
    "revoked": ("Revoked", "no"),
    "expired": ("Expired", "empty"),
    "superseded": ("Superseded", "empty"),
    "lapsed": ("Lapsed", "no"),
}
ICONS = {"yes": ("in", "v--in"), "no": ("out", "v--out"), "here": ("here", ""), "wait": ("later", ""), "empty": ("later", "")}


def state_label(state: CandidateState) -> StateLabel:
    """Where a candidate stands, in the page's words."""
    if state.overridden:
        return StateLabel("Emergency approval", "no")
    if state.approval_state:
        return StateLabel(*APPROVAL_WORDS[state.approval_state])
    if state.stage in STAGE_WORDS:
        return StateLabel(*STAGE_WORDS[state.stage])
    current = state.facts.progress.current
    return StateLabel(current.rule.title if current else state.stage, "wait")


def environments() -> tuple[str, ...]:
    return tuple(settings.COUNTERSIGN_ENVIRONMENTS)


def first_line(person: Person) -> bool:
    return bool(person.roles() & FIRST_LINE)


RETIRED = Shut("The model is retired; nothing is submitted to it any more.", "")
ONLY_SCIENTISTS = Shut("Only data scientists enter models and submit versions.", "")


class Models(PersonView):
    def get(self, request: HttpRequest) -> HttpResponse:
        rows = with_record(visible_models(self.person)).order_by("slug")
        confirmed = confirmed_tiers(rows)
        may = first_line(self.person)
        page = ModelsPage(
            rows=tuple(_row(model, confirmed.get(model.pk)) for model in rows),
            new=reverse("new_model") if may else "",
            new_shut=None if may else ONLY_SCIENTISTS,
        )
        return self.page("web/models.html", page)


def _row(model: Model, confirmed: str | None) -> ModelRow:
    record = model.current
    newest = model.candidates.select_related("model", "event").order_by("-version").first()
    state = candidate_state(newest, environments()) if newest else None
    live = [
        f"{name}: version {row.candidate.version}"
        for name in environments()
        if (row := deployed_now(model, name)) and row.candidate
    ]
    return ModelRow(
        name=record.name,
        href=reverse("model", args=[model.slug]),
        purpose=record.purpose,
        tier=confirmed or record.risk_tier,
        tier_note="" if confirmed else "proposed",
        owner=str(record.owner) if record.owner else "no owner",
        team=record.team,
        newest=f"Version {newest.version}" if newest else "No version yet",
        newest_href=reverse("candidate", args=[newest.pk]) if newest else "",
        state=state_label(state) if state else StateLabel("Entered", "empty"),
        live=", ".join(live) or "Nothing deployed",
    )


class NewModel(PersonView):
    FIELDS = ("name", "purpose", "team", "owner", "developers", "origin", "uses", "risk_tier")

    def get(self, request: HttpRequest) -> HttpResponse:
        if not first_line(self.person):
            raise Refused("role-required", ONLY_SCIENTISTS.why, who="data-scientist")
        return self._form({"risk_tier": "high", "owner": self.person.username})

    def post(self, request: HttpRequest) -> HttpResponse:
        given = text_of(request, *self.FIELDS)
        try:
            model = create_model(
                by=self.person, name=given["name"], purpose=given["purpose"], team=given["team"],
                owner=_person("owner", given["owner"]), origin=given["origin"], risk_tier=given["risk_tier"],
                developers=[one for line in given["developers"].splitlines() if (one := _person("developers", line))],
                uses=[line.strip() for line in given["uses"].splitlines() if line.strip()],
            )  # fmt: skip
        except Refused as refused:
            return self._form(given, faults_of(refused, "Not entered"), status=refused.status)
        messages.success(request, "The model is entered. Submit its first version next.")
        return redirect("model", slug=model.slug)

    def _form(self, given: dict[str, str], faults: Faults | None = None, status: int = 200) -> HttpResponse:
        def field(name: str, label: str, kind: str = "text", **more: object) -> Field:
            error = next((one for one in faults.errors if one.field == name), None) if faults else None
            return Field(name, label, kind, given.get(name, ""), error=error, **more)  # type: ignore[arg-type]

        tiers = tuple(Option(tier, tier.capitalize()) for tier in TIERS)
        rows = (
            FieldRow((field("name", "Name", required=True),)),
            FieldRow((field("purpose", "Purpose", "area", help="What it decides or estimates, and about whom."),)),
            FieldRow((field("team", "Team"), field("owner", "Owner", help="User name or e-mail address."))),
            FieldRow((field("developers", "Developers", "area", help="One user name a line. They sign nothing on it."),)),
            FieldRow((field("origin", "Origin"), field("risk_tier", "Risk tier you propose", "choice", options=tiers))),
            FieldRow((field("uses", "Uses", "area", help="One a line."),)),
        )
        crumbs = (Crumb("Models", reverse("models")), Crumb("New model"))
        return self.page("web/new_model.html", NewModelPage(reverse("new_model"), crumbs, rows, faults), status=status)


def _person(pointer: str, name: str) -> Person | None:
    if not name.strip():
        return None
    found = find_person(name)
    if found is None:
        raise BadInput([fault(f"/{pointer}", "unknown-person", f"{name.strip()!r} is nobody here, or several people.")])
    return found


class OneModel(PersonView):
    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        return self.page("web/model.html", model_page(model_or_404(self.person, slug), self.person))


class ConfirmTier(PersonView):
    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        model = model_or_404(self.person, slug)
        given = text_of(request, "tier", "reason")
        try:
            confirm_tier(model, by=self.person, **given, credentials=credentials_of(request))
        except Refused as refused:
            page = model_page(model, self.person, faults_of(refused, "Tier not confirmed"))
            return self.page("web/model.html", page, status=refused.status)
        messages.success(request, f"Tier {given['tier']} is confirmed.")
        return redirect("model", slug=slug)


class Room(PersonView):
    """Who from outside may read the model, and until when."""

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        model = model_or_404(self.person, slug)
        given = text_of(request, "reader", "until")
        try:
            person = _person("reader", given["reader"])
            if person is None:
                raise BadInput([fault("/reader", "required", "Name the regulator's user name or e-mail address.")])
            list_in_room(model, person=person, until=given["until"], by=self.person, credentials=credentials_of(request))
        except Refused as refused:
            page = model_page(model, self.person, room=_room(model, self.person, given, faults_of(refused, "Not recorded")))
            return self.page("web/model.html", page, status=refused.status)
        messages.success(request, f"{person} may read this model until the end of {given['until']}.")
        return redirect("model", slug=slug)


def _room(
    model: Model, viewer: Person, given: Mapping[str, str] | None = None, faults: Faults | None = None
) -> RoomPart | None:
    """Of interest where somebody from outside reads the model or this person can let somebody in."""
    readers = tuple(f"{one.person}, until {one.until:%-d %b %Y, %H:%M} UTC" for one in room_listings(model))
    may = bool(viewer.roles() & SECOND_LINE)
    given = given or {}

    def field(name: str, label: str, help_: str) -> Field:
        error = next((one for one in faults.errors if one.field == name), None) if faults else None
        return Field(name, label, value=given.get(name, ""), help=help_, required=True, error=error)

    form = FieldForm(
        action=reverse("model_room", args=[model.slug]),
        key="room",
        rows=(
            FieldRow((field("reader", "Regulator", "User name or e-mail address."),)),
            FieldRow((field("until", "May read until the end of", "As 2027-01-31, in UTC. A day that is over ends it."),)),
        ),
        button="Record",
        effect="A regulator reads this model’s record, versions, evidence and log, and no row of data. Signing needs a seat.",
        faults=faults,
    )
    return RoomPart(readers, form if may else None) if readers or may else None


class RetireModel(PersonView):
    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        model = model_or_404(self.person, slug)
        reason = request.POST.get("reason", "")
        try:
            retire_model(model, by=self.person, reason=reason, credentials=credentials_of(request))
        except Refused as refused:
            page = model_page(model, self.person, retire_faults=faults_of(refused, "Not retired"), retire_reason=reason)
            return self.page("web/model.html", page, status=refused.status)
        messages.success(request, "The model is retired. The gate’s next answer for each version is no.")
        return redirect("model", slug=slug)


def model_page(
    model: Model,
    viewer: Person,
    tier_faults: Faults | None = None,
    room: RoomPart | None = None,
    retire_faults: Faults | None = None,
    retire_reason: str = "",
) -> ModelPage:
    record = model.current
    retired = retirement(model)
    candidates = list(model.candidates.select_related("model", "event").order_by("-version"))
    states = {one.pk: candidate_state(one, environments()) for one in candidates}
    may = first_line(viewer)
    shut = RETIRED if retired else None if may else ONLY_SCIENTISTS
    confirmed = model.tier_confirmations.select_related("by", "event").order_by("-event_id").first()
    return ModelPage(
        name=record.name,
        purpose=record.purpose or "No purpose is recorded yet.",
        crumbs=(Crumb("Models", reverse("models")), Crumb(record.name)),
        facts=_facts(record, confirmed.tier if confirmed else None),
        asked_at=database_now(),
        environments=tuple(_environment(model, name) for name in environments()),
        versions=tuple(_version(one, states[one.pk]) for one in candidates),
        tier_sentence=(
            f"{confirmed.tier.capitalize()}, confirmed by {confirmed.by} on {confirmed.event.at:%-d %b %Y}: {confirmed.reason}"
            if confirmed
            else f"{record.risk_tier.capitalize()} is proposed. Until a validator confirms a tier, versions are reviewed as high."
        ),
        tier_form=_tier_form(model, record, viewer, tier_faults),
        findings=_open_findings(model),
        documents=tuple(
            Link(f"Dossier of version {one.version}", reverse("dossier_page", args=[one.pk])) for one in candidates[:3]
        ),
        activity=tuple(
            EventLine(event.at, event.action.replace(".", ": ").replace("-", " "))
            for event in events(model=model.slug)[:8]
        ),
        submit=reverse("submit", args=[model.slug]) if shut is None else "",
        submit_shut=shut,
        retired=_retired_words(retired) if retired else "",
        retire_form=_retire_form(model, viewer, retire_faults, retire_reason) if retired is None else None,
        retire_faults=retire_faults,
        missing=inventory_gaps(record),
        inventory=f"{reverse('audit')}?model={model.slug}",
        deployments=tuple(_deployment(one) for one in deployments(Model.objects.filter(pk=model.pk))[:5]),
        ledger=f"{reverse('deployments')}?model={model.slug}",
        room=room or _room(model, viewer),
    )


def _facts(record: ModelRevision, confirmed: str | None) -> tuple[Fact, ...]:
    developers = ", ".join(str(one.person) for one in record.developers.select_related("person"))
    return (
        Fact("Risk tier", (confirmed or record.risk_tier).capitalize(), "confirmed" if confirmed else "proposed"),
        Fact("Owner", str(record.owner) if record.owner else "Nobody"),
        Fact("Team", record.team or "Not recorded"),
        Fact("Developers", developers or "None named"),
        Fact("Uses", ", ".join(record.uses) or "Not limited"),
        Fact("Record", f"Revision {record.number}"),
    )


def _environment(model: Model, name: str) -> EnvironmentRow:
    row = deployed_now(model, name)
    if row is None or row.candidate is None:
        return EnvironmentRow(name, Verdict.NOT_APPLICABLE, "Nothing recorded", None, "", "No deployment was recorded here.")
    answer = gate.ask(model=model.slug, digest=row.digest, environment=name)
    question = f"{reverse('gate')}?model={model.slug}&digest={row.digest}&environment={name}"
    return EnvironmentRow(
        name=name,
        verdict=Verdict.WITHIN if answer.allowed else Verdict.OUTSIDE,
        word="May run" if answer.allowed else "May not run",
        version=Link(f"Version {row.candidate.version}", reverse("candidate", args=[row.candidate.pk])),
        digest=row.digest,
        detail=f"Deployed {row.deployed_at:%-d %b %Y, %H:%M} UTC."
        + ("" if answer.allowed else f" {answer.reasons[0].detail}"),
        gate=Link("What the gate says", question),
    )


def _deployment(one: Deployment) -> EventLine:
    which = f"Version {one.candidate.version}" if one.candidate else "A file that is no version"
    return EventLine(one.deployed_at, f"{which} in {one.environment}{'' if one.allowed_when_deployed else ', not allowed'}")


def _version(one: Candidate, state: CandidateState) -> VersionRow:
    label = state_label(state)
    icon, css = ICONS[label.kind]
    checks = [check.state for check in state.facts.review.checks]
    figures = tuple(
        (name, str(checks.count(word)))
        for name, word in (("outside", "fail"), ("to review", "warn"), ("within", "pass"))
        if checks.count(word)
    )
    return VersionRow(
        version=Link(f"Version {one.version}", reverse("candidate", args=[one.pk])),
        icon=icon,
        css=css,
        state=label,
        when=f"submitted {one.event.at:%-d %b %Y}",
        figures=figures,
        digest=one.artifact_digest,
        text=state.facts.review.summary,
    )


def _tier_form(model: Model, record: ModelRevision, viewer: Person, faults: Faults | None) -> TierForm | None:
    if Role.VALIDATOR not in viewer.roles():
        return None
    options = tuple(Option(tier, tier.capitalize()) for tier in TIERS)
    return TierForm(reverse("confirm_tier", args=[model.slug]), options, record.risk_tier, faults)


def _retired_words(retired: RetirementFact) -> str:
    return f"Retired by {retired.printed_name} on {retired.at:%-d %b %Y, %H:%M} UTC: {retired.reason}"


def _retire_form(model: Model, viewer: Person, faults: Faults | None, reason: str) -> ActForm | None:
    if not viewer.roles() & SECOND_LINE:
        return None
    return ActForm(
        action=reverse("retire_model", args=[model.slug]), verb="retire_model", summary="Retire the model",
        effect="For good: no version runs from now on, none is submitted, none is signed.", button="Retire for good",
        text=reason, faults=faults,
    )  # fmt: skip


def _open_findings(model: Model) -> tuple[Link, ...]:
    rows = Finding.objects.filter(model=model).select_related("event", "check_result", "candidate")
    rows = rows.prefetch_related(CHANGES)
    open_ = [(row, fact) for row in rows.order_by("-number") if (fact := finding_fact(row)).state in ("open", "answered")]
    return tuple(
        Link(
            fact.label,
            f"{reverse('candidate', args=[row.candidate_id])}#{fact.label.lower()}" if row.candidate_id else "",
            f"{fact.severity.capitalize()}{', blocks' if fact.blocks else ''}: {fact.title}",
        )
        for row, fact in open_[:12]
    )


