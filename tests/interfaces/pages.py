"""A browser without script: sessions, the forms of a page, and what they hold."""

from __future__ import annotations

import html.parser
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from governance.accounts.models import Person
from governance.registry.models import Candidate
from tests.factories import PASSWORD

REASON = "Evidence read; within policy."


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(html.parser.HTMLParser):
    """The forms of a page with what they would send untouched, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.open: Form | None = None
        self.area = ""
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            assert self.open is None, "a form within a form: browsers drop the inner one"
            self.open = Form(given.get("action") or "")
            self.forms.append(self.open)
        name = given.get("name")
        if self.open is None or not name:
            return
        if tag == "textarea":
            self.area = name
            self.open.fields[name] = ""
        elif tag in ("input", "select") and (given.get("type") not in ("radio", "checkbox") or "checked" in given):
            self.open.fields[name] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.area and self.open:
            self.open.fields[self.area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = None
        if tag == "textarea":
            self.area = ""

    def form(self, ending: str, **hidden: str) -> Form | None:
        """The first form whose action ends so and whose fields are these."""
        return next(
            (one for one in self.forms if one.action.endswith(ending) and hidden.items() <= one.fields.items()), None
        )

    def says(self, words: str) -> bool:
        return words in " ".join(" ".join(self.text).split())


class Browser:
    """Somebody signed in, with cookies of their own; CSRF is enforced as in production."""

    def __init__(self, person: Person | None, *, csrf: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=csrf)
        self.person = person
        if person is not None:
            self.client.force_login(person)

    def page(self, path: str, status: int = 200) -> Page:
        answer = self.client.get(path)
        assert answer.status_code == status, (path, answer.status_code)
        return Page(answer.content.decode())

    def decision(self, candidate: Candidate) -> Page:
        return self.page(address(candidate))

    def sign_form(self, candidate: Candidate) -> dict[str, str] | None:
        """What this person would send to approve, untouched but for the choice, the reason and the password."""
        form = self.decision(candidate).form("/sign/")
        return {**form.fields, "outcome": "approve", "reason": REASON, "password": PASSWORD} if form else None

    def post(self, candidate: Candidate, verb: str, data: dict[str, Any]) -> Any:
        return self.client.post(address(candidate, verb), data)

    def signs(self, candidate: Candidate, **changed: str) -> Any:
        form = self.sign_form(candidate)
        assert form is not None, f"{self.person} is offered no form"
        return self.post(candidate, "sign", {**form, **changed})


def address(candidate: Candidate, verb: str = "") -> str:
    return f"/candidates/{candidate.pk}/" + (f"{verb}/" if verb else "")
