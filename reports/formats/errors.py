"""How a submitted file is refused: as bad input with pointers, or as a file that must not be opened at all."""

from __future__ import annotations

from typing import TypedDict


class InputError(TypedDict):
    """One thing wrong with a submission, in the form of the public contract."""

    pointer: str
    code: str
    detail: str


class Rejected(Exception):
    """The submission is well-formed enough to be read, and wrong; `errors` lists everything found, not the first."""

    def __init__(self, errors: list[InputError]) -> None:
        super().__init__("; ".join(error["detail"] for error in errors))
        self.errors = errors


class UnsafeFile(Exception):
    """The file's structure is not what its format promises, so no library may be given it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def error(pointer: str, code: str, detail: str) -> InputError:
    return {"pointer": pointer, "code": code, "detail": detail}
