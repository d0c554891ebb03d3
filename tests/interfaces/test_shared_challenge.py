"""A real model challenged with real rows, through page, worker and sandbox."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from governance.audit.models import AuditEvent
from governance.evidence.kinds import ChallengeKind, JobState
from governance.evidence.models import Evidence, Job
from governance.registry.models import Candidate
from governance.release.dossier import dossier_facts
from governance.release.queries import gate_facts
from reports import tasks
from reports.sandbox.parent import Zygote
from tests.interfaces.pages import Browser
from tests.interfaces.test_shared_submissions import files_of
from tests.interfaces.world import World
from tests.shared import shared_data

pytestmark = pytest.mark.one_engine

NOTE = "The later half of the applications, by themselves."
CELL = "Aurelia Featherstonehaugh"
WANTED = ("intake", "performance", "fairness")


@pytest.fixture
def worker(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks' zygote is the session's."""
    monkeypatch.setattr(tasks, "zygote", lambda: zygote)


def submitted(world: World, slug: str, **changed: bytes) -> Candidate:
    """The real submission, with other parts where they are named; what the challenge stands beside is computed."""
    case = shared_data("german-credit", "logistic-skops")
    world.model(slug)
    parts = {part: path.read_bytes() for part, path in files_of(case).items()} | changed
    answer = world.submit(slug, manifest=(case / "manifest.json").read_text(), **parts)
    assert answer.status_code == 201, answer.content
    candidate = Candidate.objects.get(pk=answer.json()["id"])
    for kind in WANTED:
        tasks.compute(candidate.jobs.get(kind=kind).pk)
        assert candidate.jobs.get(kind=kind).state == JobState.SUCCEEDED, candidate.jobs.get(kind=kind).error
    return candidate


def challenged(world: World, candidate: Candidate, rows: bytes) -> dict[str, Job]:
    """Uploaded by the form, computed by the worker: its jobs by kind."""
    browser = Browser(world.people["validator"])
    answer = browser.post(candidate, "challenge", {"challenge": SimpleUploadedFile("rows", rows), "note": NOTE})
    assert answer.status_code == 302, answer.content.decode()
    number = candidate.challenge_data.latest("number").number
    for job in candidate.jobs.filter(kind__in=list(ChallengeKind), run=number):
        tasks.compute(job.pk)
    return {job.kind: job for job in candidate.jobs.filter(kind__in=list(ChallengeKind), run=number)}


def evaluation() -> list[bytes]:
    return shared_data("german-credit", "evaluation.csv").read_bytes().splitlines(keepends=True)


def later_half() -> bytes:
    header, *rows = evaluation()
    return header + b"".join(rows[len(rows) // 2 :])


def test_the_figures_are_those_of_the_same_rows_submitted(world: World, worker: None) -> None:
    candidate = submitted(world, "challenged")
    jobs = challenged(world, candidate, later_half())
    assert {job.state for job in jobs.values()} == {JobState.SUCCEEDED}, [job.error for job in jobs.values()]
    again = submitted(world, "submitted-so", evaluation=later_half())
    for kind in ChallengeKind:
        one = Evidence.objects.get(candidate=candidate, kind=kind)
        other = Evidence.objects.get(candidate=again, kind=kind.beside)
        assert one.schema == other.schema
        assert values(one.document) == values(other.document)
        assert one.digest != Evidence.objects.get(candidate=candidate, kind=kind.beside).digest
        provenance = json.loads(one.provenance)
        assert provenance["data_digests"]["challenge"] == candidate.challenge_data.get().digest
        assert provenance["seed"] not in (candidate.seed, again.seed)
        assert not [layer for layer, told in provenance["sandbox"].items() if told == "missing"]
        assert tasks.reproduce(str(candidate.pk), kind)["result"] == "equal"
    assert gate_facts(candidate, "production").review.challenge.number == 1
    told = printed(candidate)
    assert not [one for one in row_ids() if one in told]


def values(document: Any) -> Any:
    """The figures without the ends of intervals, which are drawn with the seed where they have no closed form."""
    if isinstance(document, dict):
        return {key: values(one) for key, one in document.items() if key not in ("low", "high", "limitations")}
    return [values(one) for one in document] if isinstance(document, list) else document


def row_ids() -> set[str]:
    """Their column comes first in the file."""
    return {row.split(b",")[0].decode() for row in evaluation()[1:]}


def printed(candidate: Candidate) -> str:
    """All that a dossier would hold, and all that the log does."""
    return json.dumps(dossier_facts(candidate.pk).document) + "".join(AuditEvent.objects.values_list("body", flat=True))


def words_for_numbers() -> bytes:
    """Every amount is a word; the header is as it should be."""
    header, *rows = evaluation()
    at = header.decode().strip().split(",").index("credit_amount")
    cells = [row.decode().rstrip("\n").split(",") for row in rows[:50]]
    return header + b"".join(",".join([*one[:at], CELL, *one[at + 1 :]]).encode() + b"\n" for one in cells)


def parquet_without_a_column() -> bytes:
    from pyarrow import csv, parquet

    table = csv.read_csv(io.BytesIO(b"".join(evaluation()))).drop_columns(["credit_amount"])
    written = io.BytesIO()
    parquet.write_table(table, written)
    return written.getvalue()


@pytest.mark.parametrize("rows", [words_for_numbers, parquet_without_a_column])
def test_data_that_does_not_fit_fails_with_words_and_stops_nobody(rows: Any, world: World, worker: None) -> None:
    candidate = submitted(world, "challenged")
    jobs = challenged(world, candidate, rows())
    assert {job.state for job in jobs.values()} == {JobState.FAILED}
    page = Browser(world.people["validator"]).decision(candidate)
    assert page.says("No figures could be computed") and page.says("credit_amount")
    review = gate_facts(candidate, "production").review
    assert (review.challenge, review.challenge_awaited) == (None, None)
    assert CELL not in printed(candidate)
