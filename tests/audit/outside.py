"""The places where checkpoints are put, a folder and a bucket, as tests look into them and tamper with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.session import get_session

from governance.audit.bucket import Bucket
from governance.audit.published import Folder, Place


@dataclass(frozen=True)
class Outside:
    """One place; the settings name it, or (`moved_away`) one beside it that is not there."""

    destination: str
    settings: Any
    address: str

    def names(self) -> list[str]:
        return sorted(self.place.names())

    def text(self, name: str) -> str:
        return self.place.read(name).decode()

    @property
    def place(self) -> Place:
        raise NotImplementedError

    def overwrite(self, name: str, content: bytes) -> None:
        """What somebody with more rights than the product can do."""
        raise NotImplementedError

    def use(self, *, moved_away: bool = False) -> None:
        raise NotImplementedError


class FolderOutside(Outside):
    @classmethod
    def made(cls, settings: Any, path: Path) -> FolderOutside:
        path.mkdir()
        return cls("folder", settings, str(path))

    @property
    def place(self) -> Place:
        return Folder(Path(self.address))

    def overwrite(self, name: str, content: bytes) -> None:
        (Path(self.address) / name).write_bytes(content)

    def use(self, *, moved_away: bool = False) -> None:
        self.settings.COUNTERSIGN_CHECKPOINT_FOLDER = Path(self.address) / ("not mounted" if moved_away else "")


class BucketOutside(Outside):
    @classmethod
    def made(cls, settings: Any, prefix: str = "/log/of/the/bank") -> BucketOutside:
        bucket = f"outside-{uuid4().hex[:12]}"
        made = cls("bucket", settings, f"s3://{bucket}{prefix}")
        client("s3").create_bucket(Bucket=bucket)
        return made

    @property
    def place(self) -> Bucket:
        return Bucket.at(self.address)

    def overwrite(self, name: str, content: bytes) -> None:
        client("s3").put_object(Bucket=self.place.bucket, Key=self.place.prefix + name, Body=content)

    def use(self, *, moved_away: bool = False) -> None:
        there = self.address.replace("s3://", "s3://no-such-") if moved_away else self.address
        self.settings.COUNTERSIGN_CHECKPOINT_BUCKET = Bucket.at(there)


def client(service: str) -> Any:
    """For the store of the tests, with every right."""
    return get_session().create_client(service)


def keys_of_a_user(bucket: Bucket, rights: set[str]) -> dict[str, str]:
    """The variables of a new user who may do that with the bucket, and nothing else."""
    iam, name = client("iam"), f"user-{uuid4().hex[:12]}"
    resources = [f"arn:aws:s3:::{bucket.bucket}", f"arn:aws:s3:::{bucket.bucket}/{bucket.prefix}*"]
    statement = {"Effect": "Allow", "Action": sorted(rights), "Resource": resources}
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="publish", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
