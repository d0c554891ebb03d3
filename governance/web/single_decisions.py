"""Single decisions: one row of the evaluation data, how its score came about, and the reasons that a refusal would give.

For whoever may see rows, and for nobody else. The row asked for stands in no address: the form is posted, and the answer has
an address of its own that only the person who asked can open, for ten minutes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from governance.actions.single_decision import (
    PARQUET,
    Explained,
    explanations,
    order_single_decision,
    require_reader,
)
from governance.audit.errors import Refused
from governance.evidence import single_decisions
from governance.evidence.reproductions import BrokerAway
from governance.evidence.single_decisions import Question
from governance.registry import storage
from governance.registry.models import Candidate
from governance.registry.visibility import sees_rows
from governance.web.base import PersonView, candidate_or_404, faults_of
from governance.web.decision_case import Case
from governance.web.pages import Crumb, Fact, Fault, Faults, Field, FieldRow, Link, Option
from reports.charts.explanations import OUTPUTS
from reports.charts.figure import Figure, Table
from reports.charts.reasons import NONE_FOR, agreement, population_sentence, reasons_table, remarks
from reports.charts.waterfall import waterfall
from reports.charts.words import count, figure, figure_beside, isolated, plural, sentence_case

TEMPLATE = "web/single_decisions.html"
TITLE = "Single decisions"
NOT_KEPT = "What was found is no longer kept: an answer lies ready for ten minutes, for the person who asked. Ask again."
TROUBLE = {
    "failed": "The worker could not look into the files. Ask again; if it happens again, ask whoever runs the workers.",
    "unreadable": "The answer cannot be read: the web server and the workers have different secret keys "
    "(COUNTERSIGN_SECRET_KEY). Ask whoever runs them.",
}
LONGEST_SHOWN = 120
KEPT = "What you wrote is kept below."
ABOUT = (
    "Reasons follow 12 CFR 1002.9(b)(2) (Regulation B) and comment 9(b)(2)-5: the features whose contribution fell furthest on "
    "the wrong side of the average. At most four are given, in the words of the manifest's reason_codes, signed with it."
)


@dataclass(frozen=True)
class ReasonsBlock:
    """The reasons by one comparison: whose average, the table, and what has to be said of it."""

    sentence: str
    table: Table
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class FoundRow:
    facts: tuple[Fact, ...]
    figures: tuple[Figure, ...]
    folded: tuple[Figure, ...]
    folded_summary: str
    reasons: tuple[ReasonsBlock, ...]
    agreement: str
    no_reasons: str


@dataclass(frozen=True)
class SingleDecisionsPage:
    """`shut` says why nothing can be looked up; `live`, set while a worker looks, is where to ask again; `downloads` are files
    of all rows.
    """

    crumbs: tuple[Crumb, ...]
    lead: str
    action: str
    fields: tuple[FieldRow, ...] = ()
    downloads: tuple[Link, ...] = ()
    shut: str = ""
    faults: Faults | None = None
    live: str = ""
    trouble: str = ""
    unknown: str = ""
    found: FoundRow | None = None
    about: str = ABOUT
    title: str = TITLE


def address(case: Case) -> str:
    """Where this person looks single rows up; empty for who may not, and while there are no explanations."""
    if "explainability" not in case.documents or not sees_rows(case.viewer, case.candidate.model):
        return ""
    return reverse("candidate_single_decisions", args=[case.candidate.pk])


class RowsView(PersonView):
    """Raises Refused `rows-not-shown` for who may see the candidate, but no rows of it."""

    def candidate(self, pk: UUID) -> Candidate:
        one = candidate_or_404(self.person, pk)
        require_reader(one, self.person)
        return one

    def shown(self, one: Candidate, *, given: Mapping[str, str] | None = None, status: int = 200, **more: Any) -> HttpResponse:
        return self.page(TEMPLATE, _page(one, given or {}, **more), status=status)


class SingleDecisions(RowsView):
    def get(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        return self.shown(self.candidate(candidate))

    def post(self, request: HttpRequest, candidate: UUID) -> HttpResponse:
        one = self.candidate(candidate)
        given = {name: request.POST.get(name, "") for name in ("row_id", "position", "explanation")}
        try:
            order = order_single_decision(
                one, by=self.person, row_id=given["row_id"], position=given["position"],
                explanation=_number(given["explanation"]),
            )  # fmt: skip
        except Refused as refused:
            return self.shown(one, given=given, status=refused.status, faults=faults_of(refused, "Not looked up", KEPT))
        return redirect("candidate_single_decision", candidate, order)


class OneSingleDecision(RowsView):
    def get(self, request: HttpRequest, candidate: UUID, order: UUID) -> HttpResponse:
        one = self.candidate(candidate)
        try:
            told = single_decisions.answer_of(one.pk, order, by=self.person.pk)
            question = single_decisions.question_of(one.pk, order) if told else None
        except BrokerAway as problem:
            raise Refused("workers-away", "The answer cannot be reached now; ask again in a while.", status=503) from problem
        if told is None or question is None:
            return self.shown(one, trouble=NOT_KEPT, status=404)
        return self.shown(one, given=_asked(one, question), **_told(told, request.path))


class AllRows(RowsView):
    """The contributions to every explained row, of submitted columns or of encoded ones, as the API gives them."""

    def get(self, request: HttpRequest, candidate: UUID, columns: str) -> FileResponse:
        one = self.candidate(candidate)
        explained, number = explanations(one), _number(request.GET.get("explanation", ""))
        file = _files(explained[number]).get(columns, "") if 0 <= number < len(explained) else ""
        if not file:
            raise Http404
        name = f"{one.model.slug}-{one.version}-contributions-{columns}-{number + 1}.parquet"
        return FileResponse(storage.open_blob(file), content_type=PARQUET, as_attachment=True, filename=name)


def _files(one: Explained) -> dict[str, str]:
    """The digests of files that are there, by what their columns are."""
    return {"submitted": one.file, **({"encoded": one.encoded_file} if one.encoded_file else {})}


def _number(text: str) -> int:
    """Which explanation: the first where none is named; none at all for what is no small number."""
    text = text.strip() or "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1


def _asked(one: Candidate, question: Question) -> dict[str, str]:
    """What the form held."""
    parts = [explained.parts for explained in _looked_into(one)[0]]
    position = "" if question.position is None else str(question.position)
    number = parts.index(question.explanation) if question.explanation in parts else 0
    return {"row_id": question.row_id or "", "position": position, "explanation": str(number)}


def _looked_into(one: Candidate) -> tuple[tuple[Explained, ...], str]:
    """The explanations whose values are there, or why there are none."""
    try:
        return explanations(one), ""
    except Refused as refused:
        return (), refused.detail


def _page(one: Candidate, given: Mapping[str, str], **more: Any) -> SingleDecisionsPage:
    explained, shut = _looked_into(one)
    name, here = one.model.current.name, reverse("candidate", args=[one.pk])
    return SingleDecisionsPage(
        crumbs=(
            Crumb("Models", reverse("models")),
            Crumb(name, reverse("model", args=[one.model.slug])),
            Crumb(f"Version {one.version}", here),
            Crumb(TITLE),
        ),
        lead="One row of the evaluation data: how its score came about, and what a refusal would give as reasons. "
        "Nothing of it is recorded, printed or logged; an answer lies ready for ten minutes, for you alone.",
        action=reverse("candidate_single_decisions", args=[one.pk]),
        fields=() if shut else _fields(json.loads(one.manifest), explained, given, more.get("faults")),
        downloads=_downloads(one, explained),
        shut=shut,
        **more,
    )


def _fields(
    manifest: Mapping[str, Any], explained: tuple[Explained, ...], given: Mapping[str, str], faults: Faults | None
) -> tuple[FieldRow, ...]:
    def field(name: str, label: str, **more: Any) -> Field:
        wrong = [Fault(one.what, one.mend, one.code) for one in (faults.errors if faults else ()) if one.field == name]
        return Field(name, label, value=given.get(name, ""), error=wrong[0] if wrong else None, **more)

    named, position = manifest.get("row_id"), "0 for the first row."
    first = [field("row_id", f"Row id ({isolated(named)})", help="As it is written in the file.")] if named else []
    help_ = f"If no id is given: {position}" if named else sentence_case(position)
    rows = [FieldRow((*first, field("position", "Position", inputmode="numeric", help=help_)))]
    if len(explained) > 1:
        options = tuple(Option(str(at), _in_words(one.parts)) for at, one in enumerate(explained))
        rows.append(FieldRow((field("explanation", "Explanation", kind="choice", options=options),)))
    return tuple(rows)


def _downloads(one: Candidate, explained: tuple[Explained, ...]) -> tuple[Link, ...]:
    notes = {"encoded": "as the model’s last step sees them"}
    return tuple(
        Link(
            f"{_kind_in_words(each.parts)}, by {columns} column",
            f"{reverse('candidate_all_rows', args=[one.pk, columns])}?explanation={number}",
            note=notes.get(columns, ""),
        )
        for number, each in enumerate(explained)
        for columns in _files(each)
    )


def _in_words(parts: Mapping[str, str]) -> str:
    return f"{_kind_in_words(parts)}, of {parts['players'].replace('-', ' ')}"


def _kind_in_words(parts: Mapping[str, str]) -> str:
    return f"{sentence_case(parts['perturbation'])}, in {OUTPUTS.get(parts['output'], parts['output'])}"


# ---------- the answer ----------


def _told(told: Mapping[str, Any], here: str) -> dict[str, Any]:
    if told["state"] == "waiting":
        return {"live": here}
    if told["state"] != "done":
        return {"trouble": TROUBLE[told["state"]]}
    answer = told["answer"]
    return {"unknown": _unknown(answer)} if "unknown" in answer else {"found": _found(answer)}


def _unknown(answer: Mapping[str, Any]) -> str:
    cause = answer["unknown"]
    if cause == "purged":
        return "The evaluation data are no longer kept: they were purged, and only the aggregates stay."
    there = f"There are {count(answer['rows'])} rows, at the positions 0 to {count(answer['rows'] - 1)}."
    if cause == "row-id":
        return f"No row of the evaluation data has this id. {there} An id is compared letter by letter."
    if cause == "position":
        return f"There is no row at this position. {there}"
    near = [count(answer[name]) for name in ("before", "after") if answer[name] is not None]
    explained = f"Of {count(answer['rows'])} rows {count(answer['rows_explained'])} were explained; the one at position "
    return f"{explained}{count(answer['row'])} was not. The nearest that were stand at {' and '.join(near)}."


def _found(answer: Mapping[str, Any]) -> FoundRow:
    figures = [waterfall(answer, number) for number in _order(answer)]
    return FoundRow(
        facts=_facts(answer),
        figures=tuple(figures[:1]),
        folded=tuple(figures[1:]),
        folded_summary=plural(len(figures) - 1, "further class", "further classes"),
        reasons=tuple(
            ReasonsBlock(population_sentence(answer, number), reasons_table(answer, number), remarks(answer, number))
            for number in range(len(answer["reasons"]))
        ),
        agreement=agreement(answer),
        no_reasons=NONE_FOR.get(answer["no_reasons"], ""),
    )


def _order(answer: Mapping[str, Any]) -> list[int]:
    """The class that was decided first, then the others as they come."""
    numbers = range(len(answer["parts"]))
    return sorted(numbers, key=lambda number: answer["parts"][number]["class"] != answer["decision"])


def _facts(answer: Mapping[str, Any]) -> tuple[Fact, ...]:
    facts = [Fact("Position", count(answer["row"]), f"of 0 to {count(answer['rows'] - 1)}")]
    if answer["row_id"] is not None:
        facts.insert(0, Fact("Row id", isolated(_shortened(answer["row_id"]))))
    score, threshold = answer["score"], answer["threshold"]
    if threshold is not None:
        facts += [Fact("Score", figure_beside(score, threshold)), Fact("Cut-off", figure(threshold))]
    elif isinstance(score, Mapping):
        facts.append(Fact("Score", figure(score[answer["decision"]]), f"the largest of {count(len(score))} classes"))
    else:
        facts.append(Fact("Prediction", figure(score)))
    if answer["decision"] is not None:
        wanted = "favourable" if answer["favoured"] else "not favourable"
        facts.append(Fact("Decision", isolated(str(answer["decision"])), wanted))
    return tuple(facts)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({count(len(text))} characters)"
