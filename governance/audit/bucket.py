"""A bucket of an S3-compatible store, as a place for published checkpoints. No Django here.

Endpoint, region and credentials come from the standard AWS_* variables, or from the machine's role.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from governance.audit.published import MOST_BYTES

# One publication asks a silent store twice before it gives up: with these, some 15 seconds.
BOUNDS = {"connect_timeout": 3, "read_timeout": 3, "retries": {"mode": "standard", "total_max_attempts": 2}}
KINDS: dict[int, type[OSError]] = {403: PermissionError, 404: FileNotFoundError, 412: FileExistsError}


@dataclass(frozen=True)
class Bucket:
    """The objects directly below a prefix, which is empty or ends with a slash."""

    bucket: str
    prefix: str

    @classmethod
    def at(cls, address: str) -> Bucket:
        """`s3://bucket` or `s3://bucket/prefix`. Raises ValueError."""
        scheme, _, rest = address.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise ValueError(f"{address!r} is no address of a bucket, which reads s3://bucket/prefix")
        return cls(bucket, f"{prefix.strip('/')}/".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def put(self, name: str, content: bytes) -> None:
        try:
            with self._asked():
                self._client.put_object(**self._key(name), Body=content, ContentType="text/plain", IfNoneMatch="*")
        except FileExistsError as problem:
            if self.read(name) != content:
                raise FileExistsError(f"{self}/{name} is there already, with another content") from problem

    def names(self, *, after: str = "") -> list[str]:
        asked = {"Bucket": self.bucket, "Prefix": self.prefix, "Delimiter": "/", "StartAfter": self.prefix + after}
        with self._asked():
            pages = self._client.get_paginator("list_objects_v2").paginate(**asked)
            return [one["Key"].removeprefix(self.prefix) for page in pages for one in page.get("Contents", ())]

    def read(self, name: str) -> bytes:
        with self._asked(), closing(self._client.get_object(**self._key(name))["Body"]) as body:
            return body.read(MOST_BYTES)

    def _key(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + name}

    @cached_property
    def _client(self) -> Any:
        import boto3  # noqa: PLC0415 (32 MB that no web process needs)
        from botocore.config import Config  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415

        session = get_session()
        session.set_default_client_config(Config(**BOUNDS))  # of the session: it asks for credentials with a client too
        return boto3.Session(botocore_session=session).client("s3")

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """What the library raises, as the OSError that a folder would; alike each time, so without key and request."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            yield
        except ClientError as problem:
            status = problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            kind = KINDS.get(status, ConnectionError if status >= 500 else OSError)
            code = problem.response.get("Error", {}).get("Code", status)
            raise kind(f"{self}: {code} ({problem.operation_name})") from problem
        except BotoCoreError as problem:
            raise ConnectionError(f"{self}: {type(problem).__name__}") from problem
        except ValueError as problem:  # an address in AWS_ENDPOINT_URL that is none
            raise ConnectionError(f"{self}: {problem}") from problem
