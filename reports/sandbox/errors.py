"""How a job in the sandbox can end other than with a result."""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    OUTPUT_TOO_LARGE = "output-too-large"
    UNAVAILABLE = "sandbox-unavailable"
    TASK_FAILED = "task-failed"
    UNSAFE_FILE = "unsafe-file"
    REJECTED = "rejected-input"


class SandboxError(Exception):
    """A job gave no result. `code` is one of Failure, `detail` one sentence for the person who submitted the file."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class RejectedInput(SandboxError):
    """The submission is wrong, and `errors` says where: pointer, code and detail of each, as in the public contract."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(Failure.REJECTED, "; ".join(error["detail"] for error in errors))
        self.errors = errors
