"""The command line: parse, call one verb, and end with its code."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from governance.client import gate
from governance.client.server import CouldNotAsk, Server

DESCRIPTION = """\
Asks a Countersign server about model files. Ends with 0 where the gate allows, 10 where it denies, and 20 where it
could not be asked, whatever the cause: a pipeline that goes on only after 0 is safe.

The token is read from COUNTERSIGN_TOKEN or --token-file, never from the command line, which other users can see."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A question that was not understood was not asked."""
        self.print_usage(sys.stderr)
        self.exit(gate.COULD_NOT_ASK, f"{self.prog}: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run one verb. Returns the exit code: 0 allow, 10 deny, 20 could not ask."""
    options = _parser().parse_args(arguments)
    try:
        server = Server(_url(options), _token(options), timeout=options.timeout)
        return gate.run(
            server,
            model=options.model,
            file=options.file,
            environment=options.environment,
            use=options.use,
            manifest_digest=options.manifest,
            as_json=options.json,
        )
    except (CouldNotAsk, ValueError) as problem:  # ValueError: an address, name or number that no request can hold
        print(f"COULD NOT ASK  {problem}", file=sys.stderr)
        return gate.COULD_NOT_ASK


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="countersign", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    ask = verbs.add_parser(
        "gate",
        help="may this very file run there now?",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ask.add_argument("model", metavar="MODEL", help="the model's short name (slug)")
    ask.add_argument("file", metavar="FILE", type=Path, help="the model file that would be deployed; it is hashed here")
    ask.add_argument("--environment", required=True, metavar="NAME", help="where it would run, such as production")
    ask.add_argument("--use", help="what for, where the approval is limited to named uses")
    ask.add_argument("--manifest", metavar="DIGEST", help="digest of the manifest that will be in force (sha256:…)")
    ask.add_argument("--url", help="the server's address; otherwise COUNTERSIGN_URL")
    ask.add_argument("--token-file", type=Path, metavar="FILE", help="a file that holds the token alone")
    ask.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="how long one answer may take (30)")
    ask.add_argument("--json", action="store_true", help="print the server's answer as it came")
    return parser


def _url(options: argparse.Namespace) -> str:
    url = options.url or os.environ.get("COUNTERSIGN_URL", "")
    if not url:
        raise CouldNotAsk("No server is named. Give --url, or set COUNTERSIGN_URL.")
    return str(url)


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
