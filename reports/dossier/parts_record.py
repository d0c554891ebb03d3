"""Sections 0 to 7: what is on record about the model, the decision, and what the checks add up to."""

from __future__ import annotations

import json
from typing import Any

from reports.charts import Verdict
from reports.dossier import words
from reports.dossier.blocks import (
    Cell,
    Missing,
    bullets,
    code,
    entries,
    heading,
    missing,
    not_applicable,
    paragraph,
    quoted,
    table,
    verdict,
)
from reports.dossier.facts import Check, Facts
from reports.dossier.html import Markup, Node, join, tag
from reports.dossier.ruling import ruling, untested

Body = list[Node] | Missing
NO_FORM = "Not recorded: this release has no form for it."
MOST_REASONS = 12


def document_control(facts: Facts) -> Body:
    policy = facts.policy
    return [
        entries(
            [
                ("Dossier", facts.number),
                ("Model", facts.record["name"]),
                ("Inventory entry", facts.identity["model"]),
                ("Version", str(facts.identity["version"])),
                ("Status", f"{facts.status}: {'approved' if facts.final else 'not approved'}"),
                ("Model file", code(facts.identity["artifact"]["digest"])),
                ("File that the gate allows", _deployable(facts)),
                ("Policy", f"{policy['title']} ({policy['name']} {policy['version']}), tier {policy['tier']}"),
                ("Digest of the policy", code(policy["digest"])),
                ("Rule packs", missing("No rule pack is part of this release.")),
                ("Facts in this dossier", code(facts.made["facts"])),
                ("As of", f"{words.to_the_second(facts.made['at'])} UTC, the database’s clock"),
                ("Made by", f"Countersign {facts.made['product']}, {facts.document['instance']['url']}"),
                ("Language", "English"),
            ]
        )
    ]


def _deployable(facts: Facts) -> Node:
    if facts.identity["deployable"] is None:
        return missing("Only predictions were submitted, and the manifest names no deployable file.")
    same = facts.identity["deployable"] == facts.identity["artifact"]["digest"]
    return "The model file" if same else code(facts.identity["deployable"])


def decision(facts: Facts) -> Body:
    made = ruling(facts)
    return [
        paragraph(verdict(made.mark, made.word), ". ", made.detail, class_="lead"),
        _approval(facts),
        heading("Where it may run"),
        _environments(facts),
        heading("Conditions and restrictions of use"),
        _conditions(facts.approval["conditions"] if facts.approval else None),
        heading("Signatures"),
        *_signatures(facts),
        *_letters(facts),
        *_acts(facts),
        heading("Waivers in force"),
        paragraph(not_applicable("This release grants no waivers.")),
    ]


def _approval(facts: Facts) -> Markup | None:
    approval = facts.approval
    if approval is None:
        return None
    return entries(
        [
            ("Approval", f"{approval['kind'].capitalize()}, {approval['state']}"),
            ("From", f"{words.to_the_second(approval['valid_from'])} UTC"),
            ("Until", f"{words.to_the_second(approval['valid_until'])} UTC (that moment not included)"),
            ("Next review", f"Before {words.day(approval['valid_until'])}, when the approval ends"),
            ("Closing statement", code(approval["digest"])),
        ]
    )


def _environments(facts: Facts) -> Markup:
    rows: list[tuple[Cell, ...]] = []
    for names, one in _alike(facts.decision["environments"]):
        answer, state = _answer(one), one["state"] or "no approval here"
        rows.append((words.listed(names), answer, state, _reasons(one["reasons"])))
    return table(
        ("Environment", "The gate’s answer", "Approval", "Why not"),
        rows,
        caption=f"The gate’s answers as of {words.moment(facts.made['at'])} UTC",
        widths=(13, 22, 15, 50),
    )


def _alike(environments: list[dict[str, Any]]) -> list[tuple[list[str], dict[str, Any]]]:
    """Environments of which the gate says the same, told once."""
    found: list[tuple[list[str], dict[str, Any]]] = []
    for one in environments:
        same = next((names for names, other in found if {**other, "name": ""} == {**one, "name": ""}), None)
        if same is None:
            found.append(([one["name"]], one))
        else:
            same.append(one["name"])
    return found


def _answer(one: dict[str, Any]) -> Markup:
    """The gate was asked without naming a use; an approval that is limited to uses is no plain no."""
    if one["allowed"]:
        return verdict(Verdict.WITHIN, "Allowed")
    if {reason["code"] for reason in one["reasons"]} == {"use-not-approved"}:
        return verdict(Verdict.WITHIN, "Allowed, for named uses")
    return verdict(Verdict.OUTSIDE, "Denied")


def _reasons(reasons: list[dict[str, str]]) -> Node:
    if not reasons:
        return words.NOTHING
    told = [join([code(one["code"]), " ", one["detail"]]) for one in reasons[:MOST_REASONS]]
    left = len(reasons) - MOST_REASONS
    return bullets([*told, f"{left} more reasons"] if left > 0 else told)


def _conditions(conditions: list[dict[str, Any]] | None) -> Markup:
    if conditions is None:
        return paragraph("There is no approval, and so there are no conditions.")
    if not conditions:
        return paragraph("None. The approval is limited by its environments and its end date alone.")
    rows = [
        (f"C-{at}", words.condition(one), str(one.get("owner") or words.NOTHING), _due(one))
        for at, one in enumerate(conditions, start=1)
    ]
    header = ("Condition", "What it asks", "Owner", "Due")
    return table(header, rows, caption="Conditions of the approval", widths=(10, 60, 15, 15))


def _due(condition: dict[str, Any]) -> str:
    return words.day(condition["due"]) if condition.get("due") else words.NOTHING


def _signatures(facts: Facts) -> list[Node]:
    signatures = facts.decision["signatures"]
    titles = {one["key"]: one for one in facts.decision["stages"]}
    seats = [
        (stage["title"], words.role(seat["role"]), "signed" if seat["signature"] else "not signed")
        for stage in facts.decision["stages"]
        for seat in stage["seats"]
    ]
    blocks: list[Node] = [
        table(
            ("Stage", "Seat", "State"), seats, caption="Seats that the policy asks for, in order", widths=(40, 40, 20)
        ),
        *[
            paragraph(f"{stage['title']}: signatures on an earlier statement no longer count, because {reason}.")
            for stage in facts.decision["stages"]
            for reason in stage["changes"]
        ],
        *[paragraph(_pause(one, titles)) for one in facts.decision["pauses"]],
    ]
    if not signatures:
        return [*blocks, paragraph("Nobody has signed.")]
    return blocks + [_signature(one, titles) for one in signatures]


def _letters(facts: Facts) -> list[Node]:
    letters = facts.decision["letters"]
    return [heading("Letters of authorities"), *[_letter(one) for one in letters]] if letters else []


def _letter(one: dict[str, Any]) -> Markup:
    confirmed = f"{one['confirmed_by']}, {words.to_the_second(one['confirmed_at'])} UTC" if one["confirmed_by"] else None
    file = one["file"]
    return tag(
        "div",
        entries(
            [
                ("Authority", tag("b", one["authority"])),
                ("Date of the letter", words.day(one["decided_on"])),
                ("Decision", tag("b", words.outcome(one["outcome"]))),
                ("Conditions", words.listed([words.condition(each) for each in one["conditions"]]) or "None"),
                ("Recorded", f"{one['recorded_by']}, {words.to_the_second(one['recorded_at'])} UTC"),
                ("Confirmed", confirmed or missing("Nobody has confirmed it; it counts for nothing.")),
                ("Letter", join([f"{file['format']}, {words.size(file['size'])}, ", code(file["digest"])])),
                ("Statement decided on", code(one["statement_digest"])),
                ("Record", code(one["digest"])),
                ("What it says", tag("span", one["reason"], class_="said")),
            ]
        ),
        class_="signature",
    )


def _pause(one: dict[str, Any], stages: dict[str, dict[str, Any]]) -> str:
    title = stages[one["stage"]]["title"] if one["stage"] in stages else one["stage"]
    went_on = f"went on {words.moment(one['resumed_at'])} UTC by {one['resumed_by']}" if one["resumed_at"] else "still stands"
    return (
        f"{title}: its clock was paused {words.moment(one['at'])} UTC by {one['by']}, saying “{one['reason']}”; it {went_on}. "
        "A pause stops no signature."
    )


def _signature(one: dict[str, Any], stages: dict[str, dict[str, Any]]) -> Markup:
    stage = stages.get(one["stage"])
    seat = f"Counts, for the seat {words.role(one['seat'])}" if one["counts"] else "Does not count"
    if one["withdrawn"]:
        taken = f"{words.to_the_second(one['withdrawn']['at'])} UTC"
        seat = f"{seat}: the signer withdrew it on {taken}, saying “{one['withdrawn']['reason']}”"
    since = f"held since {words.day(one['signer_since']) if one['signer_since'] else words.NOTHING}"
    return tag(
        "div",
        entries(
            [
                ("Printed name", tag("b", one["printed_name"])),
                *_on_behalf_of(one),
                ("Role", words.roles(one["roles"]) + ("" if one["letter"] else f", {since}")),
                ("Stage", stage["title"] if stage else one["stage"]),
                ("Meaning", json.loads(one["payload"])["meaning"]),
                ("Decision", tag("b", words.outcome(one["outcome"]))),
                ("Signed", f"{words.to_the_second(one['at'])} UTC, event {one['seq']} of the log"),
                ("Method", words.METHODS.get(one["method"], one["method"])),
                ("Effect", seat),
                ("Statement signed", code(one["statement_digest"])),
                ("Signature", code(one["digest"])),
                ("Reason", tag("span", one["reason"], class_="said")),
            ]
        ),
        class_="signature",
    )


def _on_behalf_of(one: dict[str, Any]) -> list[tuple[str, str]]:
    """A line only where somebody signed in another's place."""
    absent = one["on_behalf_of"]
    if absent is None:
        return []
    why = "as deputy, the stage being late" if absent["when_late"] else "as stand-in"
    between = f"{words.moment(absent['begins_at'])} to {words.moment(absent['ends_at'])} UTC"
    return [("Signed for", f"{absent['printed_name']}, {why}; delegation of {between}. The two fill one seat.")]


def _acts(facts: Facts) -> list[Node]:
    acts = facts.approval["acts"] if facts.approval else []
    if not acts:
        return []
    said = [
        quoted(f"{one['kind'].capitalize()}: {one['reason']}", by=one["by"], held=one["roles"], at=one["at"])
        for one in acts
    ]
    return [heading("Acts since the approval"), *said]


def summary(facts: Facts) -> Body:
    return [
        _tally(facts),
        _scorecard(facts.checks),
        heading("Not tested"),
        bullets(untested(facts)),
        heading("Open findings"),
        _open_findings(facts),
        heading("Negative results"),
        *_negative(facts),
    ]


def _tally(facts: Facts) -> Markup:
    total = len(facts.checks)
    if not total:
        return paragraph(missing("No limit of the policy has been held against evidence yet."))
    counts = [join([verdict(one, f"{len(facts.of(one))} {one.counted}"), "  "]) for one in Verdict if facts.of(one)]
    return paragraph(f"{words.counted(total, 'check', 'checks')}: ", *counts, class_="lead")


def _scorecard(checks: list[Check]) -> Markup | None:
    if not checks:
        return None
    rows: list[tuple[Cell, ...]] = [
        (
            join([one.title, tag("span", one.said, class_="under") if one.said else None]),
            one.verdict,
            one.value,
            one.interval or words.NOTHING,
            one.limit,
            f"{one.n:,}" if one.n is not None else words.NOTHING,
            one.finding or words.NOTHING,
        )
        for one in checks
    ]
    return table(
        ("Check", "Verdict", "Value", "95 %", "Limit", "n", "Finding"),
        rows,
        caption="Limits of the policy held against the evidence, trouble first",
        widths=(32, 16, 9, 17, 12, 6, 8),
        numeric=(2, 5),
        file="checks.csv",
    )


def _open_findings(facts: Facts) -> Markup:
    rows = [
        (one["label"], one["severity"], one["state"], "blocks" if one["blocks"] else "does not block", one["title"])
        for one in facts.open_findings()
    ]
    if not rows:
        return paragraph("None.")
    header = ("Finding", "Severity", "State", "Approval", "What")
    return table(header, rows, caption="Findings not closed", widths=(10, 10, 10, 15, 55), file="findings.csv")


def _negative(facts: Facts) -> list[Node]:
    """Everything that speaks against the version, repeated here so that nobody has to look for it."""
    runs = facts.document["runs"]
    said = [f"Outside its limit: {one.title}." for one in facts.of(Verdict.OUTSIDE)]
    said += [f"{words.kind(one['kind'])}, run {one['run']}, failed ({one['code']})." for one in runs["failed"]]
    said += [
        f"{one['printed_name']} ({words.roles(one['roles'])}): {words.outcome(one['outcome']).lower()}."
        for one in facts.decision["signatures"]
        if one["outcome"] in ("reject", "request-changes", "abstain")
    ]
    said += [
        f"{one['printed_name']} ({words.roles(one['roles'])}): withdrew the own signature."
        for one in facts.decision["signatures"]
        if one["withdrawn"]
    ]
    said += [
        f"The same file was submitted before, as candidate {one['candidate']} of {one['model']}."
        for one in facts.identity["same_artifact"]
    ]
    return [bullets(said) if said else paragraph("None is on record.")]


def identity(facts: Facts) -> Body:
    record, identity_ = facts.record, facts.identity
    through = f" through {identity_['service_account']}" if identity_["service_account"] else ""
    signers = [
        f"{one['printed_name']} ({words.roles(one['roles'])})" for one in facts.decision["signatures"] if one["counts"]
    ]
    return [
        entries(
            [
                ("Owner", record["owner"]),
                ("Team", record["team"]),
                ("Developers", words.listed(record["developers"])),
                ("Origin", record["origin"]),
                ("Reviewers and approvers", words.listed(signers) or "None yet: no signature counts."),
                ("Submitted", f"{words.moment(identity_['submitted_at'])} UTC by {identity_['submitted_by']}{through}"),
                ("Author of the source", _author(facts)),
                ("Candidate", code(identity_["candidate"])),
                ("Record", _revisions(record["revisions"])),
                ("Lacking in the inventory", words.listed(record["gaps"]) or "Nothing"),
            ]
        ),
        heading("Earlier and later versions"),
        _versions(facts),
    ]


def _author(facts: Facts) -> Node:
    named = str((facts.manifest.get("source") or {}).get("author") or "")
    if not named.strip():
        return "Not named: the submitter stands for it."
    return f"{named} (matches nobody known here)" if facts.identity["people_unresolved"] else named


def _revisions(revisions: list[dict[str, Any]]) -> str:
    newest = revisions[-1]
    return f"Revision {newest['number']}, {words.moment(newest['at'])} UTC by {newest['by']}"


def _versions(facts: Facts) -> Node:
    rows = [
        (
            f"Version {one['version']}",
            one["outcome"],
            f"{words.moment(one['submitted_at'])}",
            one["submitted_by"],
            code(words.short(one["artifact"])),
        )
        for one in facts.document["versions"]["newest"]
    ]
    if not rows:
        return paragraph("None: this is the first version of the model.")
    return table(
        ("Version", "Outcome", "Submitted, UTC", "By", "Model file"),
        rows,
        caption=f"The model has {facts.document['versions']['all']} versions in all",
        widths=(15, 20, 20, 20, 25),
        file="versions.csv",
    )


def purpose(facts: Facts) -> Body:
    uses = facts.record["uses"]
    limited = [str(one["use"]) for one in (facts.approval or {}).get("conditions", ()) if one.get("kind") == "use"]
    return [
        entries(
            [
                ("Purpose", tag("span", facts.record["purpose"], class_="said") if facts.record["purpose"] else None),
                ("Uses on record", words.listed(uses)),
                ("Uses approved", words.listed(limited) or ("As on record" if facts.final else "None: not approved.")),
                ("Prohibited uses", missing(NO_FORM)),
                ("Users", missing(NO_FORM)),
                ("People affected", missing(NO_FORM)),
                ("Operating bounds", _bounds(facts)),
            ]
        ),
        heading("Intended against actual use: deployments"),
        deployments_table(facts),
    ]


def _bounds(facts: Facts) -> str:
    manifest = facts.manifest
    said = [f"Task: {manifest['task'].replace('-', ' ')}."]
    if manifest["task"] == "binary-classification":
        said.append(
            f"It scores “{manifest['positive_class']}”; a score of {manifest.get('decision_threshold', 0.5)} and above "
            f"predicts it. “{manifest['favourable_outcome']}” is what benefits the person."
        )
    elif manifest.get("favourable_outcome") is not None:
        said.append(f"What benefits the person: {manifest['favourable_outcome']}.")
    return " ".join(said)


def deployments_table(facts: Facts) -> Node:
    deployments = facts.document["deployments"]
    rows: list[tuple[Cell, ...]] = [
        (
            one["environment"],
            "this version" if one["this"] else f"version {one['version'] or 'unknown'}",
            words.moment(one["deployed_at"]),
            "allowed" if one["allowed_when_deployed"] else verdict(Verdict.OUTSIDE, "not allowed"),
            one["by"],
        )
        for one in deployments["newest"]
    ]
    if not rows:
        return paragraph("No deployment of the model is on record.")
    return table(
        ("Environment", "Version", "Deployed, UTC", "The gate then", "Recorded by"),
        rows,
        caption=f"{words.counted(deployments['all'], 'deployment', 'deployments')} of the model on record, newest first",
        widths=(20, 20, 20, 20, 20),
        file="deployments.csv",
    )


def classification(facts: Facts) -> Body:
    confirmed = facts.policy["tier_confirmed"]
    word = (
        f"Confirmed as {confirmed['tier']} by {confirmed['by']}, {words.moment(confirmed['at'])} UTC"
        if confirmed
        else missing("No validator has confirmed the tier; the version is reviewed as high.")
    )
    return [
        entries(
            [
                ("Model or not, per regime", missing(NO_FORM)),
                ("Risk tier", f"{facts.policy['tier']} (proposed: {facts.record['proposed_tier']})"),
                ("Confirmation", word),
                ("Reason", tag("span", confirmed["reason"], class_="said") if confirmed else None),
                ("Score sheet", missing(NO_FORM)),
                ("AI Act class", missing(NO_FORM)),
            ]
        ),
        heading("What the tier asks for"),
        _stages(facts),
        paragraph(
            f"Environments: {words.listed(facts.policy['environments'])}. An approval holds "
            f"{facts.policy['valid_days']:,} days. Evidence required: {words.listed(facts.policy['required_evidence'])}. "
            f"Challenge data of a validator: {'required' if facts.policy['challenge_required'] else 'not required'}."
        ),
    ]


def _stages(facts: Facts) -> Markup:
    rows = [
        (
            stage["title"],
            words.listed([f"{seat['count']} × {words.role(seat['role'])}" for seat in stage["seats"]]),
            stage["meaning"],
            f"{stage['due_days']} days",
        )
        for stage in facts.policy["stages"]
    ]
    return table(
        ("Stage", "Seats", "What a signature means", "Due within"),
        rows,
        caption=f"Stages of the policy for tier {facts.policy['tier']}",
        widths=(22, 22, 41, 15),
    )


def system_context(facts: Facts) -> Body:
    artifact = facts.identity["artifact"]
    return [
        entries(
            [
                ("Form of delivery", f"One {artifact['format']} file, {words.size(artifact['size'])}"),
                ("Interactions with other systems", missing(NO_FORM)),
                ("Versions of software around it", missing(NO_FORM)),
                ("Hardware", missing(NO_FORM)),
                ("Instructions for use", missing(NO_FORM)),
            ]
        )
    ]


def development(facts: Facts) -> Body:
    manifest, source = facts.manifest, facts.manifest.get("source") or {}
    return [
        entries(
            [
                (
                    "What changed and why",
                    tag("span", facts.texts["summary"], class_="said") if facts.texts["summary"].strip() else None,
                ),
                ("Method", missing("No description is on record; the model file says it.")),
                ("Design choices and assumptions", missing(NO_FORM)),
                ("Target", manifest.get("target")),
                ("Features", _features(manifest)),
                ("Trained on", str(source.get("training_data") or "")),
                ("Source revision", code(str(source["git_commit"])) if source.get("git_commit") else None),
                ("Training run", str(source.get("run_url") or "")),
                ("Third-party parts", missing(NO_FORM)),
                ("Hyper-parameters", missing("They are in the model file; this release does not read them out.")),
            ],
            reason="The submission does not say.",
        )
    ]


def _features(manifest: dict[str, Any]) -> str:
    names = manifest.get("features") or []
    if not names:
        return "Named in the model file."
    return f"{words.counted(len(names), 'feature', 'features')}: {words.listed(names, 60)}"
