"""From a claimed job to a document: the sandbox gives arrays, plain functions make the figures. No Django here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import UUID

from reports.documents import build
from reports.documents.canonical import Document, rounded
from reports.documents.single_decision import single_decision
from reports.measures.admission import MEGABYTE
from reports.parts import Parts, bounds, explained, to_finish, write_part
from reports.sandbox import wire
from reports.sandbox.errors import RejectedInput
from reports.sandbox.job import Outcome
from reports.sandbox.limits import Limits
from reports.sandbox.parent import Zygote
from reports.values import of_encoded_columns, write_values

Report = Callable[[float, str], None]
Keep = Callable[[BinaryIO], str]
LIBRARIES = (
    "fairlearn", "lightgbm", "numpy", "onnxruntime", "pandas", "pyarrow", "scikit-learn", "scipy", "shap", "skops",
    "xgboost-cpu",
)  # fmt: skip
INTAKE = Limits(wall_seconds=300)
COMPUTE = Limits(wall_seconds=1800)
LOOK_UP = Limits(wall_seconds=300)
PREDICT_SHARE, EXPLAIN_SHARE = 0.6, 0.75
FINISH_SHARE, KEEP_SHARE = 0.2, 0.6
PLAN_CEILING = 256 * 1024**2
CHALLENGE = ("challenge-performance", "challenge-fairness")
TABLE_OF = ("perturbation", "output", "players")


class Work(Protocol):
    """What a worker is told about a job (`governance.actions.jobs.ClaimedJob`)."""

    @property
    def kind(self) -> str: ...
    @property
    def run(self) -> int: ...
    @property
    def candidate(self) -> UUID: ...
    @property
    def manifest(self) -> dict[str, Any]: ...
    @property
    def model_format(self) -> str: ...
    @property
    def artifact_digest(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def files(self) -> dict[str, Path]: ...
    @property
    def digests(self) -> dict[str, str]: ...
    @property
    def limits(self) -> dict[str, Any]: ...
    @property
    def large(self) -> bool: ...
    @property
    def champion(self) -> Any: ...
    @property
    def product_version(self) -> str: ...


@dataclass(frozen=True)
class Opened:
    """What intake found: faults in the contract's form, or facts."""

    errors: list[dict[str, str]]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Computed:
    schema: str
    content: dict[str, Any]
    provenance: dict[str, Any]


def open_submission(work: Work, zygote: Zygote, report: Report) -> Opened:
    """Read the tables, load the model and try it, in the sandbox. Raises SandboxError when that itself fails."""
    try:
        outcome = zygote.run("intake", params=_params(work), files=work.files, limits=INTAKE, progress=report)
    except RejectedInput as rejected:
        return Opened(rejected.errors, {})
    return Opened([], outcome.value)


def compute_evidence(
    work: Work, zygote: Zygote, report: Report, keep: Keep, parts: Parts | None = None
) -> Computed:
    """The document of one kind with its provenance. `keep` stores a file and returns its digest. Raises SandboxError.

    `parts` are the explanations of all rows, where they were computed one part after the other.
    """
    began = time.monotonic()
    if parts is None:
        document, outcome, extra = KINDS[work.kind](work, zygote, report, keep)
    else:
        document, outcome, extra = _explained_in_parts(work, zygote, report, keep, parts)
    provenance = _provenance(work, document, outcome) | extra
    provenance["duration_seconds"] = round(time.monotonic() - began, 3)
    return Computed(document.schema, document.content, provenance)


def look_up(work: Work, zygote: Zygote, values: Path, explanation: dict[str, str], **asked: Any) -> dict[str, Any]:
    """What is told of the row of this `row_id` or `position`; `several`: values of several classes. Raises SandboxError."""
    files = {**work.files, "values": values}
    outcome = zygote.run("single_decision", params={**_params(work), **asked}, files=files, limits=LOOK_UP)
    return single_decision(work.manifest, outcome.value, explanation)


Made = tuple[Document, Outcome, dict[str, Any]]


def _params(work: Work) -> dict[str, Any]:
    return {"manifest": work.manifest, "model_format": work.model_format, "seed": work.seed}


def _predicted(work: Work, zygote: Zygote, report: Report) -> Outcome:
    """Tables and scores. Rows that no intake has seen are held against the manifest first."""
    task = "challenge" if work.kind in CHALLENGE else "survey" if work.kind == "data" else "predict"

    def part(share: float, note: str) -> None:
        report(share * PREDICT_SHARE, note)

    outcome = zygote.run(task, params=_params(work), files=work.files, limits=COMPUTE, progress=part)
    report(PREDICT_SHARE, "Scored; computing figures")
    return outcome


def _manifest(work: Work, value: dict[str, Any]) -> dict[str, Any]:
    """The manifest with what the file itself carries: features and the order of classes."""
    found = {name: value[name] for name in ("features", "classes") if value.get(name)}
    return {**found, **{key: one for key, one in work.manifest.items() if one is not None}}


def _performance(work: Work, zygote: Zygote, report: Report, keep: Any) -> Made:
    outcome = _predicted(work, zygote, report)
    value = outcome.value
    document = build.performance(
        _manifest(work, value), value["evaluation"], value["scores"], seed=work.seed,
        predicted=value.get("raw_prediction"), reference=_reference(value),
    )  # fmt: skip
    return document, outcome, {}


def _reference(value: dict[str, Any]) -> tuple[Any, Any] | None:
    """The reference with the model's scores on it, where there are both."""
    table, scores = value.get("reference"), value.get("reference_scores")
    return None if table is None or scores is None else (table, scores)


def _fairness(work: Work, zygote: Zygote, report: Report, keep: Any) -> Made:
    outcome = _predicted(work, zygote, report)
    value = outcome.value
    document = build.fairness(
        _manifest(work, value), value["evaluation"], value["scores"], limits=work.limits, seed=work.seed,
        predicted=value.get("raw_prediction"),
    )  # fmt: skip
    return document, outcome, {}


def _data(work: Work, zygote: Zygote, report: Report, keep: Any) -> Made:
    outcome = _predicted(work, zygote, report)
    value = outcome.value
    document = build.data(
        _manifest(work, value), value["evaluation"], value.get("reference"), seed=work.seed,
        unused=value["unused"], unread=value["unread"],
    )  # fmt: skip
    return document, outcome, {}


def _admission(work: Work, zygote: Zygote, report: Report, keep: Any) -> Made:
    params = _params(work) | {"monotone": work.limits.get("monotone", {})}
    outcome = zygote.run("admission", params=params, files=work.files, limits=COMPUTE, progress=report)
    model = work.files.get("model")
    document = build.admission(
        work.manifest, outcome.value, limits=work.limits, size_bytes=model.stat().st_size if model else None
    )
    peak = {"peak-memory": {"value": outcome.peak_memory_bytes / MEGABYTE}} if model else {}
    return document, outcome, {"measured": rounded(outcome.value["measured"] | peak)}


def _explainability(work: Work, zygote: Zygote, report: Report, keep: Keep) -> Made:
    params = _params(work) | {"large": work.large}
    outcome = zygote.run("explain", params=params, files=work.files, limits=COMPUTE, progress=report)
    document = build.explainability(work.manifest, outcome.value, seed=work.seed)
    return document, outcome, {"values": _kept_values(outcome.value, zygote, keep)}


def _kept_values(value: dict[str, Any], zygote: Zygote, keep: Keep) -> list[dict[str, Any]]:
    """The matrix of each kind of explanation as a file, and that of encoded columns where it was kept, named by its digest."""

    def stored(explanations: list[dict[str, Any]]) -> str:
        with tempfile.TemporaryFile(dir=zygote.settings.spool) as file:
            write_values(file, explanations, value)
            file.seek(0)
            return keep(file)

    files = []
    for names, same in _by_table(value["explanations"]).items():
        encoded = [one for one in map(of_encoded_columns, same) if one is not None]
        more = {"encoded_file": stored(encoded)} if encoded else {}
        files.append({**dict(zip(TABLE_OF, names, strict=True)), "file": stored(same), **more})
    return files


def plan_parts(work: Work, zygote: Zygote, report: Report) -> dict[str, Any] | None:
    """What parts of the rows to be explained have in common; None where they are explained in one. Raises SandboxError."""
    outcome = zygote.run("explain_plan", params=_params(work), files=work.files, limits=COMPUTE, progress=report)
    return None if outcome.value.get("whole") else outcome.value


def write_plan(out: BinaryIO, plan: Mapping[str, Any]) -> None:
    wire.write(out, dict(plan), ceiling=PLAN_CEILING)
    out.seek(0)


def read_plan(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        plan: dict[str, Any] = wire.read(file, ceiling=PLAN_CEILING)
    return plan


def compute_part(
    work: Work, zygote: Zygote, plan: Mapping[str, Any], rows: tuple[int, int], report: Report, out: BinaryIO
) -> None:
    """Explain the rows from the first to before the second of `rows`, into a file. Raises SandboxError, DamagedPart."""
    start, stop = rows
    params = _params(work) | {"plan": dict(plan), "start": start, "stop": stop}
    outcome = zygote.run("explain_part", params=params, files=_asked(work), limits=COMPUTE, progress=report)
    held = {"layers": outcome.layers, "seconds": outcome.seconds, "peak_memory_bytes": outcome.peak_memory_bytes}
    write_part(out, outcome.value, {"outcome": held}, start, stop)
    out.seek(0)


@contextmanager
def in_parts(work: Work, zygote: Zygote) -> Iterator[Parts | None]:
    """All parts of large data, computed here one after the other, in files without a name; None where there are none."""
    plan = plan_parts(work, zygote, _unheard) if work.large else None
    if plan is None:
        yield None
        return
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=zygote.settings.spool)) for _ in bounds(plan)]
        for rows, file in zip(bounds(plan), files, strict=True):
            compute_part(work, zygote, plan, rows, _unheard, file)
        yield Parts.at(plan, [Path(f"/proc/self/fd/{file.fileno()}") for file in files])  # no name that a crash would leave


def _unheard(share: float, note: str) -> None:
    pass


def _asked(work: Work) -> dict[str, Path]:
    return {part: work.files[part] for part in ("model", "evaluation")}


def _explained_in_parts(work: Work, zygote: Zygote, report: Report, keep: Keep, parts: Parts) -> Made:
    explanations = parts.explanations()
    asked = to_finish(parts, explanations)
    params = _params(work) | {"plan": dict(parts.plan), **asked}

    def part(share: float, note: str) -> None:
        report(FINISH_SHARE + share * (KEEP_SHARE - FINISH_SHARE), note)

    outcome = zygote.run("explain_finish", params=params, files=_asked(work), limits=COMPUTE, progress=part)
    value = explained(parts, explanations, outcome.value, asked["synthetic"], work.manifest)
    document = build.explainability(work.manifest, value, seed=work.seed)
    report(KEEP_SHARE, "Keeping the contributions of each row")
    files = _kept_values(value, zygote, keep)
    return document, _over_parts(outcome, parts), {"values": files, "parts": len(parts.parts)}


def _over_parts(last: Outcome, parts: Parts) -> Outcome:
    """What held the sandbox in all parts: a layer that differed is told with everything that it gave."""
    held = [one.told["outcome"] for one in parts.parts]
    given = [last.layers, *[one["layers"] for one in held]]
    layers = {name: "; ".join(sorted({str(one.get(name, "missing")) for one in given})) for name in last.layers}
    peak = max([last.peak_memory_bytes, *[one["peak_memory_bytes"] for one in held]])
    return replace(
        last, layers=layers, seconds=last.seconds + sum(one["seconds"] for one in held), peak_memory_bytes=peak
    )


def _by_table(explanations: list[dict[str, Any]]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """One table for all classes of a multi-class explanation."""
    tables: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in explanations:
        tables.setdefault(tuple(one[name] for name in TABLE_OF), []).append(one)
    return tables


def _comparison(work: Work, zygote: Zygote, report: Report, keep: Any) -> Made:
    outcome = _predicted(work, zygote, report)
    value = outcome.value
    champion, extra = _champion_scores(work, zygote, report)
    document = build.comparison(
        _manifest(work, value), value["evaluation"], value["scores"], champion=champion, limits=work.limits,
        seed=work.seed, predicted=value.get("raw_prediction"), explained=_both_explained(work, zygote, report, champion),
    )  # fmt: skip
    return document, outcome, extra


def _both_explained(
    work: Work, zygote: Zygote, report: Report, champion: dict[str, Any] | None
) -> dict[str, dict[str, Any]] | None:
    """Contributions to both models' scores on the same rows; None where the champion has no scores on them."""
    if champion is None or champion["scores"] is None:
        return None
    if work.model_format == "predictions":
        return {"candidate": {"unexplained": "predictions-only"}}
    report(EXPLAIN_SHARE, "Explaining both versions on the same rows")
    mine = zygote.run("contributions", params=_params(work), files=work.files, limits=COMPUTE).value
    if "unexplained" in mine:
        return {"candidate": mine}
    params, files = _of_champion(work)
    return {"candidate": mine, "champion": zygote.run("contributions", params=params, files=files, limits=COMPUTE).value}


def _of_champion(work: Work) -> tuple[dict[str, Any], dict[str, Path]]:
    """The champion's model and manifest with this candidate's rows."""
    champion = work.champion
    params = {"manifest": champion.manifest, "model_format": champion.format, "seed": work.seed}
    return params, {"model": champion.model, "evaluation": work.files["evaluation"]}


def _champion_scores(work: Work, zygote: Zygote, report: Report) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The champion run on this candidate's rows; where it cannot, the reason in its place."""
    champion = work.champion
    if champion is None:
        return None, {"champion": None}
    base = {"manifest": champion.manifest, "artifact_digest": champion.artifact_digest}
    extra = {"champion": {"candidate": champion.candidate, "version": champion.version}}
    if champion.model is None:
        return {**base, "scores": None, "reason": "The champion was submitted as predictions only."}, extra
    report(PREDICT_SHARE, "Running the champion on the same rows")
    params, files = _of_champion(work)
    try:
        scored = zygote.run("predict_with", params=params, files=files, limits=COMPUTE)
    except RejectedInput as rejected:
        reason = "The champion cannot score these rows: " + "; ".join(one["detail"] for one in rejected.errors)
        return {**base, "scores": None, "reason": reason}, extra
    return {**base, "scores": scored.value["scores"], "reason": None}, extra


KINDS: dict[str, Callable[[Work, Zygote, Report, Any], Made]] = {
    "performance": _performance,
    "fairness": _fairness,
    "explainability": _explainability,
    "data": _data,
    "admission": _admission,
    "comparison": _comparison,
    "challenge-performance": _performance,
    "challenge-fairness": _fairness,
}


def _provenance(work: Work, document: Document, outcome: Outcome) -> dict[str, Any]:
    """Where the content comes from; in its own digest, so that content is the same on every host (rule 8)."""
    return {
        "candidate": str(work.candidate),
        "kind": work.kind,
        "run": work.run,
        "seed": work.seed,
        "artifact_digest": work.artifact_digest,
        "data_digests": dict(sorted(work.digests.items())),
        "versions": {"countersign": work.product_version, **{name: version(name) for name in LIBRARIES}},
        "sandbox": outcome.layers,
        "sandbox_seconds": round(outcome.seconds, 3),
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "cross_checks": document.cross_checks,
    }
