"""An installed instance, for dossiers of what is on record."""

import pytest

from governance.accounts.models import Person
from tests.factories import founded


@pytest.fixture
def people(db, settings, tmp_path) -> dict[str, Person]:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return founded()
