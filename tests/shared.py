"""Where the independently computed expected results lie, when they lie anywhere."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def shared_data(*parts: str) -> Path:
    """The folder or file below `shared/data` beside the checkout; skips the test where it is absent."""
    path = FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"test input {path} is absent: it does not ship with the project")
    return path
