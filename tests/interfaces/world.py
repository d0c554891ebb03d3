"""A small organisation for the API's tests: people, tokens of every scope, and files to submit."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from governance.accounts.models import Person
from governance.actions.tokens import create_service_account, create_token
from governance.registry.models import Candidate
from tests import factories

READERS = ("scientist", "colleague", "officer", "regulator", "auditor", "administrator")
SCOPES = ("submit", "gate", "deploy", "monitor", "read")
ROWS = "applicant_id,age,income,sex,default\n" + "".join(
    f"{number},{20 + number},{1000 * number},{'female' if number % 2 else 'male'},{number % 3 == 0:d}\n"
    for number in range(40)
)
MANIFEST: dict[str, Any] = {
    "schema": "candidate/1",
    "task": "binary-classification",
    "target": "default",
    "positive_class": 1,
    "favourable_outcome": 0,
    "features": ["age", "income"],
    "sensitive_features": ["sex"],
    "row_id": "applicant_id",
    "summary": "First scorecard.",
}


def skops(content: bytes = b"{}") -> bytes:
    """A file that is skops as far as the web process can tell."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(zipfile.ZipInfo("schema.json"), content)
    return written.getvalue()


def _as_files(name: str, content: Any) -> Any:
    if isinstance(content, list):
        return [_as_files(name, one) for one in content]
    return SimpleUploadedFile(f"{name}.bin", content) if isinstance(content, bytes) else content


@dataclass
class World:
    """People by username, secrets of tokens by name, and the client that calls."""

    client: Client
    people: dict[str, Person]
    tokens: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, token: str | None = "read", **more: Any) -> Any:
        """The answer to one request; JSON bodies as `json=`, headers as `headers=`."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {self.tokens.get(token, token)}"
        if "json" in more:
            more["data"], more["content_type"] = json.dumps(more.pop("json")), "application/json"
        act = getattr(self.client, method.lower())
        return act(path, headers=headers, **more)

    def model(self, slug: str = "cards", token: str = "submit", **record: Any) -> dict[str, Any]:
        body = {
            "name": slug, "slug": slug, "purpose": "p", "team": "t", "owner": "colleague", "developers": ["scientist"],
            "risk_tier": "low", **record,
        }  # fmt: skip
        answer = self.call("POST", "/api/v1/models/", token, json=body)
        assert answer.status_code == 201, answer.content
        return answer.json()

    def submit(
        self,
        slug: str = "cards",
        *,
        manifest: Any = MANIFEST,
        token: str | None = "submit",
        headers: dict[str, str] | None = None,
        **parts: Any,
    ) -> Any:
        """A submission; a part that is None is left out, bytes are wrapped as a file of a harmless name."""
        sent: dict[str, Any] = {"model": skops(), "evaluation": ROWS.encode(), **parts}
        data: dict[str, Any] = {name: _as_files(name, one) for name, one in sent.items() if one is not None}
        if manifest is not None:
            data["manifest"] = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.call("POST", f"/api/v1/models/{slug}/candidates/", token, data=data, headers=headers or {})

    def candidate(self, slug: str = "cards", **more: Any) -> Candidate:
        answer = self.submit(slug, **more)
        assert answer.status_code == 201, answer.content
        return Candidate.objects.get(pk=answer.json()["id"])


def founded(client: Client) -> World:
    """The bank, and a token of each scope: `submit` … `read` as the demonstration has them, and others."""
    world = World(client, factories.founded())
    scientist, validator = world.people["scientist"], world.people["validator"]
    pipeline = create_service_account(by=scientist, name="pipeline", responsible=scientist)
    for scope in SCOPES:
        owner, account = (validator, None) if scope == "read" else (scientist, pipeline)
        for name, models in ((scope, None), (f"{scope} elsewhere", ["other"])):
            scopes = [{"scope": scope, "models": models}]
            _, world.tokens[name] = create_token(by=owner, name=name, scopes=scopes, service_account=account)
    for name in READERS:
        scopes = [{"scope": "read", "models": None}]
        _, world.tokens[f"read of {name}"] = create_token(by=world.people[name], name=f"read of {name}", scopes=scopes)
    return world
