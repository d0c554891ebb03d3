"""Rule 5: what only a bucket of published checkpoints can do wrong; all that a folder does too stands in test_05_alarm."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from moto.core import enable_iam_authentication

from governance.actions.checkpoints import publish_checkpoint
from governance.actions.verification import verify_whole_log
from governance.audit import checkpoint, published, queries
from governance.audit.bucket import Bucket
from governance.audit.models import AuditCheckpoint, AuditPublication
from governance.audit.signed_note import Checkpoint, VerifierKey, sign
from governance.web.audit_page import _checked
from tests.audit.logs import append_events, cut_back_to
from tests.audit.outside import BucketOutside, FolderOutside, keys_of_a_user

RIGHTS = {"s3:PutObject", "s3:GetObject", "s3:ListBucket"}  # those that README names


@pytest.fixture
def outside(object_store: str, empty_db: None, settings: Any) -> BucketOutside:
    made = BucketOutside.made(settings)
    made.use()
    append_events(20)
    publish_checkpoint()
    return made


def failures() -> list[str]:
    return [one.failure for one in AuditPublication.objects.order_by("pk")]


def test_the_page_of_the_log_tells_what_became_of_it(outside: BucketOutside) -> None:
    append_events(1)
    outside.use(moved_away=True)
    publish_checkpoint()
    [said] = [one.value for one in _checked() if one.label == "Published to the bucket"]
    assert said.startswith("21 events, ")
    assert "failed: FileNotFoundError: s3://no-such-" in said


def test_a_store_that_is_away_is_said_once_however_the_log_grows_and_tried_again(
    outside: BucketOutside, monkeypatch: Any, object_store: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    outside.use()
    for _ in range(2):
        append_events(1)
        publish_checkpoint()
    assert failures() == ["", f"ConnectionError: {outside.address}: EndpointConnectionError"]
    assert AuditCheckpoint.objects.filter(size=22).exists()
    assert verify_whole_log().sound
    with pytest.raises(CommandError, match="EndpointConnectionError"):
        call_command("verify_audit", published=[outside.address])
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store)
    outside.use()
    publish_checkpoint()
    assert failures()[2:] == [""]


@pytest.mark.parametrize("wrong", [{"AWS_ENDPOINT_URL": "store.example:9000"}, {"AWS_ACCESS_KEY_ID": ""}])
def test_what_is_set_up_wrongly_is_said_and_stops_nothing_else(
    wrong: dict[str, str], outside: BucketOutside, monkeypatch: Any, settings: Any, tmp_path: Any
) -> None:
    folder = FolderOutside.made(settings, tmp_path / "outside")
    folder.use()
    for name, value in {**wrong, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    outside.use()
    append_events(1)
    publish_checkpoint()
    assert str(queries.last_published("bucket")).startswith(f"bucket: 21 events, ConnectionError: {outside.address}: ")
    assert folder.names() == ["000000000021.checkpoint"]


@pytest.fixture
def silent() -> Iterator[str]:
    """A store that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.one_engine
def test_a_store_that_says_nothing_holds_a_worker_for_twenty_seconds_at_most(
    silent: str, outside: BucketOutside, monkeypatch: Any
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent)
    outside.use()
    append_events(1)
    began = time.monotonic()
    publish_checkpoint()
    assert time.monotonic() - began < 20
    assert failures()[1:] == [f"ConnectionError: {outside.address}: ReadTimeoutError"]


@pytest.mark.parametrize("missing", ["", *sorted(RIGHTS)])
def test_three_rights_suffice_and_the_lack_of_any_is_said(missing: str, outside: BucketOutside, monkeypatch: Any) -> None:
    for name, value in keys_of_a_user(outside.place, RIGHTS - {missing}).items():
        monkeypatch.setenv(name, value)
    outside.use()
    append_events(1)
    with enable_iam_authentication():
        publish_checkpoint()
        publish_checkpoint()
        alone = verify_whole_log()
    assert [one.partition("(")[0] for one in failures()[1:]] == (
        [f"PermissionError: {outside.address}: AccessDenied "] if missing else [""]
    )
    assert alone.sound


def test_of_two_at_once_the_first_stands(outside: BucketOutside) -> None:
    """What looks whether a name is free, and then writes, may be overtaken in between: the store itself refuses."""
    one, other = outside.place, outside.place
    one.put("000000000044.checkpoint", b"one")
    one.put("000000000044.checkpoint", b"one")
    with pytest.raises(FileExistsError, match="000000000044.checkpoint is there already, with another content"):
        other.put("000000000044.checkpoint", b"other")
    assert one.read("000000000044.checkpoint") == b"one"


@pytest.mark.parametrize("prefix", ["", "/", "/log", "/log/"])
def test_only_what_lies_directly_below_the_prefix_is_read(
    prefix: str, object_store: str, empty_db: None, settings: Any
) -> None:
    outside = BucketOutside.made(settings, prefix)
    for name in ("of another log/000000000099.checkpoint", "000000000007.checkpoint"):
        outside.overwrite(name, b"")
    assert outside.names() == ["000000000007.checkpoint"]


def test_a_cut_off_tail_is_found_behind_more_than_a_page(outside: BucketOutside, monkeypatch: Any, settings: Any) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    for _ in range(8):
        append_events(1)
        publish_checkpoint()
    assert len(outside.names()) == 9
    newest, _ = published.newest(outside.place, checkpoint.verifier_key(), near=28)
    assert newest is not None
    assert newest.size == 28
    cut_back_to(27)
    assert verify_whole_log().problem is not None


SHELF_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SHELF = VerifierKey("shelf.example/log", SHELF_KEY.public_key().public_bytes_raw())


class Shelf:
    """A place in memory: of each size a checkpoint, or something else under its name."""

    def __init__(self, sizes: set[int], junk: set[int]) -> None:
        self.held = {published.name_of(size): self.content(size, junk) for size in sizes | junk}

    def content(self, size: int, junk: set[int]) -> bytes:
        claimed = size - 1 if size in junk and size % 2 else size
        return b"" if size in junk and not size % 2 else sign(Checkpoint(SHELF.name, claimed, bytes(32)), SHELF_KEY).encode()

    def names(self, *, after: str = "") -> list[str]:
        return [name for name in self.held if name > after]

    def read(self, name: str) -> bytes:
        return self.held[name]


@given(st.sets(st.integers(2, 10**8)), st.sets(st.integers(2, 10**12), max_size=20), st.integers(0, 10**8))
def test_the_newest_is_found_wherever_looking_begins(sizes: set[int], junk: set[int], near: int) -> None:
    found, passed_over = published.newest(Shelf(sizes, junk), SHELF, near=near)  # type: ignore[arg-type]
    good = max(sizes - junk, default=None)
    assert (found.size if found else None) == good
    assert len(passed_over) == sum(one > (good or 0) for one in junk)


@pytest.mark.parametrize("address", ["bucket/prefix", "/folder", "s3://", "s3:///prefix", "https://bucket"])
def test_what_is_no_address_of_a_bucket_keeps_the_product_from_starting(address: str) -> None:
    with pytest.raises(ValueError, match="is no address of a bucket"):
        Bucket.at(address)
    done = started(address, "import governance.project.settings")
    assert "is no address of a bucket" in done.stderr


def test_a_web_process_does_not_load_the_stores_library(committed_db: Any) -> None:
    done = started(
        "s3://bucket/prefix",
        "import sys, governance.project.wsgi, governance.project.urls; print({'boto3', 'botocore'} & set(sys.modules))",
        **committed_db.environment,
    )
    assert done.stdout.strip() == "set()", done.stderr


def started(bucket: str, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment, "COUNTERSIGN_CHECKPOINT_BUCKET": bucket}
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
