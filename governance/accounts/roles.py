"""The closed list of roles, and what they mean for signing."""

from enum import StrEnum


class Role(StrEnum):
    DATA_SCIENTIST = "data-scientist"
    VALIDATOR = "validator"
    COMPLIANCE_OFFICER = "compliance-officer"
    APPROVER = "approver"
    AUDITOR = "auditor"
    REGULATOR = "regulator"
    ADMINISTRATOR = "administrator"


TITLES = {
    Role.DATA_SCIENTIST: "Data scientist",
    Role.VALIDATOR: "Validator",
    Role.COMPLIANCE_OFFICER: "Compliance officer",
    Role.APPROVER: "Approver",
    Role.AUDITOR: "Auditor",
    Role.REGULATOR: "Regulator",
    Role.ADMINISTRATOR: "Administrator",
}

SECOND_LINE = frozenset({Role.VALIDATOR, Role.COMPLIANCE_OFFICER, Role.APPROVER})
SIGNING = SECOND_LINE | {Role.REGULATOR}
FIRST_LINE = frozenset({Role.DATA_SCIENTIST})


def conflict(held: set[str], wanted: str) -> str | None:
    """Why a person who holds or ever held `held` may not be given `wanted`; None when he may (rule 2)."""
    if wanted == Role.ADMINISTRATOR and held & SIGNING:
        return "An administrator never holds a signing role, and this person holds or held one."
    if wanted in SIGNING and Role.ADMINISTRATOR in held:
        return "A signing role cannot be given to somebody who is or was an administrator."
    return None
