"""A product installed once, and copies of it to be killed."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from script.demonstration.world import train
from tests.faults.product import Product


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration's trained models."""
    folder = tmp_path_factory.mktemp("models")
    train(folder, {})
    return folder


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A stopped product on SQLite with people, tokens and a model: the mould of the others."""
    made = Product(tmp_path_factory.mktemp("furnished"))
    made.start()
    try:
        made.furnish()
    finally:
        made.end(signal.SIGTERM, seconds=30)
    return made


@pytest.fixture
def product(furnished: Product, tmp_path: Path) -> Iterator[Callable[[], Product]]:
    """Makes a running copy of the furnished product; ended after the test, if it was not ended by it."""
    made: list[Product] = []

    def make() -> Product:
        data = tmp_path / f"product-{len(made)}"
        shutil.copytree(furnished.data, data, ignore=shutil.ignore_patterns("*.sock"))
        one = Product(data)
        one.demo.passwords, one.demo.tokens = furnished.demo.passwords, furnished.demo.tokens
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.end(signal.SIGTERM, seconds=30)
