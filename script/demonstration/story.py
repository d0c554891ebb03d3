"""What happens in the demonstration, step by step. Each step checks what came out and raises Unexpected otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from script.demonstration.client import Unexpected, expect, wait_until
from script.demonstration.world import LENDING, TRIAGE, Demonstration, train

AWAITING = {"awaiting-interpretation", "awaiting-signature"}
PDF_PAGES = 3
DOSSIER_SECONDS = 300


def require(condition: object, what: str) -> None:
    if not condition:
        raise Unexpected(what)


def furnish(demo: Demonstration, models: Path) -> dict[str, Any]:
    """People, both models and their candidates, as the demonstration begins; returns the candidates by name."""
    say = demo.say
    say("Training the models on the German credit data")
    train(models, demo.variables)
    say("Naming the people; each sets a password by a single-use link")
    demo.install_people()
    demo.issue_tokens()
    say("Entering two models through the API; a validator confirms their risk tiers")
    demo.enter_models()
    say("Submitting two candidates through the API")
    champion = demo.api.submit(LENDING, models / "lending-logistic", models)
    waiting = demo.api.submit(TRIAGE, models / "triage-logistic", models)
    say("The worker computes the evidence")
    demo.evidence(champion["id"], f"{LENDING} 1")
    demo.evidence(waiting["id"], f"{TRIAGE} 1")
    say(f"{LENDING} 1 is interpreted, signed by four people, and deployed")
    approve(demo, LENDING, champion)
    demo.deploy(LENDING, champion["artifact"]["digest"])
    say("Submitting a challenger; the worker compares it with the deployed version")
    challenger = demo.api.submit(LENDING, models / "lending-boosting", models)
    demo.evidence(challenger["id"], f"{LENDING} 2")
    return {"champion": champion, "waiting": waiting, "challenger": challenger}


def approve(demo: Demonstration, slug: str, candidate: Any) -> list[str]:
    """Interpretations and signatures through the pages; afterwards, and not before, the gate says yes."""
    digest = candidate["artifact"]["digest"]
    allowed, codes = demo.api.gate(slug, digest)
    require(not allowed and set(codes) == AWAITING, f"before any signature the gate of {slug} says {allowed}, {codes}")
    demo.interpret(candidate["id"])
    allowed, codes = demo.api.gate(slug, digest)
    require(not allowed and set(codes) == {"awaiting-signature"}, f"after interpretation the gate of {slug} says {codes}")
    signed = demo.sign_off(candidate["id"])
    allowed, codes = demo.api.gate(slug, digest)
    require(allowed and not codes, f"after the signatures of {signed} the gate of {slug} says {codes}")
    body = demo.api.candidate(candidate["id"])
    require(body["stage"] == "approved", f"all signed, but the stage is {body['stage']}")
    require(
        sum(one["counts"] for one in body["signatures"]) == len(signed), f"{len(signed)} signed: {body['signatures']}"
    )
    return signed


def tell(demo: Demonstration, models: Path, dossier: Path) -> None:
    """The whole story, as CI runs it: from the submission to the dossier."""
    candidates = furnish(demo, models)
    check_challenger(demo, candidates["challenger"])
    waiting = candidates["waiting"]
    allowed, codes = demo.api.gate(TRIAGE, waiting["artifact"]["digest"])
    demo.say(f"The gate about {TRIAGE} 1: no ({', '.join(sorted(set(codes)))})")
    signed = approve(demo, TRIAGE, waiting)
    demo.say(f"Interpreted, and signed by {', '.join(signed)}. The gate: yes")
    require(len(signed) == 2, f"the low tier asks for two signatures; {signed} signed")
    allowed, _ = demo.api.gate(TRIAGE, other(waiting["artifact"]["digest"]))
    require(not allowed, "the gate allows a digest that nobody submitted")
    save_dossier(demo, waiting["id"], dossier)
    demo.say(f"The auditor's dossier: {dossier.stat().st_size:,} bytes, {pages(dossier)} pages")
    demo.manage("verify_audit")
    demo.say("The audit log verifies from the first event to the last")


def check_challenger(demo: Demonstration, challenger: Any) -> None:
    """Something is wrong with it, the product found out by itself, and the gate says no."""
    body = demo.api.candidate(challenger["id"])
    failed = sorted({one["key"].partition("[")[0] for one in body["checks"] if one["state"] == "fail"})
    require(any(key.startswith("comparison.") for key in failed), f"the challenger passed the comparison: {failed}")
    require(any(one["state"] == "open" for one in body["findings"]), "the challenger's failed checks opened no finding")
    allowed, codes = demo.api.gate(LENDING, challenger["artifact"]["digest"])
    require(not allowed and "check-failed" in codes, f"the gate about the challenger: {allowed}, {codes}")
    demo.say(f"The challenger fails {', '.join(failed)}; the gate says no")


def save_dossier(demo: Demonstration, candidate: str, path: Path) -> None:
    """The auditor asks for the dossier on its page; the same file then comes by API."""
    auditor = demo.person("odile.marchand")
    page = f"/candidates/{candidate}/dossier/"

    def printed() -> bytes | None:
        answer = auditor.get(page)
        if answer.status == 503:
            return None
        return expect(200, answer, "opening the dossier").body

    path.write_bytes(wait_until(printed, seconds=DOSSIER_SECONDS, what="the dossier is printed", pause=2))
    require(path.read_bytes().startswith(b"%PDF-"), "the dossier is no PDF")
    require(pages(path) > PDF_PAGES, f"the dossier has {pages(path)} pages only")
    by_api = demo.api.get(f"/api/v1/candidates/{candidate}/dossier/")
    require(expect(200, by_api, "the dossier by API").body.startswith(b"%PDF-"), "the API's dossier is no PDF")


def pages(path: Path) -> int:
    import pikepdf  # noqa: PLC0415 - the story needs nothing but the standard library until here

    with pikepdf.open(path) as document:
        return len(document.pages)


def other(digest: str) -> str:
    """A well-formed digest that is not this one."""
    return digest[:-1] + ("0" if digest[-1] != "0" else "1")
