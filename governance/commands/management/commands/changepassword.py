"""Stands before the framework's own command of this name, which would pass by the actions and the log."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management.base import CommandError

WHY = (
    "Nobody sets somebody else's password: an administrator takes a lost one away in the administration of people and hands "
    "out a single-use link."
)


class Command(changepassword.Command):
    help = f"Refused. {WHY}"

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(WHY)
