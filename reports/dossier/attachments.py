"""The files embedded in a dossier: the evidence byte for byte, receipts of what was signed, a CSV for each table."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.dossier.facts import Evidence, Facts

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Embedded:
    """One file. `relationship` is PDF's word for what it is to the document."""

    name: str
    description: str
    data: bytes
    relationship: str = "Data"

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.data).hexdigest()


def embedded_files(facts: Facts) -> list[Embedded]:
    """In the order in which section 25 lists them; names are the product's own, never from a submission."""
    files = [Embedded("manifest.json", "The manifest as submitted", facts.document["manifest"].encode(), "Source")]
    for one in facts.evidence.values():
        files += _evidence(one)
    files += _receipts(facts)
    files += _record_tables(facts)
    for one in facts.evidence.values():
        files += [
            Embedded(f"{one.kind}-{name}.csv", description, table(rows))
            for name, description, rows in EVIDENCE_TABLES[one.kind](one.content)
            if rows
        ]
    facts_text = json.dumps(facts.document, ensure_ascii=False, sort_keys=True, indent=1)
    return [*files, Embedded("facts.json", "All facts that this dossier prints", facts_text.encode(), "Source")]


def _evidence(one: Evidence) -> list[Embedded]:
    return [
        Embedded(f"evidence-{one.kind}.json", f"{one.schema}, content as digested", one.content_text.encode()),
        Embedded(f"provenance-{one.kind}.json", f"Provenance of {one.schema}", one.provenance_text.encode()),
    ]


def _receipts(facts: Facts) -> list[Embedded]:
    """Statements, signatures and the closing statement: the very bytes that their digests are over."""
    decision = facts.decision
    files = [
        Embedded(f"statement-{at}.json", f"Statement of {one['stage']}", one["body"].encode())
        for at, one in enumerate(decision["statements"], start=1)
    ]
    files += [
        Embedded(f"signature-{at}.json", f"Signature at {one['stage']}", one["payload"].encode())
        for at, one in enumerate(decision["signatures"], start=1)
    ]
    files += [
        Embedded(f"letter-record-{at}.json", f"What was recorded of a letter of {one['authority']}", one["payload"].encode())
        for at, one in enumerate(decision["letters"], start=1)
    ]
    if facts.approval:
        files.append(Embedded("closing-statement.json", "The approval", facts.approval["body"].encode()))
    events = "".join(f"{one['body']}\n" for one in facts.document["audit"]["events"])
    return [
        *files,
        Embedded("audit-events.jsonl", "Audit events of section 25, one a line, as hashed", events.encode()),
        Embedded("checkpoint.txt", "Signed checkpoint of the whole log", facts.made["checkpoint"].encode()),
    ]


def _record_tables(facts: Facts) -> list[Embedded]:
    document = facts.document
    hidden = frozenset({"payload", "body", "content", "provenance", "changes"})
    tables: tuple[tuple[str, str, Iterable[Record]], ...] = (
        ("checks", "Every check", document["checks"]),
        ("findings", "Every finding", document["findings"]),
        ("signatures", "Every signature", facts.decision["signatures"]),
        ("letters", "Every letter of an authority", facts.decision["letters"]),
        ("versions", "Other versions of the model", document["versions"]["newest"]),
        ("deployments", "Deployments of the model", document["deployments"]["newest"]),
        ("audit-events", "Audit events of section 25", document["audit"]["events"]),
    )
    return [
        Embedded(f"{name}.csv", description, table([_without(one, hidden) for one in rows]))
        for name, description, rows in tables
        if rows
    ]


def _without(record: Record, hidden: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in hidden}


Tables = Iterable[tuple[str, str, Sequence[Record]]]


def _performance_tables(content: Record) -> Tables:
    figures = [
        {"figure": name, "value": value}
        for name, value in content.items()
        if isinstance(value, int | float) or (isinstance(value, Mapping) and "value" in value)
    ]
    yield "figures", "Performance figures", figures
    yield "calibration", "Calibration in bins", content.get("calibration") or ()
    yield "lift", "Lift in tenths", content.get("lift") or ()
    yield "gains", "Gains in tenths of the score", content.get("gains") or ()
    yield "residuals", "Residuals in tenths of the prediction", content.get("residuals") or ()
    weak = content.get("weak_spots") or {"regions": ()}
    yield "weak-spots", "Where the model is worst", weak["regions"]
    yield "overfit", "Evaluation against the reference", content.get("overfit") or ()
    yield "segments", "Figures of each segment", [
        {"column": along["column"], **_segment(one)} for along in content.get("segments") or () for one in along["levels"]
    ]
    yield "per-class", "Figures of each class", content.get("per_class") or ()


def _segment(level: Record) -> dict[str, Any]:
    apart = {
        f"{one['figure']}_{name}": value for one in level["differences"] for name, value in one.items() if name != "figure"
    }
    return {**_without(level, frozenset({"figures", "differences"})), **level["figures"], **apart}


def _fairness_tables(content: Record) -> Tables:
    groups = [
        {"grouping": " and ".join(map(str, grouping["features"])), **row}
        for grouping in content["groupings"]
        for row in grouping["groups"]
    ]
    yield "groups", "Every group and intersection", groups
    thresholds = [
        {**_without(step, frozenset({"groupings"})), "grouping": " and ".join(map(str, there["features"])), **there}
        for step in content.get("thresholds") or ()
        for there in step["groupings"]
    ]
    yield "calibration", "What was predicted and what happened, by group", [
        {"grouping": name, "group": one["group"], **there}
        for name, one in _of_groupings(content, "calibration")
        for there in one.get("bins") or one.get("deciles") or ()
    ]
    yield "thresholds", "What each decision threshold would give", thresholds
    listed = {
        "score-quantiles": ("score_quantiles", "Spread of the scores of each group"),
        "per-class": ("per_class", "Each class in each group"),
        "loss-ratios": ("loss_ratios", "Losses over premiums charged"),
        "adjusted-gaps": ("adjusted_gaps", "Gaps after the allowed factors"),
    }
    for name, (key, description) in listed.items():
        yield name, description, [{"grouping": one[0], **one[1]} for one in _of_groupings(content, key)]
    yield "employment", "Rates and impact ratios of an employment law", _employment(content.get("employment"))
    hidden = frozenset({"groups", "calibration", *(key for key, _ in listed.values())})
    yield "gaps", "Gaps of each grouping", [_without(one, hidden) for one in content["groupings"]]


def _of_groupings(content: Record, key: str) -> Iterator[tuple[str, Record]]:
    for grouping in content["groupings"]:
        for one in grouping.get(key) or ():
            yield " and ".join(map(str, grouping["features"])), one


def _employment(annex: Record | None) -> list[dict[str, Any]]:
    return [
        {
            "table": " and ".join(map(str, told["features"])), **_without(one, frozenset({"selection", "scoring"})),
            **{f"{kind}_{name}": value for kind in ("selection", "scoring") for name, value in (one[kind] or {}).items()},
        }
        for told in (annex or {"tables": ()})["tables"]
        for one in told["categories"]
    ]  # fmt: skip


def _explainability_tables(content: Record) -> Tables:
    for at, one in enumerate(content["explanations"], start=1):
        yield f"importance-{at}", f"Importance, explanation {at}", one["features"]
        yield f"encoded-columns-{at}", f"Importance of encoded columns, explanation {at}", one.get("encoded_columns") or ()
    gaps = [
        {"group": gap["group"], "reference": gap["reference"], "score_gap": gap["score_gap"], **part}
        for gap in content.get("group_gaps") or ()
        for part in gap["contributions"]
    ]
    yield "gaps", "What carries gaps in mean score", gaps
    yield "score-associations", "Association of features with the scores", content.get("score_associations") or ()
    first = content["explanations"][0] if content["explanations"] else {}
    yield "spread", "Rows by contribution of each feature", list(_spread(first.get("spread")))
    effects = [{"feature": one["name"], **each} for one in first.get("effects") or () for each in one["ranges"]]
    yield "effects", "Contribution by the values of the main features", effects
    together = [{**one, "features": ", ".join(map(str, one["features"]))} for one in first.get("together") or ()]
    yield "together", "Features that say the same", together
    yield "stability", "Ranks against two draws of the population", (content.get("stability") or {"features": ()})["features"]
    yield "synthetic-cases", "Synthetic cases", [
        {"case": case["case"], "class": one["class"], "feature": name, "value": case["values"][name], "contribution": value}
        for case in content.get("synthetic_cases") or ()
        for one in case["explanations"]
        for name, value in one["contributions"].items()
    ]


def _spread(found: Record | None) -> Iterator[dict[str, Any]]:
    if found is None:
        return
    for one in found["features"]:
        for at, (rows, position) in enumerate(zip(one["counts"], one["positions"], strict=True)):
            yield {
                "feature": one["name"], "contribution": (found["first"] + at) * found["width"], "rows": rows,
                "mean_position": position,
            }  # fmt: skip


def _data_tables(content: Record) -> Tables:
    yield "columns", "Submitted columns", content["columns"]
    yield "correlated-pairs", "Pairs of columns above 0.7", content["correlated_pairs"] or ()
    matrix = content.get("associations") or {"features": (), "values": ()}
    names = [one["name"] for one in matrix["features"]]
    pairs = [
        {"a": names[line], "b": names[at], "association": value}
        for line, row in enumerate(matrix["values"])
        for at, value in enumerate(row)
    ]
    yield "associations", "Association of every pair of columns", pairs
    gains = content.get("feature_gains") or {"features": ()}
    yield "feature-gains", "What each column adds to a plain regression", gains["features"]
    yield "leakage-suspects", "Columns that alone nearly tell the outcome", content.get("leakage_suspects") or ()
    yield "joint-proxies", "How well all columns together tell a group", content.get("joint_proxies") or ()
    yield "proxies", "Columns that stand in for sensitive ones", content["proxies"] or ()


def _admission_tables(content: Record) -> Tables:
    yield "tests", "Admission tests", content["tests"]
    found = content.get("robustness") or {"features": ()}
    changes = [{"feature": one["feature"], **each} for one in found["features"] for each in one["effects"]]
    yield "robustness", "Scores with one column changed", changes


def _comparison_tables(content: Record) -> Tables:
    yield "deltas", "Differences to the champion", content["deltas"]
    decisions = [
        {name: value for name, value in one.items() if not name.endswith("_outcomes")}
        | {
            f"{side}_{name}": (one[f"{side}_outcomes"] or {}).get(name)
            for side in ("only_candidate", "only_champion")
            for name in ("favourable", "unfavourable", "unknown")
        }
        for one in content.get("decisions_changed") or ()
    ]
    yield "decisions-changed", "Who gets another decision than from the champion", decisions
    yield "score-migration", "Rows by the champion's score band and this version's", _migrated(content)
    importance = content.get("importance_changes") or {"columns": ()}
    yield "importance-changes", "What both versions rest on", importance["columns"]


def _migrated(content: Record) -> list[Record]:
    """One record for each pair of bands."""
    found = content.get("score_migration") or {"bands": (), "counts": ()}
    return [
        {
            "champion_from": before["low"], "champion_to": before["high"], "candidate_from": after["low"],
            "candidate_to": after["high"], "rows": count,
        }
        for before, row in zip(found["bands"], found["counts"], strict=True)
        for after, count in zip(found["bands"], row, strict=True)
    ]  # fmt: skip


EVIDENCE_TABLES = {
    "performance": _performance_tables,
    "fairness": _fairness_tables,
    "explainability": _explainability_tables,
    "data": _data_tables,
    "admission": _admission_tables,
    "comparison": _comparison_tables,
    "challenge-performance": _performance_tables,
    "challenge-fairness": _fairness_tables,
}


def table(rows: Sequence[Record]) -> bytes:
    """Records as CSV, estimates in three columns. Text that a spreadsheet would run as a formula is made text.

    UTF-8 with CRLF, as RFC 4180 has it.
    """
    flat = [_flat(one) for one in rows]
    header = list(dict.fromkeys(name for one in flat for name in one))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_safe(name) for name in header])
    writer.writerows([[_safe(one.get(name)) for name in header] for one in flat])
    return out.getvalue().encode()


def _flat(record: Record) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping) and "value" in value:
            flat[name] = value["value"]
            flat |= {f"{name}_{end}": value.get(end) for end in ("low", "high")}
        else:
            flat[name] = value
    return flat


def _safe(value: Any) -> Any:
    """Numbers stay numbers; lists and objects become JSON; text never begins like a formula."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = text.replace("\x00", "\ufffd")
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
