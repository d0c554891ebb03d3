"""A chart never comes alone: title, sentence, SVG, table and alternative text are one thing."""

from __future__ import annotations

from dataclasses import dataclass

from reports.charts.svg import Markup
from reports.charts.verdicts import Verdict


@dataclass(frozen=True)
class Column:
    name: str
    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    text: str
    label: str
    numeric: bool
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Row:
    cells: tuple[Cell, ...]
    grey: bool = False


@dataclass(frozen=True)
class Table:
    """What the chart shows, as text; the first column names the row. A `Verdict` in a row is shown as one."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str | Verdict, ...], ...]
    caption: str = ""
    note: str = ""
    summary: str = ""

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def cells(self) -> tuple[Row, ...]:
        return tuple(
            Row(
                tuple(_cell(value, column) for value, column in zip(row, self.columns, strict=True)),
                grey=Verdict.INSUFFICIENT in row,
            )
            for row in self.rows
        )


def _cell(value: str | Verdict, column: Column) -> Cell:
    if isinstance(value, Verdict):
        return Cell(value.word, column.name, numeric=False, verdict=value)
    return Cell(value, column.name, column.numeric)


NO_MARK = Markup("")


@dataclass(frozen=True)
class KeyEntry:
    """One entry of the key below a chart; `mark` is a small SVG or nothing."""

    text: str
    mark: Markup = NO_MARK


@dataclass(frozen=True)
class Figure:
    """`key` is unique on a page. `svg` is empty where nothing can be drawn; sentence and table then say why."""

    key: str
    title: str
    subtitle: str
    sentence: str
    svg: Markup
    table: Table
    alt: str
    verdict: Verdict | None = None
    further: tuple[str, ...] = ()
    legend: tuple[KeyEntry, ...] = ()


def table_of(
    columns: tuple[Column, ...],
    rows: list[tuple[str | Verdict, ...]],
    *,
    caption: str,
    what: str,
    most: int = 200,
) -> Table:
    """A table of at most `most` rows that says how many it leaves out."""
    left = len(rows) - most
    note = f"{left:,} more {what} are in the evidence document, not here." if left > 0 else ""
    return Table(columns, tuple(rows[:most]), caption, note, f"{len(rows):,} {what}")
