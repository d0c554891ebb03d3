"""The session's zygote: the product's work functions, and attacks, carelessness and explanations beside them."""

from __future__ import annotations

from reports.sandbox.work import WORK as REAL
from tests.sandbox.attacks import WORK as ATTACKS
from tests.sandbox.careless import WORK as CARELESS
from tests.sandbox.explaining import WORK as EXPLAINING

WORK = {**REAL, **ATTACKS, **CARELESS, **EXPLAINING}
