"""Rule 5: the product verifies its whole log by itself; on a mismatch signing stops and the gate answers 503."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import OperationalError, transaction

from governance.actions.checkpoints import mail_checkpoint, publish_checkpoint
from governance.actions.verification import verify_whole_log
from governance.audit import checkpoint, full_check, published, queries
from governance.audit.errors import Refused
from governance.audit.events import Action
from governance.audit.head import UnsoundLog, head_is_sound
from governance.audit.models import AuditAlarm, AuditCheckpoint, AuditEvent, AuditPublication
from governance.release import gate
from governance.web import audit_page
from tests.audit.logs import append_events, cut_back_to, resigned, triggers_off
from tests.audit.outside import BucketOutside, FolderOutside, Outside
from tests.factories import a_candidate, a_model, approved, computed, interpreted, signed

pytestmark = pytest.mark.both_engines


def altered(seq: int) -> None:
    """Behind the triggers' back."""
    with triggers_off():
        AuditEvent.objects.filter(seq=seq).update(body="{}")


# --- the alarm -----------------------------------------------------------------------------------------------------


def test_a_log_that_verifies_says_so_by_an_event(empty_db: None) -> None:
    append_events(300)
    assert verify_whole_log().sound
    event = queries.newest_event()
    assert event is not None
    assert event.action == Action.LOG_VERIFIED
    data = json.loads(event.body)["data"]
    assert (data["size"], data["published"]) == (300, 0)
    assert not AuditAlarm.objects.exists()


def test_before_the_installation_there_is_nothing_to_say(empty_db: None, settings: Any, tmp_path: Path) -> None:
    """Processes start before the keys are made, and the first event is the installation."""
    settings.COUNTERSIGN_CHECKPOINT_KEY = str(tmp_path / "not-made-yet.pem")
    assert verify_whole_log().sound
    assert not AuditEvent.objects.exists()
    assert not AuditAlarm.objects.exists()


def test_an_old_event_altered_is_found_by_the_nightly_check_and_stops_gate_and_signing(people: Any) -> None:
    """The head itself is fine, so each decision alone would not see it."""
    model = a_model(people)
    running = approved(people, model)
    waiting = interpreted(computed(a_candidate(people, model)), people["validator"])
    asked = {"model": model.slug, "digest": str(running.gate_digest), "environment": "production"}
    assert gate.ask(**asked).allowed
    altered(3)
    assert gate.ask(**asked).allowed
    report = verify_whole_log()
    assert report.problem is not None
    assert report.problem.event == 3
    assert not head_is_sound()
    for attempt in (lambda: gate.ask(**asked), lambda: signed(waiting, people["validator"])):
        with pytest.raises(Refused, match="integrity-alarm") as refused:
            attempt()
        assert refused.value.status == 503
    with pytest.raises(UnsoundLog, match="a full verification found that event 3"):
        append_events(1)


def test_an_alarm_outlasts_the_repair_and_is_told_once(empty_db: None, settings: Any) -> None:
    settings.COUNTERSIGN_CHECKPOINT_MAIL = ["audit@example.test"]
    append_events(20)
    body = AuditEvent.objects.get(seq=3).body
    altered(3)
    for _ in range(2):
        verify_whole_log()
    with triggers_off():
        AuditEvent.objects.filter(seq=3).update(body=body)
    assert verify_whole_log().sound, "what is wrong now is told apart from what was found before"
    assert [(one.event, one.code) for one in AuditAlarm.objects.all()] == [(3, "altered")]
    assert [one.subject for one in mail.outbox] == ["The audit log does not verify"]
    assert not head_is_sound(), "only a recorded recovery ends an alarm"


def test_an_alarm_that_cannot_be_mailed_stands_all_the_same(empty_db: None, settings: Any) -> None:
    settings.COUNTERSIGN_CHECKPOINT_MAIL = ["audit@example.test"]
    settings.EMAIL_BACKEND = "tests.audit.logs.NoMail"
    append_events(5)
    altered(3)
    verify_whole_log()
    assert not head_is_sound()


def test_a_database_that_goes_away_for_a_moment_is_no_altered_event(empty_db: None, monkeypatch: Any) -> None:
    append_events(5)
    read, gone = queries.records, iter([True, False])

    def records(before: int) -> Any:
        yield from read(2)
        if next(gone):
            raise OperationalError("the connection was lost")
        yield from [one for one in read(before) if one.seq >= 2]

    monkeypatch.setattr(full_check.queries, "records", records)
    assert verify_whole_log().sound
    assert not AuditAlarm.objects.exists()


# --- what is published ---------------------------------------------------------------------------------------------


@pytest.fixture(params=["folder", "bucket"])
def outside(request: Any, empty_db: None, settings: Any, tmp_path: Path) -> Outside:
    """The only place of published checkpoints, with those of 20 and 30 events."""
    made: Outside
    if request.param == "folder":
        made = FolderOutside.made(settings, tmp_path / "outside")
    else:
        request.getfixturevalue("object_store")
        made = BucketOutside.made(settings)
    made.use()
    for count in (20, 10):
        append_events(count)
        publish_checkpoint()
    return made


def test_each_checkpoint_is_a_file_of_its_own_and_none_is_overwritten(outside: Outside) -> None:
    assert outside.names() == ["000000000020.checkpoint", "000000000030.checkpoint"]
    before = {name: outside.text(name) for name in outside.names()}
    publish_checkpoint()
    append_events(1)
    publish_checkpoint()
    assert {name: outside.text(name) for name in before} == before
    assert checkpoint.opened(outside.text("000000000031.checkpoint")).size == 31
    assert [one.size for one in AuditPublication.objects.order_by("pk")] == [20, 30, 31]
    assert verify_whole_log().sound
    call_command("verify_audit", published=[outside.address])


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a note of somebody else"])
def test_another_note_of_the_same_size_is_left_alone_and_said(content: bytes, outside: Outside) -> None:
    append_events(1)
    outside.overwrite("000000000031.checkpoint", content)
    publish_checkpoint()
    assert outside.place.read("000000000031.checkpoint") == content
    last = str(queries.last_published(outside.destination))
    assert last.startswith(f"{outside.destination}: 31 events, FileExistsError")
    assert verify_whole_log().sound
    with pytest.raises(CommandError, match="000000000031.checkpoint is no checkpoint of this log"):
        call_command("verify_audit", published=[outside.address])


def test_what_could_not_be_published_is_said_once_and_tried_again(outside: Outside) -> None:
    outside.use(moved_away=True)
    append_events(1)
    for _ in range(2):
        publish_checkpoint()
    tries = AuditPublication.objects.filter(size=31)
    assert [one.failure.partition(":")[0] for one in tries] == ["FileNotFoundError"]
    outside.use()
    publish_checkpoint()
    assert [bool(one.failure) for one in tries.order_by("pk")] == [True, False]
    assert "000000000031.checkpoint" in outside.names()


DONE_TO_THE_LOG = {
    "its tail is cut off": (lambda: cut_back_to(25), 25, "cut-off"),
    "an older backup is put back, and grows": (lambda: (cut_back_to(25), append_events(9)), 20, "altered"),
    "rewritten and signed again": (lambda: resigned(22), 20, "altered"),
    "rewritten and signed again, and grown": (lambda: (resigned(12), append_events(3)), 0, "altered"),
}


@pytest.mark.parametrize("done", DONE_TO_THE_LOG)
def test_what_looks_right_from_inside_is_found_by_the_next_publication(done: str, outside: Outside) -> None:
    tampering, first, code = DONE_TO_THE_LOG[done]
    tampering()
    assert full_check.verify_log().sound
    assert head_is_sound()
    with pytest.raises(UnsoundLog):
        publish_checkpoint()
    assert [(one.event, one.code) for one in AuditAlarm.objects.all()] == [(first, code)]
    assert not head_is_sound()
    assert outside.names() == ["000000000020.checkpoint", "000000000030.checkpoint"]


@pytest.mark.parametrize("done", DONE_TO_THE_LOG)
def test_the_command_holds_the_log_against_every_published_checkpoint(done: str, outside: Outside, capsys: Any) -> None:
    tampering, first, code = DONE_TO_THE_LOG[done]
    tampering()
    call_command("verify_audit")
    with pytest.raises(SystemExit):
        call_command("verify_audit", published=[outside.address])
    assert f"First bad event: {first} ({code})" in capsys.readouterr().err


def test_a_checkpoint_is_mailed_once_a_day_and_holds(empty_db: None, settings: Any, tmp_path: Path) -> None:
    settings.COUNTERSIGN_CHECKPOINT_MAIL = ["audit@example.test", "supervisor@example.test"]
    append_events(20)
    settings.EMAIL_BACKEND = "tests.audit.logs.NoMail"
    mail_checkpoint()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    for _ in range(2):
        append_events(1)
        mail_checkpoint()
    [letter] = mail.outbox
    assert letter.to == ["audit@example.test", "supervisor@example.test"]
    assert str(checkpoint.verifier_key()) in letter.body
    [(name, note, _)] = letter.attachments
    assert name == "000000000021.checkpoint"
    assert note in letter.body
    assert [(one.size, bool(one.failure)) for one in AuditPublication.objects.order_by("pk")] == [(20, True), (21, False)]
    (tmp_path / name).write_text(note)
    call_command("verify_audit", published=[tmp_path / name])


def test_where_nothing_is_configured_a_root_is_kept_and_nothing_published(empty_db: None) -> None:
    append_events(3)
    publish_checkpoint()
    mail_checkpoint()
    assert [one.size for one in AuditCheckpoint.objects.order_by("size")] == [1, 3]
    assert not AuditPublication.objects.exists()
    assert not mail.outbox


def test_a_failed_publication_does_not_take_the_kept_root_with_it(empty_db: None, settings: Any, tmp_path: Path) -> None:
    settings.COUNTERSIGN_CHECKPOINT_FOLDER = tmp_path / "nowhere"
    append_events(3)
    with transaction.atomic():
        publish_checkpoint()
    assert AuditCheckpoint.objects.filter(size=3).exists()


HOSTILE = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "a page of a proxy": b"<html><body>Please sign in</body></html>\n\n",
    "ten megabytes": b"countersign.example/log\n" * 400_000,
    "signed by nobody": b"countersign.example/log\n99\n" + b"A" * 43 + b"=\n\n\xe2\x80\x94 countersign.example/log AAAAAAAA\n",
}


@pytest.mark.parametrize("content", HOSTILE)
def test_whatever_else_stands_there_neither_stops_nor_alarms_nor_vouches(content: str, outside: Outside) -> None:
    names = ("000000000029.checkpoint", "999999999999.checkpoint", "zzzzzzzzzzzzzzzzzzzz.checkpoint")
    for name in names:
        outside.overwrite(name, HOSTILE[content])
    append_events(1)
    publish_checkpoint()
    assert "000000000031.checkpoint" in outside.names()
    assert verify_whole_log().sound
    with pytest.raises(CommandError) as said:
        call_command("verify_audit", published=[outside.address])
    lines = str(said.value).splitlines()
    assert [line.partition(" is no checkpoint of this log")[0] for line in lines] == [f"{outside.address}/{one}" for one in names]
    assert max(map(len, lines)) < 400
    cut_back_to(25)
    with pytest.raises(UnsoundLog):  # the others are read all the same
        publish_checkpoint()


def test_an_old_checkpoint_under_a_larger_name_hides_no_newer_one(outside: Outside) -> None:
    outside.overwrite("000000000099.checkpoint", outside.text("000000000020.checkpoint").encode())
    cut_back_to(25)
    with pytest.raises(UnsoundLog):
        publish_checkpoint()


def test_a_place_full_of_something_else_is_a_doubt(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "MOST_PASSED_OVER", 3)
    for number in range(100, 105):
        outside.overwrite(published.name_of(number), b"")
    cut_back_to(25)
    with pytest.raises(UnsoundLog):
        publish_checkpoint()


def test_one_published_checkpoint_is_named_by_itself_and_a_place_without_any_is_no_proof(outside: Outside, capsys: Any) -> None:
    call_command("verify_audit", published=[f"{outside.address}/000000000030.checkpoint"])
    assert "against 1 published" in capsys.readouterr().out
    empty = f"{outside.address}/empty"
    if outside.destination == "folder":
        Path(empty).mkdir()
    with pytest.raises(CommandError, match="no checkpoint stands in .*empty"):
        call_command("verify_audit", published=[empty])


def test_the_published_ones_count_among_what_the_product_verified_against(outside: Outside) -> None:
    verify_whole_log()
    event = queries.newest_event()
    assert event is not None
    assert json.loads(event.body)["data"]["published"] == 2
    assert audit_page._checked()[0].value.startswith("30 events against 2 published checkpoints, ")


def test_a_verification_without_anything_published_says_so(empty_db: None) -> None:
    append_events(3)
    verify_whole_log()
    assert audit_page._checked()[0].value.startswith("3 events against no published checkpoint, ")
