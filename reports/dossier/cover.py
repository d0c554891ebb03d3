"""The first page: what it is, what was decided and by whom, what failed, what is not certain, how to verify."""

from __future__ import annotations

from reports.charts import Verdict, comparison, icon
from reports.dossier import words
from reports.dossier.blocks import Cell, bullets, code, paragraph, table, verdict
from reports.dossier.facts import Check, Facts
from reports.dossier.html import Markup, Node, join, tag
from reports.dossier.ruling import ruling, uncertain, untested

MOST_SIGNATURES, MOST_FAILED, MOST_CONDITIONS, MOST_UNTESTED = 7, 4, 4, 4


def cover(facts: Facts) -> Markup:
    purpose = facts.record["purpose"]
    return tag(
        "section",
        _top(facts),
        tag("h1", facts.title),
        paragraph(words.passage(purpose, 260), class_="sheet__for") if purpose.strip() else None,
        _ruling(facts),
        _answers(facts),
        _foot(facts),
        class_="sheet" if facts.final else "sheet sheet--draft",
    )


def _top(facts: Facts) -> Markup:
    policy = f"{facts.policy['name']} {facts.policy['version']}, tier {facts.policy['tier']}"
    cells = ("Countersign · model dossier", f"Dossier {facts.number} · policy {policy}", "English")
    return tag("table", tag("tr", *[tag("td", one) for one in cells]), class_="sheet__top", role="presentation")


def _ruling(facts: Facts) -> Markup:
    made = ruling(facts)
    word = paragraph(icon(made.mark, 22), " ", made.word, class_="ruling__word")
    status = paragraph(facts.status, class_="ruling__final")
    return tag(
        "table",
        tag("tr", tag("td", word, paragraph(made.detail)), tag("td", status, class_="r")),
        class_="ruling",
        role="presentation",
    )


def _answers(facts: Facts) -> Markup:
    rows: list[tuple[str, Node]] = [
        ("Decided by", _signatures(facts)),
        ("Conditions", _conditions(facts)),
        ("What failed", _failed(facts)),
        ("Not certain", _sentences(uncertain(facts), "Every check that was made is clearly within its limit.")),
        ("Not tested", _untested(facts)),
        ("In place of", _champion(facts)),
    ]
    body = [tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows if value is not None]
    return tag("table", tag("tbody", *body), class_="qa")


def _signatures(facts: Facts) -> Markup:
    """Every seat, filled or not, and decisions against."""
    by_digest = {one["digest"]: one for one in facts.decision["signatures"]}
    rows: list[tuple[Cell, ...]] = []
    for stage in facts.decision["stages"]:
        for seat in stage["seats"]:
            one = by_digest.get(seat["signature"])
            who = words.role(seat["role"])
            if one is None:
                rows.append((f"{who}, {stage['title'].lower()}", "not signed", words.NOTHING, words.NOTHING))
            else:
                rows.append((who, one["printed_name"], words.outcome(one["outcome"]), words.moment(one["at"])))
    for one in facts.decision["signatures"]:
        if one["outcome"] in ("reject", "request-changes") and not facts.final:
            signed = (one["printed_name"], words.outcome(one["outcome"]), words.moment(one["at"]))
            rows.append((words.roles(one["roles"]), *signed))
    shown = table(
        ("Role", "Printed name", "Decision", "UTC"),
        rows[:MOST_SIGNATURES],
        caption="",
        widths=(30, 25, 25, 20),
    )
    more = len(rows) - MOST_SIGNATURES
    return join([shown, paragraph(f"{more} more in section 1.", class_="meta") if more > 0 else None])


def _conditions(facts: Facts) -> Node:
    if facts.approval is None:
        return "None: there is no approval."
    conditions = facts.approval["conditions"]
    if not conditions:
        return "None."
    told = [
        f"C-{at}: {words.passage(words.condition(one), 180)}{_due(one)}"
        for at, one in enumerate(conditions[:MOST_CONDITIONS], start=1)
    ]
    more = len(conditions) - MOST_CONDITIONS
    return bullets([*told, f"{more} more in section 1."] if more > 0 else told)


def _due(condition: dict[str, str]) -> str:
    return f" Due {words.day(condition['due'])}." if condition.get("due") else ""


def _failed(facts: Facts) -> Node:
    failed = facts.of(Verdict.OUTSIDE, Verdict.ERROR)
    total = len(facts.checks)
    if not total:
        return "Nothing has been checked yet."
    if not failed:
        return f"None of {words.counted(total, 'check', 'checks')} is outside its limit."
    rows = [_failed_row(one, facts) for one in failed[:MOST_FAILED]]
    shown = table(
        ("Check", "Value", "95 %", "Limit", "Answered by"),
        rows,
        caption="",
        widths=(36, 10, 19, 12, 23),
        numeric=(1,),
    )
    more = len(failed) - MOST_FAILED
    return join([shown, paragraph(f"{more} more in section 2.", class_="meta") if more > 0 else None])


def _failed_row(one: Check, facts: Facts) -> tuple[Cell, ...]:
    states = {finding["label"]: finding["state"] for finding in facts.findings}
    answered = f"{one.finding}, {states.get(one.finding, 'open')}" if one.finding else "nobody yet"
    return (one.title, one.value, one.interval or words.NOTHING, one.limit, answered)


def _sentences(said: list[str], otherwise: str) -> Node:
    return join([paragraph(one) for one in said]) if said else otherwise


def _untested(facts: Facts) -> Node:
    said = untested(facts)
    more = len(said) - MOST_UNTESTED
    shown = said[:MOST_UNTESTED]
    return join(
        [" ".join(shown), f" {words.counted(more, 'more point', 'more points')} in section 2." if more > 0 else None]
    )


def _champion(facts: Facts) -> Node:
    evidence = facts.evidence.get("comparison")
    if evidence is None or evidence.content.get("champion") is None:
        return None
    version = facts.champion.get("version") if facts.champion else None
    figure = comparison(evidence.content)
    mark = verdict(figure.verdict) if figure.verdict else None
    return join([f"Version {version}. " if version else None, mark, " " if mark else None, figure.sentence])


def _foot(facts: Facts) -> Markup:
    artifact = facts.identity["artifact"]["digest"]
    return tag(
        "div",
        paragraph("Model file ", code(artifact)),
        paragraph(
            "Facts in this dossier ", code(facts.made["facts"]), f" · as of {words.moment(facts.made['at'])} UTC"
        ),
        paragraph(
            "To verify: the SHA-256 of this file stands in the audit log, in the event dossier.made number "
            f"{facts.made['number']} of this version. Section 25 says how to check that log and what is embedded here."
        ),
        class_="sheet__foot",
    )
