"""Rule 10: rows, row ids and personal text stay out of the log and of what auditors get."""

import json

from governance.accounts.models import Person
from governance.actions.approval import suspend
from governance.actions.findings import answer_finding, open_finding
from governance.actions.people import deactivate_person
from governance.audit.models import AuditEvent
from governance.registry.visibility import sees_rows, visible_candidates, visible_events, visible_models
from tests.factories import CREDENTIALS, GOLDEN, PASSWORD, PEOPLE, a_candidate, a_model, approved, computed, document

REASON = "Because Mrs. Jane Q. Applicant of 12 Elm Street complained."


def test_no_personal_text_enters_the_log(people):
    model = a_model(people, developers=[people["colleague"]])
    candidate = approved(people, model)
    suspend(candidate, by=people["officer"], reason=REASON, credentials=CREDENTIALS)
    finding = open_finding(
        candidate, by=people["validator"], title=REASON, detail=REASON, severity="low", blocking=False
    )
    answer_finding(finding, by=people["colleague"], text=REASON)
    log = "\n".join(AuditEvent.objects.values_list("body", flat=True))
    for printed, _ in PEOPLE.values():
        assert printed not in log
    assert "Applicant" not in log
    assert "Evidence read" not in log
    assert PASSWORD not in log


def test_evidence_holds_no_row_id(people):
    manifest = json.loads((GOLDEN / "manifest.json").read_text())
    assert manifest["row_id"], "the golden submission declares one"
    for kind in ("performance", "fairness", "explainability", "data", "admission", "comparison"):
        content = json.dumps(document(kind)["content"])
        assert '"A0001"' not in content
        assert manifest["row_id"] not in content


def test_row_level_values_are_for_validators_and_developers(people):
    model = a_model(people, developers=[people["colleague"]])
    may = {name for name, person in people.items() if sees_rows(person, model)}
    assert may == {"validator", "second_validator", "both", "colleague"}


def test_somebody_deactivated_sees_nothing(people):
    model = a_model(people, developers=[people["scientist"]])
    computed(a_candidate(people, model))
    deactivate_person(people["validator"], by=people["administrator"])
    deactivate_person(model.current.owner, by=people["administrator"])
    deactivate_person(people["scientist"], by=people["administrator"])
    for leaver in (people["validator"], model.current.owner, people["scientist"]):
        gone = Person.objects.get(pk=leaver.pk)
        assert not visible_models(gone).exists()
        assert not visible_candidates(gone).exists()
        assert not visible_events(gone).exists()
        assert not sees_rows(gone, model)
    assert visible_models(people["auditor"]).exists()
