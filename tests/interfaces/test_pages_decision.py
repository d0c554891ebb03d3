"""What the decision page shows of what is on record, in a bounded number of queries."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from governance.accounts.models import Person
from governance.actions import jobs
from governance.actions.findings import open_finding
from governance.actions.install import load_policy
from governance.audit.canonical import digest
from governance.audit.clock import database_now
from governance.evidence.kinds import JobKind
from governance.evidence.models import Job
from governance.registry.models import Candidate
from governance.review.models import Finding
from governance.review.queries import current_pin
from tests.charts import documents as made
from tests.charts.documents import change, robust, segment, segments
from tests.factories import (
    GOLDEN,
    INTERPRETATION,
    a_candidate,
    a_model,
    approved,
    computed,
    document,
    interpreted,
    signed,
    suspended,
)
from tests.interfaces.pages import Browser, Page, address

pytestmark = pytest.mark.one_engine

MOST_QUERIES = 62


def trouble(content: dict[str, Any]) -> None:
    """The first group that is compared falls outside, the next needs review, a third has too few people."""
    compared = [row for grouping in content["groupings"] for row in grouping["groups"] if row["verdict"]]
    for row, verdict in zip(compared, ("outside", "review", "insufficient-data"), strict=False):
        row["verdict"] = verdict
        row["rate_ratio"] = {"value": 0.5, "low": 0.3, "high": 0.9}
        if verdict == "insufficient-data":
            row["n"], row["small_sample"] = 20, True


@pytest.fixture
def troubled(people: dict[str, Person]) -> Candidate:
    return computed(a_candidate(people, a_model(people)), fairness=trouble)


def text_of(page: Page) -> str:
    return " ".join(" ".join(page.text).split())


def queries(browser: Browser, candidate: Candidate) -> int:
    browser.decision(candidate)
    with CaptureQueriesContext(connection) as captured:
        browser.decision(candidate)
    return len(captured)


def test_the_page_takes_as_many_queries_however_much_is_on_record(people: dict[str, Person]) -> None:
    quiet = computed(a_candidate(people, a_model(people)))
    busy = interpreted(computed(a_candidate(people, a_model(people, "busy")), fairness=trouble), people["validator"])
    for number in range(5):
        open_finding(
            busy, by=people["officer"], title=f"Question {number}", detail="", severity="low", blocking=False
        )  # fmt: skip
        interpreted(busy, people["second_validator"])
    browser = Browser(people["validator"])
    few, many = queries(browser, quiet), queries(browser, busy)
    assert few <= MOST_QUERIES
    assert many <= MOST_QUERIES
    assert many - few <= 6, "queries grow with what is on record"


def test_trouble_stands_first_and_what_is_within_is_folded(people: dict[str, Person], troubled: Candidate) -> None:
    told = text_of(Browser(people["validator"]).decision(troubled))
    score = told[told.index("Scorecard", told.index("On this page") if "On this page" in told else 0) :]
    at = [score.index(word) for word in ("Outside", "Review", "Insufficient data", "checks within limits")]
    assert at == sorted(at)
    assert "never a pass" in told


def test_a_check_that_fails_links_to_its_finding(people: dict[str, Person], troubled: Candidate) -> None:
    body = Browser(people["validator"]).client.get(address(troubled)).content.decode()
    label = Finding.objects.get(candidate=troubled, check_result__isnull=False).label
    assert f'href="#{label.lower()}"' in body
    assert f'id="{label.lower()}"' in body


def test_an_open_blocking_finding_shuts_the_approving_choices(people: dict[str, Person], troubled: Candidate) -> None:
    interpreted(troubled, people["second_validator"])
    body = Browser(people["validator"]).client.get(address(troubled)).content.decode()
    radios = re.findall(r'<input type="radio" name="outcome" value="([a-z-]+)"([^>]*)>', body)
    assert {value for value, rest in radios if " disabled" in rest} == {"approve", "approve-with-conditions"}
    assert len(radios) == 5
    assert "Not open." in body


def test_a_signature_that_no_longer_counts_says_why(people: dict[str, Person]) -> None:
    candidate = interpreted(computed(a_candidate(people, a_model(people))), people["second_validator"])
    signed(candidate, people["validator"])
    open_finding(candidate, by=people["officer"], title="Late doubt", detail="", severity="high", blocking=True)
    told = text_of(Browser(people["auditor"]).decision(candidate))
    assert "No longer counts: a blocking finding was opened since." in told


def test_who_took_part_is_named_with_what_they_did(people: dict[str, Person], troubled: Candidate) -> None:
    told = text_of(Browser(people["scientist"]).decision(troubled))
    assert "Ines Marchetti (you)" in told
    assert "submitted this version" in told
    assert "owns the model" in told


def test_an_approved_version_shows_its_approval_and_only_the_acts_that_make_sense(people: dict[str, Person]) -> None:
    candidate = approved(people, a_model(people))
    page = Browser(people["officer"]).decision(candidate)
    assert page.says("The approval")
    assert page.form("/suspend/")
    assert page.form("/revoke/")
    assert not page.form("/reinstate/")
    assert not page.form("/sign/")
    assert not page.form("/withdraw/")
    assert not Browser(people["scientist"]).decision(candidate).form("/suspend/")
    suspended(candidate, people["officer"])
    page = Browser(people["second_officer"]).decision(candidate)
    assert page.form("/reinstate/")
    assert not page.form("/suspend/")
    assert page.says("Complaints from customers.")


def test_the_interpretations_are_shown_with_who_wrote_them(people: dict[str, Person], troubled: Candidate) -> None:
    interpreted(troubled, people["validator"])
    told = text_of(Browser(people["auditor"]).decision(troubled))
    assert told.count(INTERPRETATION) == 2
    assert "Mirela Popa , validator" in told or "Mirela Popa, validator" in told


def test_hostile_words_are_words(people: dict[str, Person]) -> None:
    hostile = "<script>alert(1)</script>\"'&"
    manifest = {**document_manifest(), "summary": hostile}
    candidate = computed(a_candidate(people, a_model(people, name=hostile), manifest=manifest), fairness=renamed(hostile))
    open_finding(candidate, by=people["officer"], title=hostile, detail=hostile, severity="low", blocking=False)
    body = Browser(people["validator"]).client.get(address(candidate)).content.decode()
    assert "<script>alert" not in body
    assert "&lt;script&gt;alert(1)" in body


def test_stability_and_changed_inputs_stand_in_their_sections(people: dict[str, Person]) -> None:
    hostile = "<script>alert(1)</script>\"'&"
    candidate = computed(
        a_candidate(people, a_model(people)),
        performance=lambda content: content.update(segments("levels", segment(hostile, 0.6, "worse"), segment("north", 0.8))),
        admission=lambda content: content.update(robust((hostile, [change("missing", 0.25)]))),
    )
    browser = Browser(people["validator"])
    body, told = browser.client.get(address(candidate)).content.decode(), text_of(browser.decision(candidate))
    assert "<script>alert" not in body
    assert "Stability along region: ROC AUC is clearly worse than in the other rows in 1 of 2 segments" in told
    assert f"A missing value in {hostile} changes 25 % of decisions." in told
    assert 'aria-labelledby="segments-1-t segments-1-d"' in body


def document_manifest() -> dict[str, Any]:
    return json.loads((GOLDEN / "manifest.json").read_text())


def renamed(hostile: str) -> Any:
    def change(content: dict[str, Any]) -> None:
        content["limitations"] = [hostile]

    return change


def test_while_evidence_is_computed_the_page_tells_how_far_it_is(people: dict[str, Person]) -> None:
    candidate = a_candidate(people, a_model(people))
    intake = Job.objects.get(candidate=candidate, kind=JobKind.INTAKE)
    claimed = jobs.claim_job(intake.pk)
    assert claimed is not None
    jobs.record_intake(claimed, errors=[], facts={})
    running = jobs.claim_job(Job.objects.get(candidate=candidate, kind=JobKind.FAIRNESS).pk)
    assert running is not None
    jobs.report_progress(running.id, running.lease, 0.4, "Scoring 400 rows")
    browser = Browser(people["validator"])
    for path in (address(candidate), address(candidate, "progress")):
        body = browser.client.get(path).content.decode()
        assert 'data-state="running"' in body
        assert "Scoring 400 rows" in body
        assert 'value="40"' in body
    jobs.record_failure(running, code="out-of-memory", detail="The work took more than 4 GiB.")
    page = browser.decision(candidate)
    assert page.says("out-of-memory")
    form = page.form("/rerun/", kind="fairness")
    assert form is not None
    assert browser.post(candidate, "rerun", {**form.fields, "reason": "More memory now."}).status_code == 302
    assert Job.objects.filter(candidate=candidate, kind=JobKind.FAIRNESS).count() == 2
    assert not Browser(people["scientist"]).decision(candidate).form("/rerun/")


def test_a_submission_that_could_not_be_opened_lists_its_faults_and_nothing_to_sign(people: dict[str, Person]) -> None:
    candidate = a_candidate(people, a_model(people))
    claimed = jobs.claim_job(Job.objects.get(candidate=candidate, kind=JobKind.INTAKE).pk)
    assert claimed is not None
    fault = {"pointer": "/manifest/target", "code": "unknown-column", "detail": "There is no column outcome."}
    jobs.record_intake(claimed, errors=[fault], facts={})
    page = Browser(people["scientist"]).decision(candidate)
    assert page.says("This submission could not be opened")
    assert page.says("/manifest/target: There is no column outcome.")
    assert not page.form("/sign/")
    assert not page.form("/interpretations/")


def test_the_evidence_document_is_handed_out_as_it_was_hashed(people: dict[str, Person], troubled: Candidate) -> None:
    for one in troubled.evidence.all():
        answer = Browser(people["auditor"]).client.get(f"{address(troubled)}evidence/{one.kind}/")
        assert digest(answer.content) == one.digest
    assert Browser(people["auditor"]).client.get(f"{address(troubled)}evidence/nothing/").status_code == 404


def test_a_finding_lives_on_the_page_from_opening_to_closing(people: dict[str, Person]) -> None:
    candidate = computed(a_candidate(people, a_model(people)))
    officer, scientist = Browser(people["officer"]), Browser(people["scientist"])
    form = officer.decision(candidate).form("/findings/", kind="data")
    assert form is not None
    written = {**form.fields, "title": "Where are the pensioners?", "blocking": "yes", "severity": "high"}
    assert officer.post(candidate, "findings", {**written, "title": "?"}).status_code == 400
    assert officer.post(candidate, "findings", written).status_code == 302
    finding = Finding.objects.get(candidate=candidate)
    assert finding.blocking
    assert officer.decision(candidate).says("Where are the pensioners?")
    answer = scientist.post(candidate, f"findings/{finding.number}/answer", {"text": "In the next extract."})
    assert answer.status_code == 302
    refused = scientist.post(candidate, f"findings/{finding.number}/close", {"text": "I say so."})
    assert refused.status_code == 403
    assert "I say so." in refused.content.decode()
    assert officer.post(candidate, f"findings/{finding.number}/lower", {"text": "Only few."}).status_code == 302
    assert officer.post(candidate, f"findings/{finding.number}/close", {"text": "Seen."}).status_code == 302
    told = text_of(officer.decision(candidate))
    for words in ("In the next extract.", "Only few.", "Seen.", "Closed"):
        assert words in told
    assert officer.client.post(f"{address(candidate)}findings/99/close/", {"text": "None."}).status_code == 404


def test_the_submitter_withdraws_and_nobody_else(people: dict[str, Person]) -> None:
    candidate = computed(a_candidate(people, a_model(people)))
    assert not Browser(people["colleague"]).decision(candidate).form("/withdraw/")
    scientist = Browser(people["scientist"])
    assert scientist.decision(candidate).form("/withdraw/")
    assert scientist.post(candidate, "withdraw", {"reason": "Wrong file."}).status_code == 302
    page = scientist.decision(candidate)
    assert page.says("Withdrawn")
    assert not page.form("/withdraw/")


def test_an_unknown_author_is_named_on_the_page_and_then_signs_nothing(people: dict[str, Person]) -> None:
    manifest = {**document_manifest(), "source": {"author": "m. popa"}}
    candidate = computed(a_candidate(people, a_model(people), manifest=manifest))
    scientist = Browser(people["scientist"])
    assert scientist.decision(candidate).says("The manifest names 'm. popa' as author")
    assert scientist.post(candidate, "author", {"person": "nobody.known"}).status_code == 400
    assert scientist.post(candidate, "author", {"person": "validator"}).status_code == 302
    assert Browser(people["validator"]).decision(candidate).form("/interpretations/") is None


def test_whose_decision_changes_where_scores_go_and_what_answers_rest_on_is_shown(people: dict[str, Person]) -> None:
    def changed(content: dict[str, Any]) -> None:
        content |= made.comparison(made.delta("roc_auc", 0.01)) | {
            "decisions_changed": [made.decided(400, 21, 17), made.decided(100, 3, 2, {"sex": "female"})],
            "score_migration": made.migrated([[40, 2], [0, 58]]),
            "importance_changes": made.weighed(("age", 1, 0.7, 2, 0.4), (made.HOSTILE[:16], 2, 0.3, None, None)),
        }

    candidate = computed(a_candidate(people, a_model(people)), comparison=changed)
    browser = Browser(people["validator"])
    told, written = text_of(browser.decision(candidate)), browser.client.get(address(candidate)).content.decode()
    for said in (
        "38 of 400 people (9.5 %) get another decision", "How those turned out whose decision changes",
        "2 of 100 scores (2.0 %; 95 % interval 1.0 % to 3.0 %) move by a band or more",
        "The weight of age changes most: now number 1 with 70 %",
    ):  # fmt: skip
        assert said in told
    assert written.count('id="score-migration-t"') == written.count('id="importance-changes-t"') == 1
    assert "</text><script" not in written


def few_refused(content: dict[str, Any]) -> None:
    """One group is too small; of another too few refusals would be expected to call it a pass."""
    small, unsure = [row for grouping in content["groupings"] for row in grouping["groups"] if row["verdict"]][:2]
    for row in (small, unsure):
        row["verdict"], row["rate_ratio"] = "insufficient-data", {"value": 1.0, "low": 0.9, "high": 1.1}
    small |= {"n": 20, "selected": 20, "small_sample": True}
    unsure |= {"selected": unsure["n"]}
    grouping = next(one for one in content["groupings"] if unsure in one["groups"])
    reference = next(row for row in grouping["groups"] if row["group"] == unsure["reference"])
    reference |= {"selected": reference["n"] - 1}


def test_why_a_comparison_is_no_pass_is_told_with_the_limit_that_it_misses(people: dict[str, Person]) -> None:
    candidate = computed(a_candidate(people, a_model(people)), fairness=few_refused)
    told = text_of(Browser(people["officer"]).decision(candidate))
    for said in (
        "fewer than the 30 that the policy asks for",
        "fewer than 5 of the refused would be expected in one of the two groups; too few to call it a pass",
        "For 1 group too few of the selected, or of the refused, would be expected to call it a pass.",
        "Insufficient data: too few people, selected and refused, to say; never a pass.",
    ):
        assert said in told


def test_a_policy_shows_how_many_people_a_pass_needs_and_an_earlier_one_that_it_asks_for_none(
    people: dict[str, Person], settings: Any, tmp_path: Path
) -> None:
    earlier = json.loads((settings.COUNTERSIGN_POLICY_FOLDER / "standard-1.json").read_text()) | {"name": "earlier"}
    del earlier["limits"]["minimum_expected_count"]
    path = tmp_path / "earlier-1.json"
    path.write_text(json.dumps(earlier))
    load_policy(path)
    browser = Browser(people["officer"])
    assert browser.page("/policies/standard/1/").says("at least 5 selected and 5 refused people expected in either group")
    assert browser.page("/policies/earlier/1/").says("no number of expected people")
    candidate = computed(a_candidate(people, a_model(people)), fairness=trouble)
    assert current_pin(candidate).policy.name == "earlier"
    assert browser.decision(candidate).says("fewer than the 30 that the policy asks for")


def test_every_golden_kind_has_a_section(people: dict[str, Person], troubled: Candidate) -> None:
    body = Browser(people["auditor"]).client.get(address(troubled)).content.decode()
    for anchor in ("fairness", "performance", "explanations", "data", "admission", "changes", "findings", "submission"):
        assert f'id="{anchor}"' in body, anchor
    assert document("fairness")["content"]["limitations"][0] in body


def test_the_page_shows_what_was_shown_then_and_offers_nothing(people: dict[str, Person]) -> None:
    candidate = approved(people, a_model(people))
    browser = Browser(people["officer"])
    before = candidate.approval.event.at - timedelta(milliseconds=1)
    suspended(candidate, people["officer"])
    then, now = browser.page(f"{address(candidate)}?as_of={before:%Y-%m-%dT%H:%M:%S.%f}"), browser.decision(candidate)
    for page, in_force, words in ((then, False, "What the gate said then"), (now, True, "What the gate says now")):
        assert page.says(words)
        assert (page.says("Suspended"), page.says("It was approved for"), page.says("As of")) == (in_force, in_force, True)
        assert any("csrfmiddlewaretoken" in form.fields and "/candidates/" in form.action for form in page.forms) == in_force
    assert then.says("Nothing can be done on this page.")


def test_the_page_of_then_leads_to_no_answer_of_now(people: dict[str, Person]) -> None:
    candidate = a_candidate(people, a_model(people))
    waiting = database_now()
    interpreted(computed(candidate), people["validator"])
    browser = Browser(people["validator"])
    for moment, present in ((waiting, False), (None, True)):
        asked = f"?as_of={moment:%Y-%m-%dT%H:%M:%S.%f}" if moment else ""
        text = browser.client.get(address(candidate) + asked).content.decode()
        said = ("awaited: you can sign", "Dossier as PDF", "Ask the gate")
        assert [one in text for one in said] == [present] * 3, moment
        assert "data-live" not in text


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("yesterday", "is no date"), ("2026-02-30", "is no date"), ("2999-01-01", "is yet to come"),
        ("2999-01-01 10:00", "is yet to come"), ("0001-01-01T00:00:00%2B14:00", "is no date"), ("9999-12-31", "is yet to come"),
        ("2001-01-01", "was not there yet"),
    ],
)  # fmt: skip
def test_a_moment_that_cannot_be_shown_is_said_on_the_page_of_now(asked: str, told: str, people: dict[str, Person]) -> None:
    candidate = a_candidate(people, a_model(people))
    browser = Browser(people["officer"])
    assert browser.client.get(f"{address(candidate)}?as_of={asked}").headers["Location"] == address(candidate)
    page = browser.decision(candidate)
    assert page.says(told)
    assert not page.says("Nothing can be done on this page.")
