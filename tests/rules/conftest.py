"""What every rule's test stands on: an installed instance whose people have set their passwords."""

import pytest

from governance.accounts.models import Person
from tests.factories import founded


@pytest.fixture
def people(db, settings, tmp_path) -> dict[str, Person]:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    return founded()
