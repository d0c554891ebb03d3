"""What is installed, remembered: a job's user may not be able to walk to the folder that says so."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import metadata
from os import PathLike
from pathlib import Path

ANY = metadata.DistributionFinder.Context()


class Remembered(metadata.Distribution):
    """One installed package, with the file that names it and its version."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read_text(self, filename: str | PathLike[str]) -> str | None:
        return self.text if str(filename) == "METADATA" else None

    def locate_file(self, path: str | PathLike[str]) -> Path:
        return Path(path)


class Memory(metadata.DistributionFinder):
    """Asked last, after the folders themselves."""

    def __init__(self, known: Iterable[metadata.Distribution]) -> None:
        self.texts = {normalized(one.name): one.read_text("METADATA") or "" for one in known}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """It knows packages, not modules."""

    def find_distributions(self, context: metadata.DistributionFinder.Context = ANY) -> Iterable[metadata.Distribution]:
        wanted = self.texts if context.name is None else {normalized(context.name)} & self.texts.keys()
        return [Remembered(self.texts[name]) for name in wanted]


def normalized(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def remember() -> None:
    """From now on versions can be asked for, whatever becomes of the right to read."""
    sys.meta_path.append(Memory(metadata.distributions()))
