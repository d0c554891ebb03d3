"""`manage.py export_audit`: the log as lines that verify offline."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.audit import checkpoint, queries


class Command(BaseCommand):
    help = (
        "Write the audit log as JSON lines: events {seq, body, leaf}, each kept checkpoint after the last event that "
        "it covers, and the signed checkpoint over all of them at the end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, help="a new file; without it, standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        size, lines = queries.export()
        path: Path | None = options["output"]
        if path is None:
            for line in lines:
                self.stdout.write(line)
            return
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{line}\n" for line in lines)
        except FileExistsError as error:
            raise CommandError(f"{path} exists: an export never overwrites one") from error
        self.stderr.write(f"{size} events written to {path}; verify with key {checkpoint.verifier_key()}")
