"""The one shape of a refusal: a stable code, the fact, and who can mend it."""

from __future__ import annotations


class Refused(Exception):
    """An act that the rules do not allow. Pages, API and commands each render it in one place.

    `code` is stable; `detail` says what is wrong and what to do; `status` is the HTTP status it amounts to.
    """

    status = 403

    def __init__(self, code: str, detail: str, *, who: str = "", status: int | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.who = code, detail, who
        if status is not None:
            self.status = status


class BadInput(Refused):
    """Input that cannot be taken; every fault is listed with a JSON pointer."""

    status = 400

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("bad-input", "; ".join(error["detail"] for error in errors))
        self.errors = errors


def fault(pointer: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "detail": detail}
