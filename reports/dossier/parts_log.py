"""Sections 25 and 26: the log, how to verify all this without trusting it, and how to compute it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from reports.dossier import words
from reports.dossier.attachments import Embedded
from reports.dossier.blocks import Cell, bullets, code, entries, heading, paragraph, table
from reports.dossier.facts import Evidence, Facts
from reports.dossier.html import Markup, Node, join, tag
from reports.dossier.parts_record import Body

MOST_PRINTED = 200
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def audit(facts: Facts, files: Sequence[Embedded]) -> Body:
    log = facts.document["audit"]
    return [
        *_events(log),
        heading("Signed checkpoint"),
        paragraph(f"Over the whole log {facts.document['instance']['log']}, when this dossier was made (C2SP form):"),
        tag("pre", facts.made["checkpoint"]),
        heading("How to verify"),
        bullets(_steps(facts)),
        heading("Embedded files"),
        _files(files),
    ]


def _events(log: dict[str, Any]) -> list[Node]:
    events = log["events"]
    left = log["all"] - len(events)
    rows: list[tuple[Cell, ...]] = [
        (str(one["seq"]), words.to_the_second(one["at"]), one["action"], _subject(one), _who(one)) for one in events
    ]
    parts = [rows[at : at + 40] for at in range(0, min(len(rows), MOST_PRINTED), 40)]
    more = len(rows) - MOST_PRINTED
    return [
        paragraph(
            f"{words.counted(log['all'], 'event', 'events')} of this version and of the model’s record, oldest first. "
            "The making of dossiers is left out."
        ),
        *[_event_table(rows_, at) for at, rows_ in enumerate(parts)],
        paragraph(f"{more} more events are in the attached audit-events.csv.", class_="meta") if more > 0 else None,
        paragraph(f"{left} older events are in the log only.", class_="meta") if left > 0 else None,
    ]


def _event_table(rows: list[tuple[Cell, ...]], at: int) -> Markup:
    caption = "Audit extract" if at == 0 else "Audit extract, continued"
    return table(("Event", "UTC", "Act", "On", "By"), rows, caption=caption, widths=(7, 21, 21, 23, 28))


def _subject(one: dict[str, Any]) -> str:
    kind, _, name = one["subject"].partition(" ")
    if name.startswith("sha256:"):
        return f"{kind} {words.short(name)}"
    if kind == "candidate":
        return "this version"
    return f"{kind} {name[:8]}…" if _IDENTIFIER.fullmatch(name) else one["subject"]


def _who(one: dict[str, Any]) -> str:
    name = f"{one['actor']} ({words.roles(one['roles'])})" if one["roles"] else f"{one['actor']}"
    return f"{name}, through {one['through']}" if one["through"] else name


def _steps(facts: Facts) -> list[Node]:
    number = facts.made["number"]
    return [
        join(
            [
                code("sha256sum dossier.pdf"),
                f": the event dossier.made of dossier {number} names it as “file”. To find it: ",
                code(f"GET /api/v1/audit/events/?candidate={facts.identity['candidate']}&action=dossier.made"),
            ]
        ),
        join(
            [
                code("countersign verify dossier dossier.pdf --receipt receipt.json --keys signing-keys.json"),
                ": the same without asking anybody, by the proof that the log holds that event. The receipt is ",
                code(f"GET /api/v1/candidates/{facts.identity['candidate']}/dossier/receipt/?file=sha256:…"),
                "; the keys are at ",
                code("/.well-known/signing-keys.json"),
                ".",
            ]
        ),
        join(
            [
                code("manage.py verify_audit"),
                ": computes the whole log again and names the first event that was altered.",
            ]
        ),
        join(
            [
                code("manage.py export_audit"),
                ": the log as a file that verifies on another machine, against the public key of the checkpoint. Keep "
                "checkpoints elsewhere: a log put back together with its old checkpoint looks right from inside.",
            ]
        ),
        join([code("pdfdetach -saveall dossier.pdf"), ": takes out the files below; their SHA-256 are in the table."]),
        "The SHA-256 of evidence-….json is the digest that the statements name; that of statement-….json is what each "
        "signature names; that of signature-….json is the signature’s own digest, which stands in the log.",
    ]


def _files(files: Sequence[Embedded]) -> Markup:
    rows: list[tuple[Cell, ...]] = [(one.name, one.description, code(one.digest)) for one in files]
    parts = [rows[at : at + 40] for at in range(0, len(rows), 40)]
    captions = ["Files embedded in this dossier", *["Embedded files, continued"] * len(parts)]
    header = ("File", "What it is", "SHA-256")
    return join(
        table(header, rows_, caption=caption, widths=(25, 25, 50))
        for rows_, caption in zip(parts, captions, strict=False)
    )


def reproduction(facts: Facts) -> Body:
    files: list[tuple[str, Node]] = [(one["part"].capitalize(), code(one["digest"])) for one in facts.document["files"]]
    files += [(f"Challenge data {one['number']}", code(one["digest"])) for one in facts.document["challenges"]]
    return [
        entries(
            [
                *files,
                ("Manifest", code(facts.identity["manifest_digest"])),
                ("Seed", f"{facts.identity['seed']}, from the digests of files and manifest: nobody chose it"),
            ]
        ),
        paragraph(
            "The same inputs give the same content digest again: ",
            code(f"countersign reproduce {facts.identity['candidate']}"),
            " has a worker compute the evidence again from the stored files and says whether it is equal, equal within "
            "rounding, or different.",
        ),
        *[_run(one) for one in facts.evidence.values()],
        *_other_runs(facts),
    ]


def _run(one: Evidence) -> Markup:
    provenance = one.provenance
    versions = provenance.get("versions") or {}
    sandbox = provenance.get("sandbox") or {}
    return tag(
        "div",
        tag("h3", f"{words.kind(one.kind)}, run {one.run}"),
        entries(
            [
                ("Content", join([code(one.digest), f" ({one.schema})"])),
                ("Provenance", code(one.provenance_digest)),
                ("Recorded", f"{words.moment(one.at)} UTC"),
                ("Duration", _duration(provenance)),
                ("Versions", words.listed([f"{name} {number}" for name, number in sorted(versions.items())])),
                ("Sandbox", words.listed([f"{name}: {state}" for name, state in sorted(sandbox.items())])),
                ("Cross-checks", _cross_checks(provenance.get("cross_checks") or [])),
            ],
            reason="The provenance does not say.",
        ),
        class_="run",
    )


def _duration(provenance: dict[str, Any]) -> str | None:
    seconds, memory = provenance.get("duration_seconds"), provenance.get("peak_memory_bytes")
    if seconds is None:
        return None
    return f"{seconds:.1f} s" + (f", at most {words.size(memory)} of memory in the sandbox" if memory else "")


def _cross_checks(checks: list[dict[str, Any]]) -> Node:
    """The same figures by another implementation, with the largest difference."""
    if not checks:
        return "None: no other implementation here computes these figures."
    return bullets(_cross_check(one) for one in checks)


def _cross_check(one: dict[str, Any]) -> str:
    what, state = words.sentence(str(one["name"])), str(one["state"]).replace("-", " ")
    largest = one.get("largest_difference")
    if largest is None or not one.get("reference_implementation"):
        return f"{what}: {state}. {one.get('detail') or ''}".rstrip()
    return (
        f"{what}: {state} with {one['reference_implementation']} on {words.counted(one['rows'], 'row', 'rows')}; largest "
        f"difference {largest:.1e}, tolerance {one['tolerance']:.0e}."
    )


def _other_runs(facts: Facts) -> list[Node]:
    runs = facts.document["runs"]
    said = [f"{words.kind(one['kind'])}, run {one['run']}: {words.short(one['digest'])}" for one in runs["not_judged"]]
    said += [
        f"{words.kind(one['kind'])}, run {one['run']}: failed ({one['code']}), {words.moment(one['at'])} UTC"
        for one in runs["failed"]
    ]
    said += [
        f"{words.kind(one['kind'])}, run {one['run']}: ordered by {one['by']}, {words.moment(one['at'])} UTC: {one['reason']}"
        for one in runs["ordered"]
    ]
    return [heading("Runs that are not judged"), bullets(said)] if said else []
