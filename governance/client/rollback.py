"""`countersign rollback-target`: the version to go back to, and the gate's own signed word that it may run."""

from __future__ import annotations

import re
import urllib.parse

from governance.client import gate
from governance.client.outcome import NO, YES, Case, CouldNotAsk, Told
from governance.client.server import Server
from governance.client.trust import Trust
from governance.client.words import json_text, told

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def run(server: Server, trust: Trust, model: str, environment: str, *, as_json: bool) -> Told:
    """The digest of the target alone, for a script; NO where there is none. Raises CouldNotAsk.

    The server's pick comes unsigned, so the gate is asked about it as about any file.
    """
    path = f"/api/v1/models/{urllib.parse.quote(model, safe='')}/rollback-target/"
    reply = server.get(path, {"environment": environment})
    name = f"{model} can be rolled back in {environment}"
    if reply.status == 404 and reply.body.get("code") == "no-rollback-target":
        return Told(NO, [f"NONE  {told(reply.body)}"], (Case(name, (told(reply.body),)),))
    digest = reply.body.get("digest")
    if reply.status != 200 or not DIGEST.fullmatch(str(digest)):
        raise CouldNotAsk(f"The server answered {reply.status}: {told(reply.body)}")
    answer = gate.ask(server, trust, gate.Question(model, str(digest), environment))
    if not answer.allowed:
        raise CouldNotAsk(f"The server named {digest}, which its gate denies; ask again.")
    return Told(YES, [json_text(answer.body) if as_json else str(digest)], (Case(name),))
