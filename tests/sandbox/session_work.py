"""The session's zygote: the product's work functions, and the attacks beside them."""

from __future__ import annotations

from reports.sandbox.work import WORK as REAL
from tests.sandbox.attacks import WORK as ATTACKS

WORK = {**REAL, **ATTACKS}
