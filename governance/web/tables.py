"""Tables that a page shows and a CSV file holds: made once, so that both say the same."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.http import StreamingHttpResponse

from governance.audit.clock import timestamp
from governance.web.templatetags.countersign import moment
from reports.charts.verdicts import Verdict

FORMULA = re.compile(r'[ "]*[=+\-@\t\r\n]')
"""What makes a spreadsheet compute a cell that begins so instead of showing it."""
FORMULA_WITHIN = re.compile(r'([;,|\t\r\n][ "]*)(?=[=+\-@])')
"""The same where a spreadsheet splits the cell, since it was told another separator."""
BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel reads UTF-8 as something else and spoils names."""


@dataclass(frozen=True)
class Column:
    """`sub` names what stands in small print in its cells; in the file it is a column of its own."""

    name: str
    sub: str = ""
    css: str = ""


@dataclass(frozen=True)
class Cell:
    text: str = ""
    sub: str = ""
    href: str = ""
    at: datetime | None = None
    digest: str = ""
    verdict: Verdict | None = None

    @property
    def said(self) -> str:
        return moment(self.at) if self.at else self.text

    @property
    def exact(self) -> str:
        """The same for a file: the time to the microsecond, the whole digest."""
        return timestamp(self.at) if self.at else self.digest or self.text


Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Listing:
    """`empty` says what would stand here; `more`, what is left out of the page; `file`, where all of it is as CSV."""

    key: str
    title: str
    sentence: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = ""
    more: str = ""
    count: str = ""
    file: str = ""

    @property
    def labelled(self) -> list[list[tuple[Column, Cell]]]:
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]


def csv_lines(columns: tuple[Column, ...], rows: Iterable[Row]) -> Iterator[list[str]]:
    """The head and the rows of the file."""
    yield [name for one in columns for name in (one.name, one.sub) if name]
    for row in rows:
        yield [
            harmless(text)
            for column, cell in zip(columns, row, strict=True)
            for text in ((cell.exact, cell.sub) if column.sub else (cell.exact,))
        ]


def harmless(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, whole or in part: an apostrophe before it makes it text."""
    text = FORMULA_WITHIN.sub(r"\1'", text)
    return f"'{text}" if FORMULA.match(text) else text


class _Echo:
    def write(self, text: str) -> str:
        return text


def csv_answer(name: str, columns: tuple[Column, ...], rows: Iterable[Row]) -> StreamingHttpResponse:
    """The file, sent as it is made."""
    writer = csv.writer(_Echo())
    return attachment(f"{name}.csv", "text/csv", _marked(writer.writerow(line) for line in csv_lines(columns, rows)))


def _marked(lines: Iterator[str]) -> Iterator[str]:
    yield BYTE_ORDER_MARK
    yield from lines


def attachment(name: str, kind: str, lines: Iterable[str]) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type=f"{kind}; charset=utf-8", headers=headers)
