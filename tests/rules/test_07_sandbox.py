"""Rule 7: files are hostile. Nothing opens one but the sandbox, and the sandbox has nothing to lose.

The attacks themselves stand in tests/sandbox; here is what makes them matter: that there is no other way in.
"""

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression
from skops import io as skops_io

from governance.actions import jobs
from governance.audit.events import Action
from governance.audit.models import AuditEvent
from governance.evidence.kinds import JobKind
from governance.evidence.models import Evidence, IntakeResult, Job
from reports import pipeline, tasks
from reports.sandbox import Limits, Zygote, limits
from tests.factories import a_candidate, a_model
from tests.sandbox.crafted import CANARY, COLUMNS, CRAFTED, training_rows

ROOT = Path(__file__).resolve().parent.parent.parent
INSIDE = ("reports/formats/", "reports/sandbox/work.py", "reports/sandbox/warm.py", "reports/measures/explain/")
UNPICKLERS = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
LOADERS = {*UNPICKLERS, "skops", "onnx", "onnxruntime", "lightgbm", "xgboost"}
READERS = {"read_table", "read_csv", "open_csv", "read_parquet", "ParquetFile", "read_json"}
FORMATS_OUTSIDE = {"reports.formats.errors"}
MANIFEST = {
    "schema": "candidate/1", "task": "binary-classification", "target": "y", "positive_class": 1,
    "favourable_outcome": 1, "decision_threshold": 0.5, "classes": [0, 1], "features": list(COLUMNS),
    "sensitive_features": [], "summary": "A hostile file.",
}  # fmt: skip
ROWS = b"a,b,c,y\n" + b"".join(b"%d,%d,%d,%d\n" % (i % 7, i % 5, i % 3, i % 2) for i in range(60))
NAMES = {name for name, _ in limits.LAYERS}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product, by its path."""
    paths = [path for package in ("governance", "reports") for path in sorted((ROOT / package).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


def outside() -> Iterator[tuple[str, ast.Module]]:
    """Those that do not run inside of the sandbox only."""
    return ((name, tree) for name, tree in modules().items() if not name.startswith(INSIDE))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def called(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_no_library_that_reads_models_or_tables_is_imported_outside_of_the_sandbox():
    found = [(name, one) for name, tree in outside() for one in imported(tree) if one.split(".")[0] in LOADERS]
    assert found == []


def test_no_reader_of_tables_is_called_outside_of_the_sandbox():
    found = [(name, one) for name, tree in outside() for one in called(tree) if one in READERS]
    assert found == []


def test_nothing_but_the_sandbox_knows_the_formats():
    known = [(name, one) for name, tree in outside() for one in imported(tree) if one.startswith("reports.formats")]
    assert {one for _, one in known} <= FORMATS_OUTSIDE
    assert all(name.startswith("reports/sandbox/") for name, _ in known)


def test_nothing_uploaded_is_ever_run_as_code():
    """No unpickling anywhere, inside of the sandbox or not."""
    found = []
    for name, tree in modules().items():
        found += [(name, one) for one in imported(tree) if one.split(".")[0] in UNPICKLERS]
        found += [(name, one) for one in called(tree) if one in ("eval", "exec", "get_untrusted_types")]
    assert found == []


def test_every_layer_is_on_before_a_job_sees_its_files(zygote: Zygote):
    outcome = zygote.run("look_around", params={}, files={})
    assert outcome.layers.keys() == NAMES
    assert [name for name, told in outcome.layers.items() if told.startswith("missing")] in ([], ["namespaces"])
    assert outcome.value["uid"] != 0
    assert outcome.value["environment"] == {}


def test_the_filter_is_put_on_last_and_no_layer_stands_twice_but_the_parents():
    names = [name for name, _ in limits.LAYERS]
    assert names[-1] == "seccomp"
    assert [name for name in names if names.count(name) > 1] == ["parent", "parent"]
    assert (
        names.index("user") < names.index("capabilities") < names.index("no-new-privileges") < names.index("landlock")
    )
    assert names[names.index("landlock") + 1] == "parent"


@pytest.fixture
def worker(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> Zygote:
    """The tasks' zygote is the session's."""
    monkeypatch.setattr(tasks, "zygote", lambda: zygote)
    return zygote


def submitted(people, model, artifact: bytes):
    return a_candidate(people, model, manifest=MANIFEST, artifact=artifact, evaluation=ROWS, reference=ROWS)


def opened(candidate) -> IntakeResult:
    """The candidate's intake job, done by the task."""
    tasks.compute(Job.objects.get(candidate=candidate, kind=JobKind.INTAKE).pk)
    return IntakeResult.objects.get(candidate=candidate)


def honest_model() -> bytes:
    rows, outcome = training_rows()
    return skops_io.dumps(LogisticRegression().fit(rows, outcome.astype(int)))


@pytest.mark.parametrize("name", [name for name, file in CRAFTED.items() if file.model_format == "skops"])
def test_a_hostile_file_fails_its_own_job_and_nothing_else_notices(name, people, worker):
    model, before = a_model(people), worker.pid
    hostile = submitted(people, model, CRAFTED[name].make())
    honest = submitted(people, model, honest_model())
    result = opened(hostile)
    assert [error["pointer"] for error in result.errors] == ["/model"]
    assert result.errors[0]["detail"]
    assert AuditEvent.objects.filter(action=Action.INTAKE_FAILED, candidate=hostile.pk).count() == 1
    assert not Evidence.objects.filter(candidate=hostile).exists()
    assert opened(honest).errors == []
    assert worker.pid == before
    assert not os.path.exists(CANARY)


def test_a_job_that_dies_in_the_sandbox_is_told_by_its_own_code_and_is_not_tried_again(people, worker, monkeypatch):
    monkeypatch.setattr(pipeline, "INTAKE", Limits(wall_seconds=0.001))
    candidate = submitted(people, a_model(people), honest_model())
    result = opened(candidate)
    assert [(error["pointer"], error["code"]) for error in result.errors] == [("/model", "timed-out")]
    job = Job.objects.get(candidate=candidate, kind=JobKind.INTAKE)
    assert jobs.claim_job(job.pk) is None
    assert (job.state, job.error["code"]) == ("failed", "timed-out")


def test_what_a_job_is_given_has_no_name_and_no_way_back(worker, tmp_path):
    """A file in a folder that only its owner may enter reaches the job, as an open file that can only be read."""
    folder = tmp_path / "blobs"
    folder.mkdir(mode=0o700)
    (folder / "blob").write_bytes(b"rows")
    (folder / "blob").chmod(0o600)
    told = worker.run("echo", params={}, files={"evaluation": folder / "blob"}).value
    assert told["files"] == {"evaluation": "rows"}
