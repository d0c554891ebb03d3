"""The command line: parse, call one verb, print what it says, and end with its code."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from governance.client import gate, junit, memory, reproduce, rollback, status, submit, verify
from governance.client.outcome import COULD_NOT_ASK, CouldNotAsk, Told
from governance.client.server import Server
from governance.client.trust import Trust, keys_of
from governance.client.words import plain

DESCRIPTION = """\
Asks a Countersign server about model files. Ends with 0 for yes, 10 for no, and 20 where it could not be asked or the
answer is not to be relied on, whatever the cause: a pipeline that goes on only after 0 is safe.

The token is read from COUNTERSIGN_TOKEN or --token-file, never from the command line, which other users can see."""
SHORTLY = """\
Ends with {ends}; with 20 where it could not be asked, the answer is not to be relied on, or this help was
asked for."""
ENDS = {
    "gate": "0 where this file may run there now, 10 where it may not",
    "submit": "0 where it was taken (with --wait: and what was waited for is well), 10 where it was refused (or is not)",
    "status": "0 for whatever was told; only with --wait with 0 where what was waited for is well, 10 where it is not",
    "rollback-target": "0 where there is a version that may run there now, 10 where there is none",
    "reproduce": "0 where all figures are the same, 10 where any is different",
    "attestation": "0 where all that was asked holds, 10 where anything does not",
    "answer": "0 for an allow that verifies, 10 for a denial, and for what does not verify. It was good for five minutes",
    "dossier": "0 where the log holds this very file, 10 where it does not",
    "audit": "0 where every event is as it was signed, 10 where one is not",
}
FILES = ("manifest", "model", "predictions", "evaluation", "reference", "background")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A question that was not understood was not asked."""
        self.print_usage(sys.stderr)
        self.exit(COULD_NOT_ASK, f"{self.prog}: {message}\n")


class _Verb(_Parser):
    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Only an answer ends with 0: a file name that turns out to be `-h` has asked for help and for nothing else."""
        super().exit(status or COULD_NOT_ASK, message)


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0 yes, 10 no, 20 could not ask."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    options = _parsed(arguments)
    try:
        told, error = options.run(options), None
    except (CouldNotAsk, ValueError) as problem:  # ValueError: an address, name or number that no request can hold
        told, error = Told(COULD_NOT_ASK, []), plain(problem)
        print(f"COULD NOT ASK  {error}", file=sys.stderr)
    if getattr(options, "junit", None) is not None:
        junit.write(options.junit, " ".join(filter(None, (options.verb, options.thing))), told.cases, error=error)
    _say(told.lines)
    return told.code


def _say(lines: list[str]) -> None:
    """A reader that has gone (`gate … | head -1`) changes nothing of how it ends."""
    try:
        print("".join(f"{line}\n" for line in lines), end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    """PUBLISHED may stand before or after the options: argparse takes a list of places from one side only."""
    parser = _parser()
    options, left = parser.parse_known_args(arguments)
    if left and ("published" not in options or any(one.startswith("-") for one in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        options.published = [*options.published, *map(Path, left)]
    return options


# --- verbs ---------------------------------------------------------------------------------------------------------


def _gate(options: argparse.Namespace) -> Told:
    question = gate.Question(
        options.model, gate.digest_of(options.file), options.environment, use=options.use, manifest=options.manifest
    )
    server = _server(options)
    return gate.run(server, _trust(options, server), question, what=str(options.file), as_json=options.json, keep=options.keep)


def _submit(options: argparse.Namespace) -> Told:
    named = {name: getattr(options, f"part_{name}") for name in FILES}
    parts = submit.parts_of({name: path for name, path in named.items() if path is not None})
    server = _server(options)
    told, candidate = submit.send(server, options.name, parts, key=options.idempotency_key)
    if candidate is None or options.wait is None:
        return told
    _say(told.lines)
    return status.run(server, candidate, wait=options.wait, timeout=options.wait_seconds, as_json=False)


def _status(options: argparse.Namespace) -> Told:
    server, patience = _server(options), options.wait_seconds
    return status.run(server, options.candidate, wait=options.wait, timeout=patience, as_json=options.json)


def _rollback(options: argparse.Namespace) -> Told:
    server = _server(options)
    return rollback.run(server, _trust(options, server), options.model, options.environment, as_json=options.json)


def _reproduce(options: argparse.Namespace) -> Told:
    server, patience = _server(options), options.wait_seconds
    return reproduce.run(server, options.candidate, kind=options.kind, timeout=patience, as_json=options.json)


def _attestation(options: argparse.Namespace) -> Told:
    asked = {"artifact": options.artifact, "revocations": options.revocations, "environment": options.environment}
    return verify.attestation(options.file, keys_of(_saved_keys(options)), **asked)


def _answer(options: argparse.Namespace) -> Told:
    return verify.answer(options.file, keys_of(_saved_keys(options)), nonce=options.nonce, artifact=options.artifact)


def _dossier(options: argparse.Namespace) -> Told:
    return verify.dossier(options.file, options.receipt, keys_of(_saved_keys(options)))


def _audit(options: argparse.Namespace) -> Told:
    return verify.audit(options.file, options.key, options.published)


# --- the parser ----------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = _new(_Parser, prog="countersign", description=DESCRIPTION)
    parser.set_defaults(thing=None)
    verbs = parser.add_subparsers(parser_class=_Verb, dest="verb", required=True, metavar="VERB")
    asking, trusting, patient, reporting = _online(), _believing(), _waiting(), _reporting()

    one = _verb(verbs, "gate", "may this very file run there now?", _gate, asking, trusting, reporting)
    one.add_argument("model", metavar="MODEL", help="the model's short name (slug)")
    one.add_argument("file", metavar="FILE", type=Path, help="the model file that would be deployed; it is hashed here")
    one.add_argument("--environment", required=True, metavar="NAME", help="where it would run, such as production")
    one.add_argument("--use", help="what for, where the approval is limited to named uses")
    one.add_argument("--keep", type=Path, metavar="FILE", help="keep the signed answer there, for `verify answer`")
    one.add_argument("--manifest", metavar="DIGEST", help="digest of the manifest that will be in force (sha256:…)")

    one = _verb(verbs, "submit", "send a candidate for review", _submit, asking, patient)
    one.add_argument("name", metavar="MODEL", help="the model's short name (slug)")
    for name in FILES:
        needed = name in ("manifest", "evaluation")
        one.add_argument(f"--{name}", dest=f"part_{name}", metavar="FILE", type=Path, required=needed)
    one.add_argument("--wait", choices=list(status.WAITED_FOR), help="then ask again until there is this")
    one.add_argument("--idempotency-key", metavar="KEY", help="otherwise made of model and files, so that a retry is safe")

    one = _verb(verbs, "status", "where does a candidate stand?", _status, asking, patient, reporting)
    one.add_argument("candidate", metavar="CANDIDATE", help="the candidate's id")
    one.add_argument("--wait", choices=list(status.WAITED_FOR), help="ask again until there is this")

    one = _verb(verbs, "rollback-target", "which version may be gone back to?", _rollback, asking, trusting)
    one.add_argument("model", metavar="MODEL", help="the model's short name (slug)")
    one.add_argument("--environment", required=True, metavar="NAME")

    one = _verb(verbs, "reproduce", "do the same inputs still give the same figures?", _reproduce, asking, patient)
    one.add_argument("candidate", metavar="CANDIDATE", help="the candidate's id")
    one.add_argument("--kind", metavar="KIND", help="only this evidence, such as fairness")

    _verify_verbs(verbs.add_parser("verify", help="does what was signed hold? asks nobody"), reporting)
    return parser


def _verify_verbs(parser: argparse.ArgumentParser, reporting: argparse.ArgumentParser) -> None:
    things = parser.add_subparsers(dest="thing", required=True, metavar="WHAT")
    pinned = _new(_Parser, add_help=False)
    pinned.add_argument("--keys", type=Path, metavar="FILE", help="the saved signing-keys.json; otherwise COUNTERSIGN_KEYS")

    one = _verb(things, "attestation", "an approval that travels with the file", _attestation, pinned, reporting)
    one.add_argument("file", metavar="FILE", type=Path)
    one.add_argument("--artifact", type=Path, metavar="MODELFILE", help="the file that it must be about")
    one.add_argument("--environment", metavar="NAME", help="where the file would run")
    one.add_argument("--revocations", type=Path, metavar="FILE", help="the saved revocations.json")

    one = _verb(things, "answer", "a kept answer of the gate", _answer, pinned, reporting)
    one.add_argument("file", metavar="FILE", type=Path)
    one.add_argument("--nonce", help="the nonce that it must repeat")
    one.add_argument("--artifact", type=Path, metavar="MODELFILE", help="the file that it must be about")

    one = _verb(things, "dossier", "a printed dossier", _dossier, pinned, reporting)
    one.add_argument("file", metavar="PDF", type=Path)
    one.add_argument("--receipt", type=Path, required=True, metavar="FILE", help="what …/dossier/receipt/ answered")

    one = _verb(things, "audit", "an exported audit log, event by event", _audit, reporting)
    one.add_argument("file", metavar="EXPORT", type=Path)
    one.add_argument("--key", required=True, help="the log's verifier key, or a file that holds it; not from the export")
    one.add_argument("published", metavar="PUBLISHED", nargs="*", type=Path, help="published checkpoints, or folders of them")


def _verb(verbs, name, help_, run, *parents):  # type: ignore[no-untyped-def]
    description = f"{help_}\n\n{SHORTLY.format(ends=ENDS[name])}"
    one = _new(verbs.add_parser, name=name, help=help_, description=description, parents=list(parents))
    one.set_defaults(run=run)
    return one


def _new(make, **more):  # type: ignore[no-untyped-def]
    """Names of options are written out: an abbreviation could come to mean another one."""
    return make(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **more)


def _online() -> argparse.ArgumentParser:
    parser = _new(_Parser, add_help=False)
    parser.add_argument("--url", help="the server's address; otherwise COUNTERSIGN_URL")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="a file that holds the token alone")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="how long one answer may take (30)")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    return parser


def _believing() -> argparse.ArgumentParser:
    parser = _new(_Parser, add_help=False)
    parser.add_argument(
        "--keys", type=Path, metavar="FILE",
        help="the instance's saved /.well-known/signing-keys.json; otherwise COUNTERSIGN_KEYS, otherwise it is fetched once",
    )  # fmt: skip
    parser.add_argument(
        "--state", type=Path, metavar="FILE",
        help="remembers the log's newest checkpoint; otherwise COUNTERSIGN_STATE, otherwise below ~/.local/state",
    )  # fmt: skip
    return parser


def _waiting() -> argparse.ArgumentParser:
    parser = _new(_Parser, add_help=False)
    parser.add_argument("--wait-seconds", type=float, default=3600.0, metavar="SECONDS", help="for how long at most (3600)")
    return parser


def _reporting() -> argparse.ArgumentParser:
    parser = _new(_Parser, add_help=False)
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the answer as a JUnit report too")
    return parser


# --- what the environment says -------------------------------------------------------------------------------------


def _server(options: argparse.Namespace) -> Server:
    url = options.url or os.environ.get("COUNTERSIGN_URL", "")
    if not url:
        raise CouldNotAsk("No server is named. Give --url, or set COUNTERSIGN_URL.")
    return Server(str(url), _token(options), timeout=options.timeout)


def _trust(options: argparse.Namespace, server: Server) -> Trust:
    state = options.state or _path("COUNTERSIGN_STATE") or memory.default_path()
    return Trust(server, memory.Memory(state, server.base), options.keys or _path("COUNTERSIGN_KEYS"))


def _saved_keys(options: argparse.Namespace) -> Path:
    found: Path | None = options.keys or _path("COUNTERSIGN_KEYS")
    if found is None:
        raise CouldNotAsk("No keys are named. Save the instance's /.well-known/signing-keys.json; give it with --keys.")
    return found


def _path(variable: str) -> Path | None:
    value = os.environ.get(variable, "")
    return Path(value) if value else None


def _token(options: argparse.Namespace) -> str:
    if options.token_file is None:
        token = os.environ.get("COUNTERSIGN_TOKEN", "")
    else:
        try:
            token = options.token_file.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise CouldNotAsk(f"The token file {options.token_file} cannot be read: {error}") from error
    if not token.strip():
        raise CouldNotAsk("There is no token. Set COUNTERSIGN_TOKEN, or give --token-file.")
    return token.strip()
