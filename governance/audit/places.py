"""Where the settings have checkpoints go."""

from __future__ import annotations

from django.conf import settings

from governance.audit.published import Folder, Place

FOLDER, BUCKET, MAIL = "folder", "bucket", "mail"


def places() -> dict[str, Place]:
    """Where they are put and read again, by the name under which attempts are kept."""
    folder, bucket = settings.COUNTERSIGN_CHECKPOINT_FOLDER, settings.COUNTERSIGN_CHECKPOINT_BUCKET
    given = {FOLDER: Folder(folder) if folder is not None else None, BUCKET: bucket}
    return {name: place for name, place in given.items() if place is not None}
