"""Every section of a dossier with its number, title, source and what it answers. None ever disappears."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from reports.dossier import parts_evidence as evidence
from reports.dossier import parts_explanations as explained
from reports.dossier import parts_log as log
from reports.dossier import parts_record as record
from reports.dossier import parts_review as review
from reports.dossier.attachments import Embedded
from reports.dossier.blocks import Missing, missing, not_applicable, paragraph
from reports.dossier.facts import Facts
from reports.dossier.html import Markup, tag
from reports.dossier.parts_record import Body


@dataclass(frozen=True)
class Part:
    """`source` says who fills it: the product by itself, a person, or both; `answers` the rules it speaks to."""

    number: str
    title: str
    source: str
    answers: str
    body: Callable[[Facts], Body]

    @property
    def anchor(self) -> str:
        return f"part-{self.number.lower()}"


@dataclass(frozen=True)
class Printed:
    """A part as HTML; `missing` is the word beside its title in the contents where it holds nothing."""

    part: Part
    html: Markup
    missing: str


AUTOMATIC = "Automatic, from {}"
PERSON = "Written by people: {}"
JUDGED = "Automatic, with people’s judgement: {}"


def all_parts(files: Sequence[Embedded]) -> tuple[Part, ...]:
    """In order. Annex IV is that of the EU AI Act."""
    return (
        Part("0", "Document control", AUTOMATIC.format("the record"), "Annex IV 1(a)", record.document_control),
        Part(
            "1", "Decision", AUTOMATIC.format("signatures"), "SR 26-2; E-23; Annex IV 2(g)", record.decision
        ),
        Part("2", "Summary", JUDGED.format("checks"), "SS1/23 1.2", record.summary),
        Part("3", "Identity", AUTOMATIC.format("the inventory"), "E-23 App. 1; Annex IV 6", record.identity),
        Part(
            "4", "Purpose and use", JUDGED.format("owner, gate, deployments"), "SS1/23 1.2(c); Annex IV 1, 3",
            record.purpose,
        ),
        Part("5", "Classification", JUDGED.format("tier and policy"), "SR 26-2; E-23 P2.2; AI Act Art. 6",
             record.classification),
        Part("6", "System context", JUDGED.format("owner"), "Annex IV 1(b)–(h)", record.system_context),
        Part("7", "Development", JUDGED.format("developer"), "Annex IV 2(a)–(c)", record.development),
        Part("8", "Data", JUDGED.format("evidence"), "Annex IV 2(d); AI Act Art. 10", evidence.data),
        Part("9", "Performance", JUDGED.format("evidence"), "Annex IV 2(g), 4", evidence.performance),
        Part("10", "Explanations", JUDGED.format("evidence"), "Annex IV 2(e), 3; Reg B §1002.9", explained.explanations),
        Part("11", "Fairness", JUDGED.format("evidence"), "Annex IV 2(g), 3; NYDFS 2024-7", evidence.fairness),
        Part("11L", "Local Law 144 annex (employment only)", JUDGED.format("evidence"), "6 RCNY 5-300 ff",
             evidence.employment),
        Part("12", "Robustness and security", JUDGED.format("evidence, owner"), "Annex IV 2(h); AI Act Art. 15",
             evidence.robustness),
        Part("13", "Limitations, foreseeable misuse, inputs", PERSON.format("owner, validator"), "Annex IV 3",
             evidence.limitations),
        Part("14", "Risk register", JUDGED.format("forms"), "Annex IV 5; AI Act Art. 9", review.no_form),
        Part("15", "Impact assessments and notices to people", PERSON.format("forms"), "AI Act Art. 27", review.no_form),
        Part("16", "Human oversight", PERSON.format("form"), "Annex IV 2(e); AI Act Art. 14", review.no_form),
        Part("17", "Independent validation", JUDGED.format("validator"), "SR 26-2; SS1/23 4; E-23 P3.4",
             review.validation),
        Part("18", "Findings, conditions, waivers", AUTOMATIC.format("the record"), "SS1/23 1.2, 5", review.findings),
        Part("19", "Changes", AUTOMATIC.format("the record"), "Annex IV 2(f), 6", review.changes),
        Part("20", "Monitoring", JUDGED.format("plan, runs"), "Annex IV 9; AI Act Art. 72; E-23 P3.6",
             review.monitoring),
        Part("21", "Third parties and dependencies", JUDGED.format("inventory"), "SR 26-2", review.third_parties),
        Part("22", "Standards applied", JUDGED.format("mapping"), "Annex IV 7; ISO/IEC 42001", review.no_form),
        Part("23", "Declaration of conformity", PERSON.format("upload"), "Annex IV 8", review.declaration),
        Part("24", "Clause cross-reference", AUTOMATIC.format("the record"), "All", review.clauses),
        Part("25", "Audit extract and how to verify", AUTOMATIC.format("the log"), "AI Act Art. 12; 17a-4",
             partial(log.audit, files=files)),
        Part("26", "How to reproduce", AUTOMATIC.format("the record"), "SS1/23 3.5", log.reproduction),
    )  # fmt: skip


def printed_part(part: Part, facts: Facts) -> Printed:
    body = part.body(facts)
    if isinstance(body, Missing):
        shown = missing(body.reason) if body.applicable else not_applicable(body.reason)
        return Printed(part, _section(part, [paragraph(shown)]), body.word)
    return Printed(part, _section(part, body), "")


def _section(part: Part, body: Sequence[str | None]) -> Markup:
    return tag(
        "section",
        tag("h2", tag("span", part.number, class_="number"), f" {part.title}", id=part.anchor),
        paragraph(f"{part.source}. Answers: {part.answers}.", class_="source"),
        *body,
        class_="part",
    )
