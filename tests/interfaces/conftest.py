"""The founded organisation, with its own store of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests.interfaces.world import World, founded


@pytest.fixture
def blobs(settings: Settings, tmp_path: Path) -> Path:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    return tmp_path / "blobs"


@pytest.fixture
def world(db: None, blobs: Path) -> World:
    return founded(Client())


@pytest.fixture
def committed_world(committed_db: Any, blobs: Path) -> World:
    """The same in a database of its own, which several connections see."""
    return founded(Client())
