"""The session's zygote: the product's work functions, and the attacks and carelessness beside them."""

from __future__ import annotations

from reports.sandbox.work import WORK as REAL
from tests.sandbox.attacks import WORK as ATTACKS
from tests.sandbox.careless import WORK as CARELESS

WORK = {**REAL, **ATTACKS, **CARELESS}
