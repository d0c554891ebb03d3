"""The gate and what was done with its answers: deployed after a no, or without asking."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from governance.accounts.models import Token
from governance.release.ledger import deployments
from governance.release.models import Deployment, GateQuestion
from governance.release.questions import DENIED_WITHIN, denied_and_deployed, unasked_deployments
from governance.web.deployments_page import COLUMNS, by_whom, counted, deployment_rows, judged, what
from governance.web.report import Part, Report, Scope, event_cell
from governance.web.tables import Cell, Column, Row


def _denied(found: Iterable[Any], scope: Scope) -> Iterator[Row]:
    rows = list(found)
    questions = GateQuestion.objects.in_bulk({one.question for one in rows})
    tokens = Token.objects.select_related("service_account", "person").in_bulk({one.token for one in questions.values()})
    for one in rows:
        question = questions[one.question]
        yield (
            *what(one),
            Cell(digest=one.digest),
            Cell(at=question.at, sub=_asker(tokens.get(question.token))),
            Cell(counted(json.loads(question.body)["codes"])),
            event_cell(one.event_id, one.deployed_at),
            by_whom(one),
            judged(one),
        )


def _asker(token: Token | None) -> str:
    if token is None:
        return ""
    return f"service account {token.service_account}" if token.service_account else str(token.person)


def _unasked(scope: Scope) -> Any:
    """Rows of the ledger, so that each is told in the ledger's words."""
    rows: Any = deployments(scope.models).filter(**scope.within("deployed_at"))
    return rows.filter(pk__in=unasked_deployments(scope.models).order_by().values("pk"))


def _of_days(scope: Scope) -> Any:
    rows: Any = denied_and_deployed(scope.models)
    return rows.filter(**scope.within("deployed_at"))


def _rows(found: Iterable[Deployment], scope: Scope) -> Iterator[Row]:
    return deployment_rows(found)


GATE = Report(
    "gate",
    "Against the gate’s answer, or without asking",
    "Deployments of the days chosen where a pipeline was told no and went on, or never asked.",
    (
        Part(
            "denied", "Denied, then deployed",
            f"The last answer about this very file in this environment, at most {DENIED_WITHIN.days} days before, was a no; "
            "newest first. A token that may not ask about the model was told nothing about it.",
            "No deployment of these days followed a no of the gate.",
            (
                Column("Model", "Version"), Column("Environment"), Column("File"), Column("Denied", "Asked by", css="nowrap"),
                Column("Why"), Column("Deployed", css="nowrap"), Column("By", "Through", css="by"),
                Column("The gate when deployed", "Why not"),
            ),
            _of_days, _denied,
        ),
        Part(
            "unasked", "Deployed without a yes",
            "Within the hour before, nobody was told that this file may run there; newest first. A yes is good for an hour.",
            "Before every deployment of these days the gate was asked, and it said yes.",
            COLUMNS, _unasked, _rows,
        ),
    ),
)  # fmt: skip
