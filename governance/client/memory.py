"""What was last seen of each server, in one small file: its keys, and the newest checkpoint of its log."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.client.outcome import CouldNotAsk

SCHEMA = "countersign-state/1"


@dataclass(frozen=True)
class Seen:
    """The document of the keys, and the note of the checkpoint; None where nothing was seen yet."""

    keys: dict[str, Any] | None = None
    checkpoint: str | None = None


class Memory:
    """What is remembered of one server. Pipelines that run side by side share the file: whoever writes replaces it whole."""

    def __init__(self, path: Path, server: str) -> None:
        self.path, self._server = path, server

    def seen(self) -> Seen:
        """Raises CouldNotAsk for a file that cannot be read: to begin anew in silence would be to believe anything."""
        match self._servers().get(self._server, {}):
            case {"keys": dict() | None as keys, "checkpoint": str() | None as note}:
                return Seen(keys, note)
            case {} as nothing if not nothing:
                return Seen()
        raise self._unreadable("what it holds of this server is no state of this command")

    def keep(self, seen: Seen) -> None:
        """Write it, whole or not at all; a larger checkpoint that another run has kept meanwhile stays.

        Where that fails, a warning says what is lost; the answer stays what it was.
        """
        try:
            newest = max(filter(None, (self.seen().checkpoint, seen.checkpoint)), key=_size, default=None)
            servers = self._servers() | {self._server: {"keys": seen.keys, "checkpoint": newest}}
            self._replace(json.dumps({"schema": SCHEMA, "servers": servers}, indent=1))
        except (OSError, ValueError, CouldNotAsk) as error:
            reason = getattr(error, "strerror", None) or error
            print(
                f"WARNING  The state file {self.path} cannot be written: {reason}. The next run will not notice if the "
                "server's log is rewritten or cut off. Name a place that is kept, with --state or COUNTERSIGN_STATE.",
                file=sys.stderr,
            )

    def _servers(self) -> dict[str, Any]:
        try:
            match json.loads(self.path.read_bytes()):
                case {"schema": schema, "servers": dict(servers)} if schema == SCHEMA:
                    return servers
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise self._unreadable(str(error)) from error
        raise self._unreadable("it is no state of this command")

    def _unreadable(self, reason: str) -> CouldNotAsk:
        return CouldNotAsk(
            f"The state file {self.path} cannot be used: {reason}. Look at it; without it this command cannot tell whether "
            "the server's log was rewritten. To begin anew, delete it."
        )

    def _replace(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except OSError:
            with suppress(OSError):
                Path(name).unlink()
            raise


def _size(note: str) -> int:
    return int(note.split("\n")[1])


def default_path() -> Path:
    """Where the XDG base directories say that state belongs."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path(os.path.expanduser("~"), ".local", "state")
    return base / "countersign" / "state.json"
