"""An installed instance, for dossiers of what is on record."""

import pytest

from governance.accounts.models import Person
from tests.factories import founded


@pytest.fixture
def people(db, settings, tmp_path) -> dict[str, Person]:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    return founded()
