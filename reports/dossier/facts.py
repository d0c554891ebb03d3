"""The frozen facts, read once: evidence parsed, checks put into the order of trouble, names made for the whole document."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reports.charts import Verdict, of_check
from reports.charts import words as chart_words
from reports.dossier import words

SCHEMA = "dossier/1"


class UnknownDossier(ValueError):
    """The facts are not of a schema that this release prints."""


@dataclass(frozen=True)
class Evidence:
    """One judged document: `content` and `provenance` parsed, and the very text that their digests are over."""

    kind: str
    run: int
    schema: str
    digest: str
    provenance_digest: str
    at: str
    content_text: str
    provenance_text: str

    @cached_property
    def content(self) -> dict[str, Any]:
        return json.loads(self.content_text)

    @cached_property
    def provenance(self) -> dict[str, Any]:
        return json.loads(self.provenance_text)

    @property
    def limitations(self) -> list[str]:
        return list(self.content.get("limitations") or ())


@dataclass(frozen=True)
class Check:
    """One limit of the policy held against the evidence, as it is printed."""

    key: str
    title: str
    verdict: Verdict
    value: str
    said: str
    interval: str
    limit: str
    n: int | None
    cause: str
    evidence: str
    severity: str
    blocks: bool
    finding: str | None


class Facts:
    """The facts of one dossier. Raises UnknownDossier for another schema."""

    def __init__(self, document: dict[str, Any]) -> None:
        if document.get("schema") != SCHEMA:
            raise UnknownDossier(f"this release prints {SCHEMA}, not {document.get('schema')!r}")
        self.document = document
        self.identity: dict[str, Any] = document["identity"]
        self.record: dict[str, Any] = document["record"]
        self.policy: dict[str, Any] = document["policy"]
        self.decision: dict[str, Any] = document["decision"]
        self.approval: dict[str, Any] | None = document["decision"]["approval"]
        self.texts: dict[str, Any] = document["texts"]
        self.findings: list[dict[str, Any]] = document["findings"]
        self.made: dict[str, Any] = document["made"]
        self.final: bool = document["decision"]["final"]
        self.manifest: dict[str, Any] = json.loads(document["manifest"])
        self.evidence = {one["kind"]: _evidence(one) for one in document["evidence"]}

    @property
    def title(self) -> str:
        return f"{self.record['name']}, version {self.identity['version']}"

    @property
    def number(self) -> str:
        return f"{self.identity['model']}-{self.identity['version']}-{self.made['number']}"

    @property
    def status(self) -> str:
        return "FINAL" if self.final else "DRAFT"

    @cached_property
    def checks(self) -> list[Check]:
        """Trouble first, then in the policy's order."""
        verdicts = self._group_verdicts()
        read = [_check(one, verdicts) for one in self.document["checks"]]
        return sorted(read, key=lambda one: one.verdict.rank)

    def of(self, *verdicts: Verdict) -> list[Check]:
        return [one for one in self.checks if one.verdict in verdicts]

    def _group_verdicts(self) -> dict[str, str]:
        """The verdict of each group by the key that its check has: a warning may be for want of data."""
        fairness = self.evidence.get("fairness")
        groupings = fairness.content["groupings"] if fairness else ()
        return {
            f"fairness.rate_ratio[{','.join(f'{name}={level}' for name, level in row['group'].items())}]": row[
                "verdict"
            ]
            for grouping in groupings
            for row in grouping["groups"]
            if row.get("verdict")
        }

    @cached_property
    def champion(self) -> dict[str, Any] | None:
        """The version that the comparison was made against."""
        comparison = self.evidence.get("comparison")
        return comparison.provenance.get("champion") if comparison else None

    def interpretations(self, kind: str) -> list[dict[str, Any]]:
        """Those that stand, of the judged document."""
        judged = self.evidence.get(kind)
        return [
            one
            for one in self.document["interpretations"]
            if one["kind"] == kind and not one["replaced"] and judged and one["evidence_digest"] == judged.digest
        ]

    def open_findings(self) -> list[dict[str, Any]]:
        return [one for one in self.findings if one["state"] in ("open", "answered", "waived")]


def _evidence(one: dict[str, Any]) -> Evidence:
    return Evidence(
        one["kind"], one["run"], one["schema"], one["digest"], one["provenance_digest"], one["at"], one["content"],
        one["provenance"],
    )  # fmt: skip


def _check(one: dict[str, Any], verdicts: dict[str, str]) -> Check:
    value, low, high = _figures(one["value"])
    difference = isinstance(one["limit"], dict) and not one["limit"].keys() & {"minimum", "maximum"}
    return Check(
        key=one["key"],
        title=one["title"],
        verdict=of_check(one["state"], verdicts.get(one["key"])),
        value=_shown(one["value"], value, one["limit"], difference=difference),
        said=_said(one),
        interval=chart_words.interval(low, high),
        limit=words.limit(one["limit"]),
        n=one["n"],
        cause=one["cause"],
        evidence=one["evidence"],
        severity=one["severity"],
        blocks=one["blocks"],
        finding=one["finding"],
    )


def _said(one: dict[str, Any]) -> str:
    """The words of a test, and why a check does not apply."""
    told = words.passage(one["value"], 200) if isinstance(one["value"], str) else ""
    return told or words.CAUSES.get(one["cause"], one["cause"])


def _figures(value: Any) -> tuple[float | None, float | None, float | None]:
    if isinstance(value, str):
        return None, None, None
    return chart_words.estimate(value)


def _shown(raw: Any, value: float | None, limit: dict[str, Any] | None, *, difference: bool) -> str:
    """A figure with as many digits as it takes to lie on its side of the limit."""
    if difference:
        return chart_words.signed(value)
    if isinstance(raw, int):
        return chart_words.count(raw)
    bounds = [limit[name] for name in ("minimum", "maximum") if limit and limit.get(name) is not None]
    return chart_words.figure_beside(value, bounds[0] if bounds else None)
