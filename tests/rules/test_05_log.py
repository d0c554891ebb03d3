"""Rule 5: every change is in the log, in its own transaction; whatever is done to the log afterwards is found."""

import json
import random
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import metamorphic_log as judge
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from governance.audit import checkpoint, full_check, log, queries
from governance.audit.canonical import canonical
from governance.audit.clock import database_now, timestamp
from governance.audit.events import Action
from governance.audit.full_check import verify_log
from governance.audit.head import UnsoundLog, head_is_sound
from governance.audit.locking import NotInTransaction
from governance.audit.log import Actor, Subject, append, write_checkpoint
from governance.audit.merkle import CompactRange, leaf_hash
from governance.audit.models import AuditCheckpoint, AuditEvent, AuditHead, AuditSubtree
from governance.audit.request import request_id
from governance.audit.signed_note import NoteError
from governance.audit.verify import Verifier, verify_export
from tests.audit.logs import SYSTEM, append_events, triggers_off

pytestmark = pytest.mark.both_engines

ROOT = Path(__file__).resolve().parent.parent.parent
SUBJECT = Subject("model", "cards")


def test_an_event_says_who_did_what_to_what_and_is_hashed_as_it_says_it(empty_db):
    person, service_account, candidate = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    token = request_id.set("request-1")
    with transaction.atomic():
        event = append(
            Action.CANDIDATE_SUBMITTED,
            actor=Actor(person=person, service_account=service_account),
            subject=Subject("candidate", str(candidate)),
            model="cards",
            candidate=candidate,
            data={"artifact": "sha256:00", "rows": 12},
        )
    request_id.reset(token)
    event.refresh_from_db()
    body = json.loads(event.body)
    assert body == {
        "schema": "event/1",
        "seq": event.seq,
        "at": timestamp(event.at),
        "action": "candidate.submitted",
        "actor": {"person": str(person), "service_account": str(service_account), "system": None},
        "subject": {"type": "candidate", "id": str(candidate)},
        "model": "cards",
        "candidate": str(candidate),
        "data": {"artifact": "sha256:00", "rows": 12},
        "request_id": "request-1",
    }
    assert event.body.encode() == canonical(body)
    assert bytes(event.leaf) == leaf_hash(event.body.encode())
    assert (event.actor_person, event.model_slug, event.candidate) == (person, "cards", candidate)


def test_outside_a_transaction_nothing_is_logged(committed_db):
    for attempt in (lambda: append(Action.INSTALLED, actor=SYSTEM, subject=SUBJECT), write_checkpoint):
        with pytest.raises(NotInTransaction):
            attempt()
    assert not AuditEvent.objects.exists()


def test_event_and_act_stand_or_fall_together(committed_db):
    append_events(1)
    with transaction.atomic():
        append(Action.MODEL_REVISED, actor=SYSTEM, subject=SUBJECT)
        transaction.set_rollback(True)
    assert AuditEvent.objects.count() == AuditHead.objects.get().size == 1
    append_events(1)
    assert verify_log().size == 2


@pytest.mark.parametrize(
    "fields",
    [{}, {"person": uuid.uuid4(), "system": "sweep"}, {"system": "sweep", "service_account": uuid.uuid4()}],
)
def test_an_actor_is_a_person_or_the_system(fields):
    with pytest.raises(ValueError, match="a"):
        Actor(**fields)


def test_what_cannot_be_hashed_exactly_is_not_logged(empty_db):
    with pytest.raises(ValueError, match=r"\$\.data\.share"), transaction.atomic():
        append(Action.MODEL_CREATED, actor=SYSTEM, subject=SUBJECT, data={"share": 0.5})
    assert not AuditEvent.objects.exists()


def test_an_action_that_is_not_listed_is_not_logged(empty_db):
    with pytest.raises(ValueError, match="made-up"), transaction.atomic():
        append("made-up", actor=SYSTEM, subject=SUBJECT)


def test_the_first_event_is_under_a_kept_checkpoint_and_each_later_one_under_the_head(empty_db):
    for count in range(1, 20):
        append_events(1)
        head = AuditHead.objects.get()
        signed = judge.checkpoint_verify(head.note, [str(checkpoint.verifier_key())])
        assert (signed.size, signed.origin) == (count, django_settings.COUNTERSIGN_ORIGIN)
    assert [kept.size for kept in AuditCheckpoint.objects.all()] == [1]
    with transaction.atomic():
        assert write_checkpoint() == write_checkpoint()
    assert [kept.size for kept in AuditCheckpoint.objects.order_by("size")] == [1, 19]


def test_event_times_never_go_back(empty_db, monkeypatch):
    later = database_now() + timedelta(hours=1)
    monkeypatch.setattr(log, "database_now", lambda: later)
    append_events(1)
    monkeypatch.undo()
    events = append_events(3)
    assert [event.at for event in events] == [later] * 3
    assert verify_log().sound


def test_the_clock_is_the_databases_and_moves_inside_a_transaction(empty_db):
    with transaction.atomic():
        first = database_now()
        while database_now() == first:
            pass
    assert abs(database_now() - datetime.now(UTC)) < timedelta(seconds=60)
    assert timestamp(datetime(2024, 5, 3, 12, tzinfo=UTC)) == "2024-05-03T12:00:00.000000Z"
    with pytest.raises(ValueError, match="no time zone"):
        timestamp(datetime(2024, 5, 3))


def test_events_are_found_by_what_they_are_about(empty_db):
    person, candidate = uuid.uuid4(), uuid.uuid4()
    append_events(3)
    with transaction.atomic():
        mine = append(
            Action.FINDING_OPENED, actor=Actor(person=person), subject=SUBJECT, model="loans", candidate=candidate
        )
    assert [event.seq for event in queries.events()] == [3, 2, 1, 0]
    for asked in (
        {"model": "loans"},
        {"candidate": candidate},
        {"actor": person},
        {"action": "finding.opened"},
        {"subject": ("model", "cards")},
        {"after": mine.at, "model": "loans"},
    ):
        assert list(queries.events(**asked)) == [mine]
    assert not queries.events(before=queries.events().last().at).exists()
    assert queries.newest_event() == mine


# The head: a log that was tampered with takes no further event, and signing and gate are told.


def cut_last() -> None:
    AuditEvent.objects.filter(pk=queries.newest_event().pk)._raw_delete(using="default")


def old_head(size: int) -> None:
    """Put back what the head was at an earlier size, with the signature that was given then."""
    leaves = [bytes(leaf) for leaf in AuditEvent.objects.order_by("seq").values_list("leaf", flat=True)]
    tree = CompactRange()
    for leaf in leaves[: size - 1]:
        tree.append(leaf)
    before = tree.to_bytes()
    tree.append(leaves[size - 1])
    AuditHead.objects.update(size=size, range_before=before, note=checkpoint.signed(size, tree.root()))


HEAD_TAMPERINGS: dict[str, Callable[[], object]] = {
    "last body": lambda: AuditEvent.objects.filter(seq=6).update(body="{}"),
    "last leaf": lambda: AuditEvent.objects.filter(seq=6).update(leaf=bytes(32)),
    "last body and leaf": lambda: AuditEvent.objects.filter(seq=6).update(body="{}", leaf=leaf_hash(b"{}")),
    "last event gone": cut_last,
    "size": lambda: AuditHead.objects.update(size=6),
    "size and last event": lambda: (cut_last(), AuditHead.objects.update(size=6)),
    "range": lambda: AuditHead.objects.update(range_before=bytes(64)),
    "range of another length": lambda: AuditHead.objects.update(range_before=bytes(32)),
    "note": lambda: AuditHead.objects.update(note=""),
    "another log's note": lambda: AuditHead.objects.update(note=AuditCheckpoint.objects.get().note),
    "older head beside newer events": lambda: old_head(5),
    "empty head": lambda: AuditHead.objects.update(size=0, note="", range_before=b""),
    "no head": lambda: AuditHead.objects.all()._raw_delete(using="default"),
}


@pytest.mark.parametrize("tampering", HEAD_TAMPERINGS)
def test_an_unsound_log_takes_no_event_and_is_known_at_once(tampering, empty_db):
    append_events(7)
    assert head_is_sound()
    with triggers_off():
        HEAD_TAMPERINGS[tampering]()
    events = AuditEvent.objects.count()
    assert not head_is_sound()
    with pytest.raises((UnsoundLog, AuditHead.DoesNotExist)), transaction.atomic():
        append(Action.SIGNATURE_GIVEN, actor=SYSTEM, subject=SUBJECT)
    with pytest.raises((UnsoundLog, AuditHead.DoesNotExist)), transaction.atomic():
        write_checkpoint()
    assert AuditEvent.objects.count() == events


def test_an_event_slipped_in_at_the_head_is_known_at_once(empty_db):
    """The one insert that the triggers cannot tell from a real one, until the head moves."""
    last = append_events(3)[-1]
    AuditEvent.objects.create(
        seq=3, at=last.at, action="model.created", body="{}", leaf=leaf_hash(b"{}"), subject_type="", subject_id=""
    )
    assert not head_is_sound()
    assert verify_log().problem.event == 3


def test_a_log_under_another_key_is_unsound(empty_db, tmp_path, settings, monkeypatch):
    append_events(3)
    monkeypatch.delenv("COUNTERSIGN_CHECKPOINT_KEY_PEM", raising=False)
    settings.COUNTERSIGN_CHECKPOINT_KEY = str(tmp_path / "other.pem")
    checkpoint.create_key(settings.COUNTERSIGN_CHECKPOINT_KEY)
    assert not head_is_sound()
    assert verify_log().problem.code == "checkpoint-invalid"


# The whole log: whatever is done to it, the verifier names the first bad event.

EVENTS = 30


def alter_body(chance: random.Random) -> int:
    seq = chance.randrange(EVENTS)
    body = AuditEvent.objects.get(seq=seq).body
    AuditEvent.objects.filter(seq=seq).update(body=body.replace("cards", "loans"))
    return seq


def alter_leaf(chance: random.Random) -> int:
    seq = chance.randrange(EVENTS)
    AuditEvent.objects.filter(seq=seq).update(leaf=chance.randbytes(32))
    return seq


def alter_column(chance: random.Random) -> int:
    seq = chance.randrange(EVENTS)
    changes = [
        {"action": "model.revised"},
        {"at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"actor_person": uuid.uuid4()},
        {"model_slug": "loans"},
        {"candidate": uuid.uuid4()},
        {"subject_type": "x"},
        {"subject_id": "x"},
    ]
    AuditEvent.objects.filter(seq=seq).update(**chance.choice(changes))
    return seq


def drop(chance: random.Random) -> int:
    seq = chance.randrange(EVENTS)
    AuditEvent.objects.filter(seq=seq)._raw_delete(using="default")
    return seq


def drop_and_close_up(chance: random.Random) -> int:
    seq = drop(chance)
    for later in range(seq + 1, EVENTS):
        AuditEvent.objects.filter(seq=later).update(seq=later - 1)
    AuditHead.objects.update(size=EVENTS - 1)
    return seq


def reorder(chance: random.Random) -> int:
    first, second = sorted(chance.sample(range(EVENTS), 2))
    AuditEvent.objects.filter(seq=first).update(seq=EVENTS + 1)
    AuditEvent.objects.filter(seq=second).update(seq=first)
    AuditEvent.objects.filter(seq=EVENTS + 1).update(seq=second)
    return first


def push_up(place: int) -> None:
    """Make room at a place."""
    for later in range(EVENTS - 1, place - 1, -1):
        AuditEvent.objects.filter(seq=later).update(seq=later + 1)


def duplicate(chance: random.Random) -> int:
    seq = chance.randrange(EVENTS)
    push_up(seq + 1)
    event = AuditEvent.objects.get(seq=seq)
    event.seq = seq + 1
    event.save(force_insert=True)
    return seq + 1


def insert(chance: random.Random) -> int:
    place = chance.randrange(EVENTS + 1)
    push_up(place)
    template = AuditEvent.objects.order_by("seq").first()
    body = json.loads(template.body) | {"seq": place}
    forged = canonical(body)
    template.seq, template.body, template.leaf = place, forged.decode(), leaf_hash(forged)
    template.save(force_insert=True)
    return place


def cut_the_tail(chance: random.Random) -> int:
    seq = chance.randrange(1, EVENTS)
    AuditEvent.objects.filter(seq__gte=seq)._raw_delete(using="default")
    return seq


def cut_the_tail_and_the_size(chance: random.Random) -> int:
    seq = cut_the_tail(chance)
    AuditHead.objects.update(size=seq)
    return seq


def rewrite_consistently(chance: random.Random) -> int:
    """Body, columns and leaf of an event changed together: only a signed root can tell."""
    event = AuditEvent.objects.get(seq=chance.randrange(EVENTS))
    body = canonical(json.loads(event.body) | {"model": "loans"})
    AuditEvent.objects.filter(pk=event.pk).update(body=body.decode(), leaf=leaf_hash(body), model_slug="loans")
    return event.seq


NAMED = [
    alter_body,
    alter_leaf,
    alter_column,
    drop,
    drop_and_close_up,
    reorder,
    duplicate,
    cut_the_tail,
    cut_the_tail_and_the_size,
]


@pytest.fixture
def thirty(empty_db):
    append_events(EVENTS)
    assert verify_log().sound


def tampered(tampering: Callable[[random.Random], int], seed: int, check: Callable[[int], None]) -> None:
    """Tamper, check what the verifier says, and undo it."""
    with transaction.atomic():
        with triggers_off():
            bad = tampering(random.Random(seed))
        check(bad)
        transaction.set_rollback(True)


@pytest.mark.parametrize("tampering", NAMED, ids=lambda one: one.__name__)
def test_the_first_bad_event_is_named(tampering, thirty):
    def check(bad: int) -> None:
        report = verify_log()
        assert report.problem is not None
        assert report.problem.event == bad, report.problem

    for seed in range(8):
        tampered(tampering, seed, check)


@pytest.mark.parametrize("tampering", [rewrite_consistently, insert], ids=lambda one: one.__name__)
def test_a_rewritten_event_is_named_up_to_the_last_good_root(tampering, thirty):
    """Its own hash fits; the report then names the events since the last root that holds, and it is among them."""

    def check(bad: int) -> None:
        problem = verify_log().problem
        between = re.search(r"events (\d+) to (\d+)", problem.detail)
        first, last = map(int, between.groups()) if between else (problem.event, problem.event)
        assert first == problem.event <= bad <= last

    for seed in range(8):
        tampered(tampering, seed, check)


@pytest.mark.parametrize("tampering", [*NAMED, rewrite_consistently, insert], ids=lambda one: one.__name__)
def test_blocks_of_events_give_the_same_report_as_events_one_by_one(tampering, thirty, monkeypatch):
    def check(bad: int) -> None:
        reports = []
        for size in (8, 2, EVENTS + 1):
            monkeypatch.setattr(full_check, "BLOCK", size)
            reports.append(verify_log())
        assert reports[0].problem is not None
        assert reports[0].problem == reports[1].problem == reports[2].problem

    for seed in range(8):
        tampered(tampering, seed, check)


def test_a_sound_block_is_taken_at_once_and_any_other_not_at_all(empty_db):
    append_events(257)
    events, verifier = list(queries.records(before=257)), Verifier()
    assert [level for level, _, _ in verifier.add_block(events[:256])] == [8]
    for wrong in ([], events[:1], events[254:256], [events[256], events[256]]):
        assert verifier.add_block(wrong) is None
    for wrong in ([], events[:3], events[1:3], [events[1], events[0]]):
        assert Verifier().add_block(wrong) is None
    assert verifier.tree.size == 256
    assert verifier.add_block(events[256:]) == [(0, 256, events[256].leaf)]
    assert verifier.tree.root() == checkpoint.opened(AuditHead.objects.get(pk=1).note).root


def test_stored_subtrees_and_kept_checkpoints_narrow_it_down(empty_db):
    append_events(300)
    with transaction.atomic():
        write_checkpoint()
    append_events(300)
    for altered, first, last in ((100, 1, 255), (299, 1, 299), (300, 300, 511), (400, 300, 511), (599, 300, 599)):
        with transaction.atomic():
            with triggers_off():
                body = canonical(json.loads(AuditEvent.objects.get(seq=altered).body) | {"request_id": "x"})
                AuditEvent.objects.filter(seq=altered).update(body=body.decode(), leaf=leaf_hash(body))
            problem = verify_log().problem
            assert problem.event == first
            assert problem.detail.startswith(f"one of the events {first} to {last} was altered")
            transaction.set_rollback(True)


OTHER_TAMPERINGS = {
    "subtree": (lambda: AuditSubtree.objects.update(hash=bytes(32)), "subtree-altered"),
    "subtree gone": (lambda: AuditSubtree.objects.all()._raw_delete(using="default"), "subtree-altered"),
    "kept root": (lambda: AuditCheckpoint.objects.update(root=bytes(32)), "checkpoint-invalid"),
    "kept note": (lambda: AuditCheckpoint.objects.update(note="x"), "checkpoint-invalid"),
    "kept size": (lambda: AuditCheckpoint.objects.update(size=2), "checkpoint-invalid"),
    "head note": (lambda: AuditHead.objects.update(note="x"), "checkpoint-invalid"),
    "head range": (lambda: AuditHead.objects.update(range_before=bytes(32)), "out-of-place"),
    "head size up": (lambda: AuditHead.objects.update(size=258), "checkpoint-invalid"),
}


def test_what_is_stored_beside_the_events_is_verified_too(empty_db):
    append_events(257)
    for name, (tampering, code) in OTHER_TAMPERINGS.items():
        with transaction.atomic():
            with triggers_off():
                tampering()
            assert verify_log().problem.code == code, name
            transaction.set_rollback(True)
    assert verify_log().sound


def test_an_older_backup_is_found_with_a_checkpoint_published_since(thirty):
    published = checkpoint.opened(queries.checkpoint_now())
    with triggers_off():
        old_head(20)
        AuditEvent.objects.filter(seq__gte=20)._raw_delete(using="default")
    assert verify_log().sound, "from inside, an older state looks right"
    problem = verify_log(known=[published]).problem
    assert (problem.event, problem.code) == (20, "cut-off")


def test_a_log_rewritten_and_signed_again_is_found_with_an_older_published_checkpoint(thirty):
    """Whoever holds key and database can do this; only what lies outside tells."""
    published = checkpoint.opened(queries.checkpoint_now())
    with triggers_off():
        body = canonical(json.loads(AuditEvent.objects.get(seq=12).body) | {"request_id": "x"})
        AuditEvent.objects.filter(seq=12).update(body=body.decode(), leaf=leaf_hash(body))
        old_head(EVENTS)
    append_events(5)
    assert verify_log().sound
    problem = verify_log(known=[published]).problem
    assert problem.code == "altered"
    assert problem.event <= 12


def test_a_row_that_cannot_be_read_is_a_bad_event_and_no_crash(thirty):
    """SQLite stores anything in any column."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL refuses values of another type by itself")
    for assignment in (
        "at = 'yesterday'",
        "leaf = 'text'",
        "body = x'ff'",
        "candidate = 'x'",
        "body = CAST(x'ff' AS TEXT)",
    ):
        with transaction.atomic():
            with triggers_off(), connection.cursor() as cursor:
                cursor.execute(f"UPDATE audit_event SET {assignment} WHERE seq = 7")
            problem = verify_log().problem
            assert problem is not None
            assert problem.event <= 7
            transaction.set_rollback(True)


# Proofs out of the database, before a judge written by others.


def test_proofs_convince_others_and_forged_ones_do_not(empty_db):
    append_events(600)
    key = [str(checkpoint.verifier_key())]
    note = queries.checkpoint_now()
    for seq in (0, 1, 255, 256, 511, 512, 598, 599):
        proof = queries.inclusion_proof(seq)
        assert (proof.size, proof.checkpoint) == (600, note)
        judge.checkpoint_verify_inclusion(note, key, seq, proof.leaf, proof.hashes)
        forged = [*proof.hashes[:-1], bytes(32)]
        with pytest.raises(judge.VerifyError):
            judge.checkpoint_verify_inclusion(note, key, seq, proof.leaf, forged)
        with pytest.raises(judge.VerifyError):
            judge.checkpoint_verify_inclusion(note, key, seq, leaf_hash(b"another event"), proof.hashes)
    with pytest.raises(ValueError, match="is not in a tree"):
        queries.inclusion_proof(600)


def test_checkpoints_of_one_log_are_consistent_for_others(empty_db):
    key = [str(checkpoint.verifier_key())]
    notes = {}
    for _ in range(6):
        append_events(97)
        notes[AuditHead.objects.get().size] = queries.checkpoint_now()
    for old, new in pairwise(notes):
        proof = queries.consistency_proof(old, new)
        judge.checkpoint_verify_consistency(notes[old], notes[new], key, proof.hashes)
        with pytest.raises(judge.VerifyError):
            judge.checkpoint_verify_consistency(notes[old], notes[new], key, [*proof.hashes[:-1], bytes(32)])
    with pytest.raises(ValueError, match="has 582 events"):
        queries.consistency_proof(1, 583)


# The commands.


def test_the_command_says_what_it_verified(empty_db, capsys, tmp_path):
    append_events(40)
    published = tmp_path / "checkpoint"
    published.write_text(queries.checkpoint_now())
    append_events(2)
    call_command("verify_audit", published=[published])
    out = capsys.readouterr().out
    assert out.startswith("42 events verified against 1 published checkpoints, root ")
    assert str(checkpoint.verifier_key()) in out


def test_the_command_fails_and_names_the_first_bad_event(empty_db, capsys):
    append_events(40)
    with triggers_off():
        AuditEvent.objects.filter(seq=17).update(body="{}")
    with pytest.raises(SystemExit) as exit_:
        call_command("verify_audit")
    assert exit_.value.code == 1
    assert "First bad event: 17 (altered)" in capsys.readouterr().err


def test_the_command_fails_where_triggers_are_missing(empty_db, capsys):
    append_events(1)
    with pytest.raises(SystemExit), triggers_off():
        call_command("verify_audit")
    assert "audit_event" in capsys.readouterr().err


def test_the_command_refuses_a_checkpoint_that_is_none(empty_db, tmp_path):
    append_events(1)
    (tmp_path / "note").write_text("no note")
    with pytest.raises(CommandError, match="no checkpoint of this log"):
        call_command("verify_audit", published=[tmp_path / "note"])


def test_an_export_verifies_offline_and_is_not_overwritten(empty_db, tmp_path, capsys):
    append_events(20)
    with transaction.atomic():
        write_checkpoint()
    append_events(5)
    path = tmp_path / "log.jsonl"
    call_command("export_audit", output=path)
    lines = path.read_text().splitlines()
    assert len(lines) == 25 + 3
    report = verify_export(lines, public_key=str(checkpoint.verifier_key()), known=[queries.checkpoint_now()])
    assert (report.size, report.problem) == (25, None)
    with pytest.raises(CommandError, match="never overwrites"):
        call_command("export_audit", output=path)
    capsys.readouterr()
    call_command("export_audit")
    assert capsys.readouterr().out.splitlines() == lines


def test_an_export_under_another_key_is_refused(empty_db, tmp_path):
    append_events(3)
    call_command("export_audit", output=tmp_path / "log")
    other = checkpoint.create_key(tmp_path / "key.pem")
    with (tmp_path / "log").open() as lines:
        assert verify_export(lines, public_key=other).problem.code == "checkpoint-invalid"
    with pytest.raises(NoteError):
        verify_export([], public_key=other, known=[queries.checkpoint_now()])


# Many writers.

WRITERS, EACH = 8, 25
WRITE = """
import sys
import django
django.setup()
from tests.audit.logs import append_events
for _ in range(int(sys.argv[2])):
    append_events(1, writer=sys.argv[1])
"""


def test_eight_writers_leave_one_log_without_gap_or_fork(committed_db):
    environment = {**committed_db.environment, "DJANGO_SETTINGS_MODULE": "governance.project.settings"}
    command = [sys.executable, "-c", WRITE]
    writers = [
        subprocess.Popen(
            [*command, f"writer-{number}", str(EACH)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        )
        for number in range(WRITERS)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=240)
        assert writer.returncode == 0, errors
    report = verify_log()
    assert (report.size, report.problem) == (WRITERS * EACH, None)
    events = AuditEvent.objects.order_by("seq")
    assert [event.seq for event in events] == list(range(WRITERS * EACH))
    assert len({event.subject_id for event in events if event.subject_id.endswith("-0")}) == WRITERS
    assert all(earlier.at <= later.at for earlier, later in pairwise(events))
