"""Looking up one row of a candidate's evaluation data. It records nothing: the row is personal data (rule 10)."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass

from governance.accounts.models import Person
from governance.audit.errors import BadInput, Refused, fault
from governance.evidence import single_decisions
from governance.evidence.judged import judged_run
from governance.evidence.kinds import Kind
from governance.evidence.reproductions import BrokerAway
from governance.evidence.single_decisions import Question
from governance.registry import storage
from governance.registry.models import Candidate
from governance.registry.visibility import sees_rows

QUESTIONS_AN_HOUR = 200
LONGEST_ID = 1 << 15
"""As long as a cell of a table may be."""
POSITION = re.compile(r"[0-9]{1,9}")
WHO_SEES_ROWS = "Values of single rows are shown to validators and to the developers named in the model's record."
PURGED = "The values of single rows are no longer kept: they were purged, and only the aggregates stay."
PARTS = ("perturbation", "output", "players")
PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True)
class Explained:
    """One explanation whose values are stored: which it is, whether it is one of several classes, and its files.

    `encoded_file` is empty where no contributions of encoded columns are kept.
    """

    parts: dict[str, str]
    several: bool
    file: str
    encoded_file: str = ""


def require_reader(candidate: Candidate, person: Person) -> None:
    """Raises Refused `rows-not-shown`."""
    if not sees_rows(person, candidate.model):
        raise Refused("rows-not-shown", WHO_SEES_ROWS, who="validator, or a developer of the model")


def explanations(candidate: Candidate) -> tuple[Explained, ...]:
    """Those whose values can be looked into, the first one being the one that counts.

    Raises Refused: `not-computed`, `no-values` (predictions without a model), `values-purged`.
    """
    evidence = judged_run(candidate.pk, Kind.EXPLAINABILITY)
    if evidence is None:
        raise Refused("not-computed", "The explanations of this version are not computed yet.", status=409)
    stored, told = json.loads(evidence.provenance).get("values") or [], evidence.document.get("explanations") or []
    if not stored:
        detail = "There are no contributions of single rows: no explanation of this version could be computed."
        raise Refused("no-values", f"{detail} The limits of its explanations say why.", status=409)
    several = {tuple(one.get(name) for name in PARTS) for one in told if one.get("class") is not None}
    there = [one for one in stored if storage.exists(one["file"])]
    if not there:
        raise Refused("values-purged", PURGED, status=409)
    return tuple(
        Explained(
            {name: str(one[name]) for name in PARTS}, tuple(one[name] for name in PARTS) in several, one["file"],
            encoded_file=encoded if (encoded := one.get("encoded_file", "")) and storage.exists(encoded) else "",
        )
        for one in there
    )  # fmt: skip


def order_single_decision(
    candidate: Candidate, *, by: Person, row_id: str = "", position: str | int = "", explanation: int = 0
) -> uuid.UUID:
    """Have a worker look up the row of this id or, without one, at this 0-based position; returns where the answer will be.

    Raises
    ------
    Refused : as `require_reader` and `explanations`; `too-many-questions`, `workers-away`. BadInput : no such question.
    """
    require_reader(candidate, by)
    explained = explanations(candidate)
    question = _question(candidate, by, row_id, str(position).strip(), explained, explanation)
    try:
        if single_decisions.count_question(by.pk, int(time.time()) // single_decisions.HOUR_SECONDS) > QUESTIONS_AN_HOUR:
            detail = f"You have looked up {QUESTIONS_AN_HOUR} rows in this hour; go on in the next."
            raise Refused("too-many-questions", detail, status=429)
        return single_decisions.begin(candidate.pk, question)
    except BrokerAway as problem:
        raise Refused("workers-away", "No worker can be reached now; ask again in a while.", status=503) from problem


def _question(
    candidate: Candidate, by: Person, row_id: str, position: str, explained: tuple[Explained, ...], number: int
) -> Question:
    faults = []
    if not 0 <= number < len(explained):
        faults.append(fault("/explanation", "unknown-value", f"There are {len(explained)} explanations, counted from 0."))
    if row_id.strip():
        faults += _faults_of_id(candidate, row_id)
    elif not position:
        faults.append(fault("/row_id", "required", "Name a row: by its id, or by its position."))
    elif not POSITION.fullmatch(position):
        faults.append(fault("/position", "wrong-type", "A position is a whole number: 0 for the first row, 1 for the second."))
    if faults:
        raise BadInput(faults)
    chosen = explained[number].parts
    return Question(by.pk, chosen, row_id=row_id) if row_id.strip() else Question(by.pk, chosen, position=int(position))


def _faults_of_id(candidate: Candidate, row_id: str) -> list[dict[str, str]]:
    if not json.loads(candidate.manifest).get("row_id"):
        return [fault("/row_id", "no-row-id", "This version names no column of row ids; ask by position.")]
    if len(row_id) > LONGEST_ID:
        detail = f"The id has {len(row_id):,} characters; none can have more than {LONGEST_ID:,}."
        return [fault("/row_id", "too-long", detail)]
    return []
