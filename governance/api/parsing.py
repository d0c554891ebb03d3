"""Bodies of requests: JSON of bounded size, multipart streamed into the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, DataAndFiles, MultiPartParser

from governance.registry.uploads import StreamToStorage

MAX_JSON_BYTES = 1024**2


class BoundedJson(BaseParser):
    """JSON of at most 1 MiB. NaN and infinity are no JSON."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        data = stream.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise ParseError(f"The body has more than {MAX_JSON_BYTES:,} bytes.")
        try:
            return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is no JSON: {str(error)[:200]}.") from error


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


class StreamingMultiPart(MultiPartParser):
    """Multipart whose files go to the store while they are hashed."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> DataAndFiles[Any, Any]:
        request = (parser_context or {})["request"]._request
        request.upload_handlers = [StreamToStorage(request)]
        return super().parse(stream, media_type, parser_context)
