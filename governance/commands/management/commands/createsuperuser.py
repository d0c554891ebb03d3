"""Stands before the framework's own command of this name, which would pass by the actions and the log."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError

WHY = "There is no superuser: `manage.py install` names the first people, and roles are given on the pages."


class Command(createsuperuser.Command):
    help = f"Refused. {WHY}"

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(WHY)
