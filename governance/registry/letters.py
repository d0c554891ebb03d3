"""Letters from outside: kept byte for byte, told by their first bytes, never parsed, and only handed out as downloads."""

from __future__ import annotations

import re

from governance.audit.errors import BadInput, fault
from governance.registry.uploads import StoredUpload, StreamToStorage

LETTER = "letter"
MOST_BYTES = 20 * 10**6
CONTENT_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "tiff": "image/tiff",
    "eml": "message/rfc822",
    "txt": "text/plain; charset=utf-8",
}
_MAGIC = (
    ("pdf", b"%PDF-"),
    ("png", b"\x89PNG\r\n\x1a\n"),
    ("jpeg", b"\xff\xd8\xff"),
    ("tiff", b"II*\x00"),
    ("tiff", b"MM\x00*"),
)
_MAIL_HEADER = re.compile(rb"(?i)(?:received|return-path|delivered-to|from|to|date|subject|message-id|mime-version):[^\n]*\r?\n")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r"))


class LetterToStorage(StreamToStorage):
    """What is too large for a letter is not written to the end."""

    def most_bytes(self) -> int:
        return MOST_BYTES


def checked_letter(upload: StoredUpload | None) -> tuple[StoredUpload, str]:
    """The upload with its kind. Raises BadInput for none, an empty one, a large one and any kind that is not accepted."""
    if upload is None or not upload.size:
        raise BadInput([fault(f"/{LETTER}", "required", "Choose the file that holds the letter.")])
    if upload.size > MOST_BYTES:
        detail = f"The letter has {upload.size:,} bytes; at most {MOST_BYTES:,} are taken."
        raise BadInput([fault(f"/{LETTER}", "too-large", detail)])
    found = next((name for name, magic in _MAGIC if upload.head.startswith(magic)), None) or _text_format(upload.head)
    if found is None:
        detail = "A letter is a PDF, a picture (PNG, JPEG, TIFF), an e-mail or plain text. This file is none of these."
        raise BadInput([fault(f"/{LETTER}", "wrong-format", detail)])
    return upload, found


def _text_format(head: bytes) -> str | None:
    if head.translate(None, _CONTROLS) != head:
        return None
    return "eml" if _MAIL_HEADER.match(head) else "txt"
