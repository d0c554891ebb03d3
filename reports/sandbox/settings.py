"""What an operator may set about the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SandboxSettings:
    """`uid` is who jobs become when the worker runs as root: a user that owns nothing and runs nothing else.

    `require_landlock` False lets jobs run on a kernel without Landlock; the evidence then says so. `spool` is the
    folder for results on their way (files without a name; default: the system's temporary folder).
    `warm_explanations` compiles shap's functions beforehand: seconds once instead of seconds in every job.
    """

    work_module: str = "reports.sandbox.work"
    uid: int = 65533
    require_landlock: bool = True
    recycle_after: int = 200
    start_seconds: float = 180.0
    warm_explanations: bool = True
    spool: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> SandboxSettings:
        """From COUNTERSIGN_SANDBOX_UID, _LANDLOCK (`required` or `optional`), _RECYCLE_AFTER. Raises ValueError."""
        landlock = environment.get("COUNTERSIGN_SANDBOX_LANDLOCK", "required")
        if landlock not in ("required", "optional"):
            raise ValueError(f"COUNTERSIGN_SANDBOX_LANDLOCK is {landlock!r}; it may be 'required' or 'optional'")
        uid = int(environment.get("COUNTERSIGN_SANDBOX_UID", cls.uid))
        if uid <= 0:
            raise ValueError("COUNTERSIGN_SANDBOX_UID must be an ordinary user's number, above 0")
        recycle_after = int(environment.get("COUNTERSIGN_SANDBOX_RECYCLE_AFTER", cls.recycle_after))
        return cls(uid=uid, require_landlock=landlock == "required", recycle_after=recycle_after)
