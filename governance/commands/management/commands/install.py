"""Names the first people and loads the shipped policies; prints each person's single-use link."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from governance.accounts.roles import Role
from governance.actions.install import FirstPerson, install
from governance.audit import checkpoint, private_keys
from governance.audit.errors import Refused
from governance.release import signing


class Command(BaseCommand):
    help = "Name the first people (JSON list of username, printed_name, email, roles) and load the shipped policies."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--people", type=Path, required=True)
        parser.add_argument("--policies", type=Path, default=settings.COUNTERSIGN_POLICY_FOLDER)

    def handle(self, *args: Any, **options: Any) -> None:
        _make_keys()
        people = [_person(entry) for entry in json.loads(options["people"].read_text())]
        try:
            secrets = install(people, options["policies"])
        except Refused as refused:
            raise CommandError(refused.detail) from refused
        links = [
            {"username": username, "link": f"{settings.COUNTERSIGN_URL}/accounts/first/{secret}/"}
            for username, secret in secrets.items()
        ]
        self.stdout.write(json.dumps({"people": links}, indent=1))


def _make_keys() -> None:
    """Of the log's checkpoints and of what leaves the instance; made once, outside the database (rule 5)."""
    for variable, path in (
        (checkpoint.KEY_VARIABLE, settings.COUNTERSIGN_CHECKPOINT_KEY),
        (signing.KEY_VARIABLE, settings.COUNTERSIGN_SIGNING_KEY),
    ):
        if not os.environ.get(variable) and not Path(path).exists():
            private_keys.create(Path(path))


def _person(entry: dict[str, Any]) -> FirstPerson:
    unknown = set(entry["roles"]) - {role.value for role in Role}
    if unknown:
        raise CommandError(f"{entry['username']}: no such role: {', '.join(sorted(unknown))}")
    return FirstPerson(entry["username"], entry["printed_name"], entry.get("email", ""), tuple(entry["roles"]))
