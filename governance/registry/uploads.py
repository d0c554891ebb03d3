"""Multipart uploads streamed into the store while they are hashed, never whole in memory.

The handler takes no decision: it notes what is wrong on the request and lets `received` refuse it, because Django may
parse the body early (for the CSRF token), where an exception would be an error page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from governance.audit.errors import BadInput, fault
from governance.registry import manifest_json
from governance.registry.sniff import HEAD_BYTES
from governance.registry.storage import Incoming, Stored

MANIFEST = "manifest"
FRAME_BYTES = 64 * 1024
"""What the multipart frame itself may take beyond the limit of its parts."""


class StoredUpload(UploadedFile):
    """A part that was received whole. Its name is what the sender called it and is used for nothing."""

    def __init__(self, incoming: Incoming, name: str, content_type: str) -> None:
        super().__init__(file=incoming.file, name=name, content_type=content_type, size=incoming.size)
        self._incoming = incoming
        self.digest = incoming.digest
        self.size: int = incoming.size
        incoming.file.seek(0)
        self.head = incoming.file.read(HEAD_BYTES)
        incoming.file.seek(0)

    def keep(self) -> Stored:
        """Into the store for good."""
        return self._incoming.keep()

    def close(self) -> None:
        self._incoming.close()


class StreamToStorage(FileUploadHandler):
    """The one way of a file into the product; a letter's has a limit of its own."""

    chunk_size = 1024**2

    def most_bytes(self) -> int:
        """Of one part."""
        return int(settings.COUNTERSIGN_MAX_UPLOAD_BYTES)

    def handle_raw_input(
        self, input_data: Any, META: dict[str, Any], content_length: int, boundary: str, encoding: str | None = None
    ) -> tuple[QueryDict, MultiValueDict[str, UploadedFile]] | None:
        """A body that is too large by its own account is not read at all."""
        self.request.upload_faults = []  # type: ignore[union-attr]
        limit = settings.COUNTERSIGN_MAX_UPLOAD_BYTES
        if content_length > limit + FRAME_BYTES:
            self._note("", "too-large", f"The request has {content_length:,} bytes; at most {limit:,} are taken.")
            return QueryDict(encoding=encoding), MultiValueDict()
        return None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.incoming = Incoming()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        limit = manifest_json.MAX_BYTES if self.field_name == MANIFEST else self.most_bytes()
        if self.incoming.size + len(raw_data) > limit:
            self.incoming.close()
            self._note(f"/{self.field_name}", "too-large", f"The part has more than {limit:,} bytes.")
            raise SkipFile
        self.incoming.write(raw_data)

    def file_complete(self, file_size: int) -> StoredUpload:
        return StoredUpload(self.incoming, self.file_name or "", self.content_type or "")

    def upload_interrupted(self) -> None:
        """Called as well after a last part that was skipped, which has its fault already."""
        if self.incoming.closed:
            return
        self.incoming.close()
        self._note(f"/{self.field_name}", "interrupted", "The upload ended in the middle of this part; send it again.")

    def _note(self, pointer: str, code: str, detail: str) -> None:
        self.request.upload_faults.append(fault(pointer, code, detail))  # type: ignore[union-attr]


class NoFiles(FileUploadHandler):
    """The handler of every request that has no business with files: nothing of one is kept, and the reading stops."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise StopUpload(connection_reset=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        raise StopUpload(connection_reset=True)

    def file_complete(self, file_size: int) -> None:
        return None


def received(request: HttpRequest, parts: tuple[str, ...]) -> tuple[bytes | None, dict[str, StoredUpload]]:
    """The manifest's bytes (sent as a field or as a file; None where it was not) and the uploads by part.

    Raises BadInput for uploads that were too large or broken off, for parts of other names and for parts sent twice.
    Fields other than the manifest are left to the caller: a form has some of its own.
    """
    faults = list(getattr(request, "upload_faults", []))
    faults += _uninvited(request, parts)
    if faults:
        raise BadInput(faults)
    uploads = {name: cast("StoredUpload", request.FILES[name]) for name in request.FILES}
    sent = uploads.pop(MANIFEST, None)
    text = request.POST.get(MANIFEST)
    if sent is not None:
        return sent.read(), uploads
    return (None if text is None else text.encode("utf-8", errors="surrogatepass")), uploads


def _uninvited(request: HttpRequest, parts: tuple[str, ...]) -> Iterator[dict[str, str]]:
    allowed = (MANIFEST, *parts)
    for name, files in request.FILES.lists():
        if name not in allowed:
            detail = f"There is no part {name[:60]!r}; there are {', '.join(allowed)}."
            yield fault(f"/{name[:60]}", "unknown-part", detail)
        elif len(files) > 1 or (name == MANIFEST and MANIFEST in request.POST):
            yield fault(f"/{name}", "duplicate-part", f"The part {name!r} was sent more than once.")
    for name in parts:
        if name in request.POST:
            detail = f"The part {name!r} was sent as a field; send it as a file (with a filename)."
            yield fault(f"/{name}", "wrong-type", detail)
    if len(request.POST.getlist(MANIFEST)) > 1:
        yield fault(f"/{MANIFEST}", "duplicate-part", "The manifest was sent more than once.")
