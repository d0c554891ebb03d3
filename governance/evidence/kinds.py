"""The closed lists of what is computed and how a check can end."""

from enum import StrEnum


class Kind(StrEnum):
    """What is computed on a submission as it was handed in."""

    PERFORMANCE = "performance"
    FAIRNESS = "fairness"
    EXPLAINABILITY = "explainability"
    DATA = "data"
    ADMISSION = "admission"
    COMPARISON = "comparison"


class ChallengeKind(StrEnum):
    """What is computed on a validator's challenge data; the run is the number of the data set."""

    CHALLENGE_PERFORMANCE = "challenge-performance"
    CHALLENGE_FAIRNESS = "challenge-fairness"

    @property
    def beside(self) -> Kind:
        """The kind whose document, on the submitter's data, this one stands beside."""
        return Kind(self.value.removeprefix("challenge-"))


class JobKind(StrEnum):
    """What a worker does for a candidate: find out whether it can be judged, compute each kind, print the dossier."""

    INTAKE = "intake"
    PERFORMANCE = "performance"
    FAIRNESS = "fairness"
    EXPLAINABILITY = "explainability"
    DATA = "data"
    ADMISSION = "admission"
    COMPARISON = "comparison"
    CHALLENGE_PERFORMANCE = "challenge-performance"
    CHALLENGE_FAIRNESS = "challenge-fairness"
    DOSSIER = "dossier"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class CheckState(StrEnum):
    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


CAUSES = (
    "no-champion",
    "champion-not-comparable",
    "predictions-only",
    "outcomes-unknown",
    "no-reference",
    "no-sensitive-features",
    "not-for-this-task",
    "not-yet-offered",
)
