"""How a job can end, and what its owner is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.sandbox import Limits, RejectedInput, SandboxError, SandboxSettings, Zygote

SETTINGS = SandboxSettings(work_module="tests.sandbox.attacks", warm_explanations=False)


@pytest.fixture(scope="module")
def light() -> Iterator[Zygote]:
    with Zygote(settings=SETTINGS) as zygote:
        yield zygote


def failure(zygote: Zygote, task: str, limits: Limits | None = None, **params: object) -> SandboxError:
    with pytest.raises(SandboxError) as caught:
        zygote.run(task, params=params, files={}, limits=limits)
    return caught.value


def test_a_result_comes_with_its_layers_and_its_cost(light: Zygote, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("hello")
    outcome = light.run("echo", params={"a": [1, None]}, files={"one": tmp_path / "in.txt"})
    assert outcome.value == {"params": {"a": [1, None]}, "files": {"one": "hello"}}
    assert {"user", "rlimits", "no-new-privileges", "landlock", "seccomp"} <= outcome.layers.keys()
    assert 0 < outcome.seconds < 10
    assert outcome.peak_memory_bytes > 1024**2


def test_an_exception_is_told_with_its_place(light: Zygote) -> None:
    error = failure(light, "fail", message="column 'age' is odd")
    assert error.code == "task-failed"
    assert error.detail.startswith("RuntimeError: column 'age' is odd (attacks.py:")


@pytest.mark.parametrize("message", ["a\nb", "x" * 100_000, "\ud800", "ünïcode"])
def test_any_message_is_told_in_one_short_line(message: str, light: Zygote) -> None:
    detail = failure(light, "fail_with", message=[ord(character) for character in message]).detail
    assert "\n" not in detail
    assert len(detail) <= 500
    assert detail.encode()


def test_what_the_contract_calls_errors_arrives_as_it_was_raised(light: Zygote) -> None:
    with pytest.raises(RejectedInput) as caught:
        light.run("reject", params={}, files={})
    assert caught.value.errors == [
        {"pointer": "/manifest/target", "code": "unknown-column", "detail": "No such column."}
    ]


def test_a_file_that_may_not_be_opened_has_its_own_code(light: Zygote) -> None:
    error = failure(light, "unsafe")
    assert (error.code, error.detail) == ("unsafe-file", "cyclic-tree: Node 3 is its own parent.")


@pytest.mark.parametrize("limit", [Limits(output_bytes=10_000), Limits(output_bytes=999_000)])
def test_a_result_above_its_limit_is_refused(limit: Limits, light: Zygote) -> None:
    assert failure(light, "flood", limit, size=1_000_000).code == "output-too-large"


@pytest.mark.parametrize("task", ["returns_an_object", "returns_a_list", "no-such-task"])
def test_what_cannot_be_carried_fails_the_task(task: str, light: Zygote) -> None:
    assert failure(light, task).code in ("task-failed", "crashed")


def test_running_out_of_memory_is_told_as_that(light: Zygote) -> None:
    assert failure(light, "hoard", Limits(memory_bytes=200 * 1024**2)).code == "out-of-memory"


def test_a_crash_names_the_signal(light: Zygote) -> None:
    with pytest.raises(SandboxError, match="SIGSEGV"):
        light.run("crash", params={"scene": {}}, files={})


def test_a_job_that_outstays_its_time_is_ended_in_time(light: Zygote) -> None:
    error = failure(light, "rest", Limits(wall_seconds=0.3), seconds=60)
    assert (error.code, error.detail) == ("timed-out", "the job was ended after 0.3 seconds")


def test_an_absent_file_is_the_owners_error_and_not_the_jobs(light: Zygote, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        light.run("echo", params={}, files={"one": tmp_path / "absent"})
    assert light.run("echo", params={}, files={}).value["files"] == {}


def test_progress_reaches_the_owner_while_the_job_runs(light: Zygote) -> None:
    heard: list[tuple[float, str]] = []
    light.run("rest", params={"seconds": 0.1}, files={}, progress=lambda share, text: heard.append((share, text)))
    assert heard == [(0.5, "resting")]


def test_hostile_progress_is_made_printable(light: Zygote) -> None:
    heard: list[tuple[float, str]] = []
    light.run("odd_progress", params={}, files={}, progress=lambda share, text: heard.append((share, text)))
    assert heard[-1] == (1.0, "[31mred")


def test_a_work_module_that_cannot_be_imported_is_told() -> None:
    settings = SandboxSettings(work_module="tests.sandbox.no_such_module", warm_explanations=False)
    with Zygote(settings=settings) as zygote, pytest.raises(SandboxError, match="no_such_module") as caught:
        zygote.wait_warm()
    assert caught.value.code == "sandbox-unavailable"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, SandboxSettings()),
        ({"COUNTERSIGN_SANDBOX_LANDLOCK": "optional"}, SandboxSettings(require_landlock=False)),
        (
            {"COUNTERSIGN_SANDBOX_UID": "1234", "COUNTERSIGN_SANDBOX_RECYCLE_AFTER": "5"},
            SandboxSettings(uid=1234, recycle_after=5),
        ),
    ],
)
def test_settings_come_from_the_environment(environment: dict[str, str], expected: SandboxSettings) -> None:
    assert SandboxSettings.from_environment(environment) == expected


@pytest.mark.parametrize(
    "environment",
    [{"COUNTERSIGN_SANDBOX_UID": "0"}, {"COUNTERSIGN_SANDBOX_LANDLOCK": "off"}, {"COUNTERSIGN_SANDBOX_UID": "x"}],
)
def test_settings_that_would_weaken_it_by_mistake_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"COUNTERSIGN_SANDBOX|invalid literal"):
        SandboxSettings.from_environment(environment)


@pytest.mark.parametrize("limits", [{"wall_seconds": 0}, {"memory_bytes": -1}, {"output_bytes": 0}, {"threads": 0}])
def test_a_limit_of_nothing_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Limits(**limits)
