"""Submitting a version in the browser: the same parts, checks and action as by API."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from governance.actions.submit_candidate import submit_candidate
from governance.audit.errors import Refused
from governance.registry.models import Model
from governance.registry.submission import PARTS, check_submission
from governance.registry.uploads import StreamToStorage, received
from governance.release.queries import newest_manifest
from governance.web.base import PersonView, faults_of, model_or_404
from governance.web.inventory import ONLY_SCIENTISTS, first_line
from governance.web.pages import Crumb, Fault, Faults, Field, FieldRow, FieldSection, FilePart, Link, Option, SubmitPage

TASKS = ("binary-classification", "multiclass-classification", "regression")
FILES = (
    ("model", "Model file", "ONNX, skops, XGBoost JSON or UBJ, LightGBM text. A pickle is refused."),
    ("evaluation", "Evaluation data", "CSV or Parquet with outcome, features and sensitive columns."),
    ("reference", "Reference", "Optional: what it was trained on, for drift and lineage."),
    ("background", "Background", "Optional, at most 1,000 rows. Without it: 100 rows of the reference, drawn with a seed."),
    ("predictions", "Predictions", "Instead of a model file, for a model that cannot leave its own system."),
)
TEXT = ("task", "target", "row_id", "weight", "premium", "family", "summary")
LISTS = ("features", "categorical_features", "sensitive_features", "allowed_factors", "segments", "classes")
DOCUMENTS = ("categories", "employment", "alternatives", "reason_codes")
EMPLOYMENT_EXAMPLE = 'As JSON: {"law": "local-law-144", "sex": "sex", "race_ethnicity": "race"}'
ALTERNATIVES_EXAMPLE = 'As JSON: [{"alternative": "without postcode", "result": "ratio 0.91", "why_not_chosen": "…"}]'
REASONS_EXAMPLE = 'As JSON: {"income": {"code": "R01", "reason": "Income too low for the amount requested"}}'
KEYS = (
    *TEXT, *LISTS, "reference_groups", "positive_class", "favourable_outcome", "decision_threshold", "intersections",
    *DOCUMENTS,
)  # fmt: skip


@method_decorator(csrf_exempt, name="dispatch")
class Submit(PersonView):
    """The upload handler has to be set before the body is read, so the CSRF check runs inside `post`."""

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        model = self._model(slug)
        return self._form(model, as_fields(newest_manifest(model)))

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        request.upload_handlers = [StreamToStorage(request)]
        return self._checked(request, slug)

    @method_decorator(csrf_protect)
    def _checked(self, request: HttpRequest, slug: str) -> HttpResponse:
        model = self._model(slug)
        given = {name: request.POST.get(name, "") for name in KEYS}
        try:
            _, uploads = received(request, PARTS)
            submission = check_submission(json.dumps(as_manifest(given)).encode(), uploads)
            candidate, created, _ = submit_candidate(model, submission=submission, by=self.person)
        except Refused as refused:
            kept = "Your entries are kept; choose the files again."
            return self._form(model, given, faults_of(refused, "Not submitted", kept), status=refused.status)
        text = "is submitted" if created else "was submitted before, with the same file, data and manifest"
        messages.success(request, f"Version {candidate.version} {text}.")
        return redirect("candidate", candidate=candidate.pk)

    def _model(self, slug: str) -> Model:
        model = model_or_404(self.person, slug)
        if not first_line(self.person):
            raise Refused("role-required", ONLY_SCIENTISTS.why, who="data-scientist")
        return model

    def _form(
        self, model: Model, given: dict[str, str], faults: Faults | None = None, *, status: int = 200
    ) -> HttpResponse:
        record = model.current
        page = SubmitPage(
            model=Link(record.name, reverse("model", args=[model.slug])),
            slug=model.slug,
            crumbs=(
                Crumb("Models", reverse("models")),
                Crumb(record.name, reverse("model", args=[model.slug])),
                Crumb("New version"),
            ),
            lead=f"{record.name}. Files are stored under their digest and never change.",
            action=reverse("submit", args=[model.slug]),
            files=tuple(
                FilePart(Field(name, label, "file", help=note, error=_error(faults, name)), name)
                for name, label, note in FILES
            ),
            sections=_sections(given, faults),
            next=(
                "Files are stored under their digest and never change.",
                "Six evidence documents are computed, in minutes.",
                "Independent validation opens. You can sign nothing on this version.",
            ),
            server=settings.COUNTERSIGN_URL,
            faults=faults,
        )
        return self.page("web/submit.html", page, status=status)


def _error(faults: Faults | None, name: str) -> Fault | None:
    return next((one for one in faults.errors if one.field == name), None) if faults else None


def _sections(given: dict[str, str], faults: Faults | None) -> tuple[FieldSection, ...]:
    def field(name: str, label: str, kind: str = "text", **more: Any) -> Field:
        return Field(name, label, kind, given.get(name, ""), error=_error(faults, name), **more)

    def lines(name: str, label: str, help_: str, rows: int = 4) -> Field:
        return field(name, label, "area", rows=rows, mono=True, help=help_)

    tasks = tuple(Option(task, task.replace("-", " ")) for task in TASKS)
    return (
        FieldSection(
            "cols",
            "Columns and classes",
            (
                FieldRow((field("task", "Task", "choice", options=tasks), field("target", "Target"))),
                FieldRow(
                    (
                        field("positive_class", "Scored class"),
                        field("favourable_outcome", "Favourable outcome", help="What the person wants; several: one a line."),
                        field("decision_threshold", "Threshold", inputmode="decimal"),
                    )
                ),
                FieldRow((lines("features", "Features, in model order", "One a line. Empty: the file's own names decide.", 8),)),
                FieldRow((lines("sensitive_features", "Sensitive columns", "One a line. Fairness is computed for each."),)),
                FieldRow((lines("reference_groups", "Reference groups", "One a line: sex=male."),)),
                FieldRow((lines("intersections", "Intersections", "One a line: sex, age_group.", 2),)),
                FieldRow((lines("segments", "Segments", "One a line: a period, a region, a product.", 2),)),
                FieldRow((field("summary", "What changed, and why", "area"),)),
            ),
        ),
        FieldSection(
            "more",
            "More columns, categories and weights",
            (
                FieldRow((field("row_id", "Row id"), field("weight", "Weight"))),
                FieldRow((field("family", "Family"), field("premium", "Premium charged", help="For the loss ratio."))),
                FieldRow((lines("categorical_features", "Categorical features", "One a line."),)),
                FieldRow((lines("classes", "Classes", "In the order of the probability columns, one a line.", 2),)),
                FieldRow((lines("categories", "Categories", 'As JSON: {"purpose": ["car"]}', 2),)),
                FieldRow((lines("allowed_factors", "Factors allowed to explain a gap", "Pricing only; one a line.", 2),)),
                FieldRow((lines("employment", "Employment", EMPLOYMENT_EXAMPLE, 2),)),
                FieldRow((lines("alternatives", "Alternatives considered", ALTERNATIVES_EXAMPLE, 3),)),
                FieldRow((lines("reason_codes", "Reasons for a refusal, by feature", REASONS_EXAMPLE, 3),)),
            ),
            folded=True,
        ),
    )


def as_manifest(given: dict[str, str]) -> dict[str, Any]:
    """The contract's manifest from the form's text; empty fields are left out."""
    manifest: dict[str, Any] = {"schema": "candidate/1", "sensitive_features": _lines(given["sensitive_features"])}
    for name in TEXT:
        if given[name].strip() or name == "summary":
            manifest[name] = given[name].strip()
    for name in ("positive_class", "decision_threshold"):
        if given[name].strip():
            manifest[name] = _scalar(given[name].strip())
    favourable = [_scalar(line) for line in _lines(given["favourable_outcome"])]
    if favourable:
        manifest["favourable_outcome"] = favourable[0] if len(favourable) == 1 else favourable
    for name in ("features", "categorical_features", "allowed_factors", "segments"):
        if _lines(given[name]):
            manifest[name] = _lines(given[name])
    if _lines(given["classes"]):
        manifest["classes"] = [_scalar(line) for line in _lines(given["classes"])]
    pairs = [line.partition("=") for line in _lines(given["reference_groups"])]
    if pairs:
        manifest["reference_groups"] = {name.strip(): value.strip() for name, _, value in pairs}
    if _lines(given["intersections"]):
        manifest["intersections"] = [
            [name.strip() for name in line.split(",")] for line in _lines(given["intersections"])
        ]
    manifest |= {name: _json(given[name]) for name in DOCUMENTS if given[name].strip()}
    return manifest


def as_fields(manifest: dict[str, Any]) -> dict[str, str]:
    """The newest version's manifest as the form's first entries: a new version mostly changes little."""
    if not manifest:
        return {"task": TASKS[0], "decision_threshold": "0.5"}
    given = {name: str(manifest[name]) for name in (*TEXT, "positive_class", "decision_threshold") if name in manifest}
    favourable = manifest.get("favourable_outcome", "")
    given["favourable_outcome"] = "\n".join(map(str, favourable)) if isinstance(favourable, list) else str(favourable)
    for name in LISTS:
        given[name] = "\n".join(map(str, manifest.get(name, [])))
    given["reference_groups"] = "\n".join(f"{name}={value}" for name, value in manifest.get("reference_groups", {}).items())
    given["intersections"] = "\n".join(", ".join(one) for one in manifest.get("intersections", []))
    given |= {name: json.dumps(manifest[name], ensure_ascii=False) for name in DOCUMENTS if name in manifest}
    return {**given, "summary": ""}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _scalar(text: str) -> Any:
    """A number where it is written as one: JSON knows classes as numbers or text."""
    value = _json(text)
    return value if isinstance(value, int | float) else text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
