"""Who and what is in the demonstration, and how it gets there: through the product's own commands, API and pages."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from script.demonstration.client import Api, Browser, Person, Unexpected, expect

ROOT = Path(__file__).resolve().parent.parent.parent
TRIAGE, LENDING = "application-triage", "consumer-lending"
ALMOST_DONE = 0.995
EVIDENCE_SECONDS = 900

PEOPLE = [
    ("ines.moreau", "Inès Moreau", "data-scientist"),
    ("tomas.lindqvist", "Tomas Lindqvist", "data-scientist"),
    ("ada.okafor", "Ada Okafor", "validator"),
    ("victor.hale", "Victor Hale", "validator"),
    ("carla.jensen", "Carla Jensen", "compliance-officer"),
    ("rafael.costa", "Rafael Costa", "compliance-officer"),
    ("helena.brandt", "Helena Brandt", "approver"),
    ("samir.nasser", "Samir Nasser", "approver"),
    ("odile.marchand", "Odile Marchand", "auditor"),
    ("piet.vandijk", "Piet van Dijk", "administrator"),
]
SIGNING_ROLES = ("validator", "compliance-officer", "approver")

# scope: who answers for it, and the account it belongs to ("" is the person's own token)
TOKENS = {
    "submit": ("ines.moreau", "training-pipeline"),
    "gate": ("tomas.lindqvist", "release-pipeline"),
    "deploy": ("tomas.lindqvist", "release-pipeline"),
    "monitor": ("tomas.lindqvist", "monitoring-job"),
    "read": ("ada.okafor", ""),
}

MODELS: dict[str, dict[str, Any]] = {
    TRIAGE: {
        "name": "Application triage",
        "purpose": "Sorts incoming credit applications by how likely they are to default, so that clerks take the "
        "straightforward ones first. It decides nothing: every application is read by a clerk.",
        "team": "Retail credit",
        "owner": "tomas.lindqvist",
        "developers": ["ines.moreau"],
        "origin": "built in-house",
        "uses": ["order of the clerks' work list"],
        "risk_tier": "low",
    },
    LENDING: {
        "name": "Consumer lending",
        "purpose": "Estimates the probability that an applicant for a consumer loan will default. Above the threshold "
        "the application is declined unless a credit officer decides otherwise.",
        "team": "Retail credit",
        "owner": "tomas.lindqvist",
        "developers": ["ines.moreau", "tomas.lindqvist"],
        "origin": "built in-house",
        "uses": ["decision on consumer loans up to 20,000"],
        "risk_tier": "high",
    },
}
TIER_REASONS = {
    TRIAGE: "It changes the order of work and no decision about a person.",
    LENDING: "It decides on access to credit: high risk under policy and law.",
}
INTERPRETATIONS = {
    "fairness": "Selection rates of women and men, and of both age groups, lie close together. Men under 25 are too few "
    "in the evaluation data to conclude anything from; the other groups are within policy, some intervals are wide.",
    "explainability": "The state of the checking account, duration and credit history carry the score, as a credit "
    "officer would expect. No feature stands in for sex or age to a degree that would need treatment.",
}


def nothing(text: str) -> None:
    """Says nothing."""


@dataclass
class Demonstration:
    """A running product and the people in it. `say` tells what is being done."""

    url: str
    variables: dict[str, str]
    say: Callable[[str], None] = nothing
    passwords: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    signed_in: dict[str, Person] = field(default_factory=dict)

    @property
    def api(self) -> Api:
        return Api(self.url, self.tokens)

    def person(self, username: str) -> Person:
        """That person's browser, signed in once."""
        if username not in self.signed_in:
            self.signed_in[username] = Person(self.url, username, self.passwords[username])
        return self.signed_in[username]

    def manage(self, *arguments: str) -> str:
        """Run one of the product's own commands; returns what it prints. Raises Unexpected when it fails."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unexpected(f"manage.py {arguments[0]} failed: {done.stderr.strip()[-2000:]}")
        return done.stdout

    # --- people and tokens -----------------------------------------------------------------------------------------

    def install_people(self) -> None:
        """Name the first people; each sets a password by the single-use link that the product made."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump([_entry(*one) for one in PEOPLE], file)
            file.flush()
            links = json.loads(self.manage("install", "--people", file.name))["people"]
        for one in links:
            password = secrets.token_urlsafe(12)
            browser = Browser(self.url)
            browser.send(one["link"], "", {"password1": password, "password2": password})
            self.passwords[one["username"]] = password

    def issue_tokens(self) -> None:
        for scope, (username, account) in TOKENS.items():
            arguments = ["issue_token", "--as", username, "--name", f"demo {scope}", "--scopes", scope]
            if account:
                arguments += ["--service-account", account]
            self.tokens[scope] = self.manage(*arguments).strip()

    # --- models and candidates -------------------------------------------------------------------------------------

    def enter_models(self) -> None:
        """Both models, their tiers proposed by the first line and confirmed by a validator."""
        for slug, record in MODELS.items():
            answer = self.api.post("/api/v1/models/", {"slug": slug, **record}, token="submit")
            expect(201, answer, f"entering the model {slug}")
            self.person("victor.hale").confirm_tier(slug, record["risk_tier"], TIER_REASONS[slug])

    def evidence(self, candidate: str, what: str) -> Any:
        """Wait until every piece of evidence is there, telling how far it is; returns the candidate.

        Raises Unexpected when a piece fails, or nothing moves any more.
        """
        until, told = time.monotonic() + EVIDENCE_SECONDS, ""
        while time.monotonic() < until:
            body = self.api.candidate(candidate)
            failed = [one for one in body["evidence"] if one["state"] == "failed"]
            if failed or body["stage"] == "intake-failed":
                raise Unexpected(f"{what}: {failed or body['errors']}")
            line = _progress(body)
            if line != told:
                self.say(f"  {what}: {line}")
                told = line
            if body["stage"] not in ("intake", "evidence") and _complete(body):
                return body
            time.sleep(1)
        raise Unexpected(f"{what}: the evidence is not complete after {EVIDENCE_SECONDS} seconds")

    def interpret(self, candidate: str) -> None:
        for kind, text in INTERPRETATIONS.items():
            self.person("ada.okafor").interpret(candidate, kind, text)

    def sign_off(self, candidate: str) -> list[str]:
        """Let whoever is asked sign, stage after stage, until it is approved; returns who did, in that order."""
        signed: list[str] = []
        for role in SIGNING_ROLES:
            for username in [username for username, _, held in PEOPLE if held == role]:
                if self.person(username).sign(candidate, "Evidence read and challenged; within policy."):
                    signed.append(username)
        return signed

    def deploy(self, slug: str, digest: str) -> None:
        body = {"model": slug, "digest": digest, "environment": "production", "source": "release pipeline, run 1"}
        expect(201, self.api.post("/api/v1/deployments/", body, token="deploy"), "recording the deployment")

    # --- what programs and people need to know -----------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """As demo.json has it."""
        roles = {username: role for username, _, role in PEOPLE}
        people = [{"username": name, "password": word, "roles": [roles[name]]} for name, word in self.passwords.items()]
        return {"url": self.url, "people": people, "tokens": self.tokens}


def _entry(username: str, printed_name: str, role: str) -> dict[str, Any]:
    return {
        "username": username, "printed_name": printed_name, "email": f"{username}@bank.example", "roles": [role],
    }  # fmt: skip


def _complete(candidate: Any) -> bool:
    return bool(candidate["evidence"]) and all(one["state"] == "succeeded" for one in candidate["evidence"])


def _progress(candidate: Any) -> str:
    done = [one["kind"] for one in candidate["evidence"] if one["state"] == "succeeded"]
    running = [one for one in candidate["evidence"] if one["state"] == "running"]
    if candidate["stage"] == "intake":
        return "the worker opens the files in the sandbox"
    shares = [f"{one['kind']} {_share(one['progress'])}" for one in running]
    return f"{len(done)} of {len(candidate['evidence'])} pieces of evidence" + (
        f", {', '.join(shares)}" if shares else ""
    )


def _share(progress: float | None) -> str:
    return "" if progress is None or progress > ALMOST_DONE else f"{round(progress * 10) * 10} %"


def train(folder: Path, variables: dict[str, str]) -> None:
    """The models of script/demo-data, trained now."""
    command = [sys.executable, str(ROOT / "script" / "demo-data" / "train.py"), str(folder)]
    subprocess.run(command, env={**os.environ, **variables}, check=True)
