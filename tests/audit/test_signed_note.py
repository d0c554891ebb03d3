"""Checkpoints as signed notes, before a judge written by others."""

import base64
import os

import metamorphic_log as judge
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.audit.checkpoint import UnusableKey, create_key, signing_key, verifier_key
from governance.audit.signed_note import Checkpoint, NoteError, VerifierKey, open_note, sign

ORIGIN = "countersign.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = VerifierKey(ORIGIN, KEY.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)))
NOTE = sign(CHECKPOINT, KEY)


def test_a_note_is_accepted_by_us_and_by_others():
    assert open_note(NOTE, PUBLIC) == CHECKPOINT
    head = judge.checkpoint_verify(NOTE, [str(PUBLIC)])
    assert (head.origin, head.size, head.root) == (CHECKPOINT.origin, CHECKPOINT.size, CHECKPOINT.root)
    assert VerifierKey.parse(str(PUBLIC)) == PUBLIC


def test_signatures_by_others_beside_ours_are_passed_over():
    witness = sign(Checkpoint("witness.example", 7, bytes(32)), Ed25519PrivateKey.generate()).split("\n\n")[1]
    both = NOTE + witness
    assert open_note(both, PUBLIC) == CHECKPOINT
    assert judge.checkpoint_verify(both, [str(PUBLIC)]).size == 7


def flipped(note: str) -> str:
    """The note with one bit of its signature changed."""
    head, name, encoded = note.rstrip("\n").rpartition(" ")
    blob = bytearray(base64.b64decode(encoded))
    blob[40] ^= 1
    return f"{head}{name}{base64.b64encode(blob).decode()}\n"


FORGED = {
    "another size": NOTE.replace("\n7\n", "\n8\n"),
    "another root": NOTE.replace(base64.b64encode(CHECKPOINT.root).decode(), base64.b64encode(bytes(32)).decode()),
    "another origin": NOTE.replace(f"{ORIGIN}\n7", "other.example/log\n7"),
    "a bit of the signature": flipped(NOTE),
    "another key": sign(CHECKPOINT, Ed25519PrivateKey.generate()),
    "a line more": NOTE.replace("\n\n", "\nmore\n\n", 1),
    "no signature": NOTE.split("\n\n")[0] + "\n\n",
    "no empty line": NOTE.replace("\n\n", "\n", 1),
    "nothing": "",
    "a size with a zero before": sign(CHECKPOINT, KEY).replace("\n7\n", "\n07\n"),
}


@pytest.mark.parametrize("note", FORGED.values(), ids=FORGED)
def test_a_forged_note_is_refused_by_us_and_by_others(note):
    with pytest.raises(NoteError):
        open_note(note, PUBLIC)
    with pytest.raises(judge.VerifyError):
        judge.checkpoint_verify(note, [str(PUBLIC)])


@pytest.mark.parametrize(
    "text",
    ["", "name", "name+00000000", str(PUBLIC)[:-4], str(PUBLIC).replace(ORIGIN, "other"), f"{ORIGIN}+00000000+AAAA"],
)
def test_what_is_no_verifier_key_is_refused(text):
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("origin", ["with space", "with+plus", ""])
def test_a_log_has_a_name_that_a_note_can_carry(origin):
    with pytest.raises(NoteError, match="key name"):
        sign(Checkpoint(origin, 1, bytes(32)), KEY)


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path, settings, monkeypatch):
    monkeypatch.delenv("COUNTERSIGN_CHECKPOINT_KEY_PEM", raising=False)
    path = tmp_path / "keys" / "checkpoint.pem"
    settings.COUNTERSIGN_CHECKPOINT_KEY = str(path)
    with pytest.raises(UnusableKey, match="cannot be read"):
        signing_key()
    public = create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert verifier_key() == public
    with pytest.raises(FileExistsError):
        create_key(path)


def test_a_key_that_others_may_read_is_refused(tmp_path, settings, monkeypatch):
    monkeypatch.delenv("COUNTERSIGN_CHECKPOINT_KEY_PEM", raising=False)
    path = tmp_path / "checkpoint.pem"
    settings.COUNTERSIGN_CHECKPOINT_KEY = str(path)
    create_key(path)
    os.chmod(path, 0o640)
    with pytest.raises(UnusableKey, match="chmod 600"):
        signing_key()


def test_the_key_may_come_from_the_environment(tmp_path, settings, monkeypatch):
    public = create_key(tmp_path / "checkpoint.pem")
    monkeypatch.setenv("COUNTERSIGN_CHECKPOINT_KEY_PEM", (tmp_path / "checkpoint.pem").read_text())
    settings.COUNTERSIGN_CHECKPOINT_KEY = str(tmp_path / "absent.pem")
    assert verifier_key() == public
    monkeypatch.setenv("COUNTERSIGN_CHECKPOINT_KEY_PEM", "no key")
    with pytest.raises(UnusableKey, match="PEM"):
        signing_key()
