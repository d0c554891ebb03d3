"""Sections 14 to 24: validation, findings, changes, and the parts that people fill in."""

from __future__ import annotations

from typing import Any

from reports import charts
from reports.charts import Verdict
from reports.dossier import words
from reports.dossier.blocks import (
    Missing,
    bullets,
    chart_table,
    code,
    entries,
    heading,
    missing,
    not_applicable,
    paragraph,
    quoted,
    verdict,
)
from reports.dossier.facts import Facts
from reports.dossier.html import Markup, Node, join, tag
from reports.dossier.parts_record import NO_FORM, Body, deployments_table

MOST_FINDINGS = 60


def no_form(facts: Facts) -> Body:
    return Missing(NO_FORM)


def validation(facts: Facts) -> Body:
    signed = [one for one in facts.decision["signatures"] if "validator" in one["roles"]]
    said = [
        quoted(
            f"{words.outcome(one['outcome'])}: {one['reason']}", by=one["printed_name"], held=one["roles"], at=one["at"]
        )
        for one in signed
    ]
    return [
        paragraph(
            "Scope: the evidence in sections 8 to 13, of the very files named in section 26. Independence: nobody who took "
            "part in making the version, or another version of the model within 24 months, can sign; the product refuses it."
        ),
        _parties(facts),
        heading("Challenge data"),
        *_challenge_data(facts),
        heading("Conclusions and recommendation"),
        *(said or [paragraph(missing("No validator has signed."))]),
        heading("Conclusions per part"),
        paragraph("Interpretations of explanations and fairness stand in sections 10 and 11."),
        heading("Challenge log"),
        *_challenges(facts),
    ]


def _parties(facts: Facts) -> Markup:
    made = [
        f"{facts.identity['submitted_by']} (submitted)",
        *([f"{facts.record['owner']} (owner)"] if facts.record["owner"] else []),
        *[f"{name} (developer)" for name in facts.record["developers"]],
    ]
    decided = [
        f"{one['printed_name']} ({words.roles(one['roles'])})" for one in facts.decision["signatures"] if one["counts"]
    ]
    return entries(
        [
            ("Made it", words.listed(list(dict.fromkeys(made)))),
            ("Decided on it", words.listed(decided) or "Nobody yet"),
        ]
    )


BESIDE = {"performance": charts.performance_beside, "fairness": charts.fairness_beside}


def _challenge_data(facts: Facts) -> list[Node]:
    """What validators brought, and the figures on the set that counts beside the submitter's."""
    sets = facts.document["challenges"]
    if not sets:
        asked = facts.policy["challenge_required"]
        return [paragraph(missing("The policy asks for it.") if asked else "No validator has brought data of his own.")]
    shown: list[Node] = []
    for kind, beside in BESIDE.items():
        submitted, challenge = facts.evidence.get(kind), facts.evidence.get(f"challenge-{kind}")
        if submitted and challenge and (drawn := beside(submitted.content, challenge.content)).rows:
            shown.append(chart_table(drawn, f"evidence-challenge-{kind}.json"))
    return [
        *[node for one in sets for node in _challenge_set(one)],
        *shown,
        paragraph(
            "The policy’s checks are judged on the submitter’s data; the verdicts on the challenge data are those that its "
            "own evidence carries."
        ),
    ]


def _challenge_set(one: dict[str, Any]) -> list[Node]:
    state = {
        "computed": "its figures count" if one["counts"] else "replaced by a later one",
        "failed": f"no figures could be computed ({one['code']}); it counts as not there",
        "computing": "its figures are being computed",
    }[one["state"]]
    told = f"Challenge data {one['number']} ({one['format']}, {words.size(one['size'])}): {state}. Digest "
    return [paragraph(told, code(one["digest"]), "."), quoted(one["note"], by=one["by"], held=(), at=one["at"])]


def _challenges(facts: Facts) -> list[Node]:
    """Findings that a person raised, as questions and answers."""
    raised = [one for one in facts.findings if one["by"]]
    if not raised:
        return [paragraph("No person has raised a finding.")]
    return [
        bullets(f"{one['label']} by {one['by']}: {one['title']} ({one['state']})" for one in raised[:MOST_FINDINGS])
    ]


def findings(facts: Facts) -> Body:
    found = facts.findings
    if not found:
        return [paragraph("No finding is on record."), *_conditions(facts)]
    tally = {
        state: sum(one["state"] == state for one in found) for state in dict.fromkeys(one["state"] for one in found)
    }
    counted = ", ".join(f"{number} {state}" for state, number in tally.items())
    left = len(found) - MOST_FINDINGS
    return [
        paragraph(f"{words.counted(len(found), 'finding', 'findings')}: {counted}.", class_="lead"),
        *[_finding(one) for one in found[:MOST_FINDINGS]],
        paragraph(f"{left} more findings are in the attached findings.csv.", class_="meta") if left > 0 else None,
        *_conditions(facts),
    ]


def _finding(one: dict[str, Any]) -> Markup:
    blocks = "blocks the approval" if one["blocks"] else "does not block"
    opened = f"opened {words.moment(one['at'])} UTC by {one['by'] or 'a check of the policy'}"
    return tag(
        "div",
        tag("h4", f"{one['label']} ", one["title"]),
        paragraph(f"{one['severity'].capitalize()}, {one['state']}, {blocks}; {opened}.", class_="meta"),
        paragraph(one["detail"], class_="said") if one["detail"].strip() else None,
        *[
            quoted(
                f"{step['kind'].capitalize()}: {step['text']}", by=step["by"] or "the policy", held=(), at=step["at"]
            )
            for step in one["changes"]
        ],
        class_="finding",
    )


def _conditions(facts: Facts) -> list[Node]:
    conditions = facts.approval["conditions"] if facts.approval else []
    return [
        heading("Conditions"),
        bullets(f"C-{at}: {words.condition(one)}" for at, one in enumerate(conditions, start=1))
        if conditions
        else paragraph("None."),
        heading("Waivers"),
        paragraph(not_applicable("This release grants no waivers.")),
    ]


def changes(facts: Facts) -> Body:
    previous = facts.manifest.get("previous")
    summary = facts.texts["summary"]
    return [
        entries(
            [
                ("What changed and why", tag("span", summary, class_="said") if summary.strip() else None),
                ("Follows", code(str(previous)) if previous else "No earlier candidate is named."),
                ("Class of the change", missing(NO_FORM)),
                ("Changes agreed beforehand", missing(NO_FORM)),
            ]
        ),
        paragraph("Other versions of the model are listed in section 3."),
        *_requests(facts),
    ]


def _requests(facts: Facts) -> list[Node]:
    """What reviewers sent back, with the answer to each, and the text that the last answer took the place of."""
    texts = facts.texts
    if not texts["requests"]:
        return []
    revisions = {one["number"]: one for one in texts["revisions"]}
    said: list[Node] = []
    for one in texts["requests"]:
        said.append(quoted(f"Changes requested: {one['text']}", by=one["by"], held=one["roles"], at=one["at"]))
        answer = revisions.get(one["answered_by"])
        if answer is None:
            said.append(paragraph(missing("Not answered yet.")))
            continue
        told = f"Answered with text revision {answer['number']}: {answer['answer']}"
        said += [quoted(told, by=answer["by"], held=("data-scientist",), at=answer["at"]), paragraph(code(answer["digest"]))]
    first = facts.manifest["summary"]
    if revisions:
        said.append(paragraph(f"As submitted, the text read: “{first}”" if first.strip() else "As submitted, there was no text."))
    return [heading("Requests for changes and their answers"), *said]


def monitoring(facts: Facts) -> Body:
    return [
        paragraph(missing("This release has no monitoring: neither a plan nor results are on record.")),
        heading("What runs where"),
        deployments_table(facts),
    ]


def third_parties(facts: Facts) -> Body:
    return [entries([("Origin", facts.record["origin"]), ("Vendors and dependencies", missing(NO_FORM))])]


def clauses(facts: Facts) -> Body:
    return Missing(
        "No rule pack is part of this release, so that clauses cannot be listed one by one. The line below each section’s "
        "title names what that section answers."
    )


def declaration(facts: Facts) -> Body:
    return Missing("Nobody has uploaded one: this release has no place for it.")


def reading(facts: Facts) -> list[Node]:
    """How to read the dossier: what each verdict means, for readers who have never seen one."""
    meanings: list[tuple[Verdict, str]] = [
        (Verdict.OUTSIDE, "the value breaks the policy’s limit, and chance does not explain it"),
        (
            Verdict.REVIEW,
            "the value breaks the limit and chance could explain it, or only its interval breaks the limit",
        ),
        (Verdict.INSUFFICIENT, "too few people on one side, or too few selected or refused, to judge; never a pass"),
        (Verdict.WITHIN, "value and interval keep the limit"),
        (Verdict.NOT_APPLICABLE, "not held against the limit, for the reason given; never a pass"),
        (Verdict.ERROR, "the figure could not be computed; never a pass"),
    ]
    return [
        tag("h3", "How to read it"),
        tag("ul", *[tag("li", verdict(mark), f": {said}.") for mark, said in meanings], class_="legend"),
        paragraph(
            join([tag("b", "MISSING"), " marks what a reader may look for and this dossier does not hold. "]),
            "Figures in brackets are 95 % intervals. Times are in UTC.",
        ),
    ]
