"""Where hostile files are opened: a process per job, with nothing in reach. See limits.py first."""

from reports.sandbox.errors import RejectedInput, SandboxError
from reports.sandbox.job import Outcome
from reports.sandbox.limits import Limits
from reports.sandbox.parent import Zygote
from reports.sandbox.settings import SandboxSettings

__all__ = ["Limits", "Outcome", "RejectedInput", "SandboxError", "SandboxSettings", "Zygote"]
