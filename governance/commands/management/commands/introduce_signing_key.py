"""`manage.py introduce_signing_key`: what leaves the instance is signed by another key from now on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from governance.actions.signing_keys import introduce_signing_key
from governance.audit import private_keys
from governance.audit.errors import Refused
from governance.release import signing
from governance.release.models import SigningKey


class Command(BaseCommand):
    help = (
        "Make a new key, tell the log of it, and put it in the place of the old one, which stays published. "
        f"With {signing.KEY_VARIABLE} set: tell the log of the key that is in there."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            introduced = _of_environment() if os.environ.get(signing.KEY_VARIABLE) else _of_file()
        except (Refused, OSError) as problem:
            raise CommandError(str(problem)) from problem
        self.stdout.write(f"Signed by {introduced} from now on.")


def _of_environment() -> str:
    return introduce_signing_key(signing.private_key().public_key()).key_id


def _of_file() -> str:
    """In steps each of which can be the last before a crash: run again, it goes on where it stopped."""
    path = Path(settings.COUNTERSIGN_SIGNING_KEY)
    following = path.with_suffix(".new")
    if not following.exists():
        private_keys.create(following)
    key = private_keys.load("", str(following), "new signing key").public_key()
    found = signing.key_id(key)
    if not SigningKey.objects.filter(key_id=found).exists():
        introduce_signing_key(key)
    following.replace(path)
    private_keys.sync_folder(path.parent)
    private_keys.forget()
    return found
