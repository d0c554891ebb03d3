"""Issues a token in a person's name, for the person or a service account that the person answers for."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.accounts.models import Person, ServiceAccount
from governance.actions.tokens import create_service_account, create_token
from governance.audit.errors import Refused


class Command(BaseCommand):
    help = "Print a new token of a person, or of a service account that the person answers for. It is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="username", required=True)
        parser.add_argument("--name", required=True)
        parser.add_argument("--scopes", required=True, help="submit,gate,deploy,monitor,read")
        parser.add_argument("--service-account", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            person = Person.objects.get(username=options["username"])
            account = _account(options["service_account"], person) if options["service_account"] else None
            scopes = [{"scope": scope, "models": None} for scope in options["scopes"].split(",")]
            _, secret = create_token(by=person, name=options["name"], scopes=scopes, service_account=account)
        except Person.DoesNotExist as error:
            raise CommandError(f"There is nobody with the user name {options['username']!r}.") from error
        except Refused as refused:
            raise CommandError(refused.detail) from refused
        self.stdout.write(secret)


def _account(name: str, person: Person) -> ServiceAccount:
    return ServiceAccount.objects.filter(name=name).first() or create_service_account(
        by=person, name=name, responsible=person
    )
