"""The store: names come from content alone, bytes are whole before they have a name, nothing is left behind."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from governance.registry import storage


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.COUNTERSIGN_BLOBS = tmp_path / "blobs"
    return tmp_path / "blobs"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def test_what_is_put_is_found_by_its_digest(folder: Path) -> None:
    stored = storage.put(io.BytesIO(b"bytes"))
    assert stored == storage.Stored(digest_of(b"bytes"), 5)
    assert storage.exists(stored.digest)
    with storage.open_blob(stored.digest) as file:
        assert file.read() == b"bytes"
    assert list((folder / "incoming").iterdir()) == []


def test_a_stored_file_is_read_only_and_closed_to_others() -> None:
    path = storage.path(storage.put(io.BytesIO(b"bytes")).digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o007 == 0


def test_the_same_bytes_twice_are_one_file(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        digests = {one.digest for one in pool.map(lambda _: storage.put(io.BytesIO(b"x" * 100_000)), range(32))}
    assert len(digests) == 1
    assert len([one for one in (folder / "sha256").rglob("*") if one.is_file()]) == 1
    assert list((folder / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "sha256:" + "A" * 64,
        "sha256:../../../etc/passwd",
        "../x",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 64 + "\n",
    ],
)
def test_a_name_that_is_no_digest_leads_nowhere(name: str) -> None:
    for ask in (storage.path, storage.exists, storage.open_blob):
        with pytest.raises(ValueError, match="is no digest"):
            ask(name)


def test_an_unknown_digest_is_said_to_be_unknown() -> None:
    assert not storage.exists(digest_of(b"?"))
    with pytest.raises(storage.UnknownBlob):
        storage.open_blob(digest_of(b"?"))


def test_what_is_not_kept_is_gone_when_closed_or_forgotten(folder: Path) -> None:
    closed, forgotten = storage.Incoming(), storage.Incoming()
    for one in (closed, forgotten):
        one.write(b"bytes")
    closed.close()
    del forgotten, one
    assert list((folder / "incoming").iterdir()) == []
    assert not (folder / "sha256").exists()


def test_a_file_has_its_name_only_after_the_bytes_were_fsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, link = os.fsync, os.link

    def noted_fsync(descriptor: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_link(source: Path, target: Path) -> None:
        order.append("name")
        link(source, target)

    storage.put(io.BytesIO(b"makes the folders"))
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    storage.put(io.BytesIO(b"bytes"))
    assert order.index("file") < order.index("name") < len(order) - 1 - order[::-1].index("folder")


def test_a_damaged_file_is_not_taken_for_the_bytes_it_is_named_after() -> None:
    path = storage.path(storage.put(io.BytesIO(b"bytes")).digest)
    path.chmod(0o600)
    path.write_bytes(b"byte")
    with pytest.raises(storage.DamagedBlob):
        storage.put(io.BytesIO(b"bytes"))


def test_only_old_remains_of_killed_uploads_are_removed(folder: Path) -> None:
    (folder / "incoming").mkdir(parents=True)
    for name, age in (("old", 90_000), ("new", 10)):
        (folder / "incoming" / name).write_bytes(b"")
        moment = (folder / "incoming" / name).stat().st_mtime - age
        os.utime(folder / "incoming" / name, (moment, moment))
    assert storage.remove_abandoned() == 1
    assert [one.name for one in (folder / "incoming").iterdir()] == ["new"]
