"""Reports for people who check: a list of them, each as a page, and each part of one as a file."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse

from governance.accounts.models import Person
from governance.accounts.roles import SECOND_LINE, TITLES, Role
from governance.audit.clock import database_now
from governance.audit.errors import Refused
from governance.web.base import PersonView
from governance.web.pages import Crumb, Link, ReportPage, ReportsPage, Tab
from governance.web.periods import Period, last_days
from governance.web.report import Report, Scope
from governance.web.report_access import ACCESS, ADMINISTRATORS
from governance.web.report_gate import GATE
from governance.web.report_overrides import OVERRIDES
from governance.web.tables import csv_answer

READERS = SECOND_LINE | {Role.AUDITOR}
REPORTS = {one.key: one for one in (ACCESS, ADMINISTRATORS, OVERRIDES, GATE)}
DAYS = 90


class ReportView(PersonView):
    """Raises Refused `role-required` for others than auditors and the second line."""

    def report(self, key: str) -> Report:
        self.require_reader()
        if key not in REPORTS:
            raise Http404("There is no such report.")
        return REPORTS[key]

    def require_reader(self) -> None:
        if not self.person.roles() & READERS:
            names = ", ".join(TITLES[role].lower() for role in Role if role in READERS)
            raise Refused("role-required", f"Reports are for: {names}.", who=names)

    def scope(self) -> Scope:
        """The days that are asked for; the last 90 where none are named."""
        now = database_now()
        given = {name: self.request.GET.get(name, "").strip()[:20] for name in ("from", "to")}
        named = Period(given["from"], given["to"])
        return Scope(self.person, named if named.first or named.last else last_days(now.date(), DAYS), now)


class Reports(ReportView):
    def get(self, request: HttpRequest) -> HttpResponse:
        self.require_reader()
        page = ReportsPage(
            tabs=tabs(self.person, "reports"),
            reports=tuple(Link(one.title, reverse("report", args=[one.key]), one.lead) for one in REPORTS.values()),
        )
        return self.page("web/reports.html", page)


class OneReport(ReportView):
    def get(self, request: HttpRequest, report: str) -> HttpResponse:
        one, scope = self.report(report), self.scope()
        valid = scope.period.valid
        query = urlencode({"from": scope.period.first, "to": scope.period.last})
        page = ReportPage(
            crumbs=(Crumb("Audit log", reverse("audit")), Crumb("Reports", reverse("reports")), Crumb(one.title)),
            title=one.title,
            lead=one.lead,
            action=reverse("report", args=[one.key]),
            fields=scope.period.fields(),
            made=scope.now,
            parts=tuple(part.listing(scope, one.key, query) for part in one.parts) if valid else (),
        )
        return self.page("web/report.html", page, status=200 if valid else 400)


class ReportFile(ReportView):
    """All of one part, as CSV."""

    def get(self, request: HttpRequest, report: str, part: str) -> HttpResponseBase:
        one, scope = self.report(report), self.scope()
        found = next((each for each in one.parts if each.key == part), None)
        if found is None or not scope.period.valid:
            raise Http404("There is no such part of the report, or no such days.")
        return csv_answer(f"{one.key}-{found.key}", found.columns, found.rows(found.find(scope), scope))


def tabs(person: Person, current: str) -> tuple[Tab, ...]:
    """The log and what is made of it; who may see no report is shown no tabs."""
    if not person.roles() & READERS:
        return ()
    return tuple(
        Tab(name, reverse(view), 0, current=view == current) for name, view in (("Log", "audit"), ("Reports", "reports"))
    )
