"""CSV and Parquet files to columns. Only the columns asked for are read, and ceilings hold before memory is spent."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from reports.formats.errors import InputError, Rejected, error
from reports.measures.table import Column, Table

Kind = Literal["number", "text", "natural", "label"]
Rows = NDArray[np.int64]

MAXIMUM_ROWS = 5_000_000
MAXIMUM_COLUMNS = 5_000
MAXIMUM_CELL = 1 << 15
MAXIMUM_CELLS = 500_000_000
MAXIMUM_ROW_GROUP = 2 << 30
HEADER_BYTES = 1 << 16
BLOCK_BYTES = 1 << 20
BATCH_ROWS = 1 << 16

_WHOLE_FLOAT = re.compile(r"^([+-]?\d+)\.0+$")
TRUTH = {"true": 1.0, "false": 0.0}
_NUMERIC = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal)


def as_read(level: str) -> str:
    """Text as a column holds it: whole numbers lose their `.0`."""
    return _WHOLE_FLOAT.sub(r"\1", level)


def is_parquet(file: BinaryIO) -> bool:
    """Whether the file begins as Parquet does; leaves the position at the start."""
    file.seek(0)
    magic = file.read(4)
    file.seek(0)
    return magic == b"PAR1"


def column_names(file: BinaryIO, *, pointer: str) -> list[str]:
    """The header. Raises Rejected where it cannot be read, names a column twice, or has too many columns."""
    names = _parquet(file, pointer).schema_arrow.names if is_parquet(file) else _csv_header(file, pointer)
    errors: list[InputError] = []
    if len(names) > MAXIMUM_COLUMNS:
        errors.append(error(pointer, "too-many-columns", f"{len(names)} columns; at most {MAXIMUM_COLUMNS} are read."))
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) <= MAXIMUM_COLUMNS else []
    if twice:
        errors.append(error(pointer, "duplicate-column", f"Columns named more than once: {', '.join(twice[:10])}."))
    if errors:
        raise Rejected(errors)
    return list(names)


def plain_columns(file: BinaryIO, *, pointer: str) -> list[str]:
    """The columns of the header that hold plain values. Raises Rejected as `column_names` does."""
    names = column_names(file, pointer=pointer)
    if not is_parquet(file):
        return names
    schema = _parquet(file, pointer).schema_arrow
    return [name for name in names if not pa.types.is_nested(schema.field(name).type)]


def read_table(
    file: BinaryIO, kinds: Mapping[str, Kind], *, pointer: str, maximum_rows: int = MAXIMUM_ROWS, rows: Rows | None = None
) -> Table:
    """The named columns of a CSV or Parquet file.

    Parameters
    ----------
    kinds : column to `number` (every value must be one), `text`, `natural` (a number where every value is one) or
        `label` (the same, but True and False stay words). All names must stand in the header.
    rows : ascending positions of those that are kept, all where None; the others are held no longer than their batch.

    Returns
    -------
    Table with the columns in the order of `kinds`.

    Raises
    ------
    Rejected : unreadable or ragged file, ceilings exceeded, text where numbers must stand.

    In a CSV only the empty field is missing: `NA`, `None` and `null` are strings, for a group may be named so.
    """
    parts: dict[str, list[pa.Array]] = {name: [] for name in kinds}
    read = 0
    for n, batch in _batches(file, list(kinds), pointer, maximum_rows, rows):
        kept = None if rows is None else pa.array(rows[(rows >= read) & (rows < read + n)] - read)
        read += n
        for name in kinds if batch else ():
            parts[name].append(batch[name] if kept is None else batch[name].take(kept))
        if rows is not None and read > (rows[-1] if len(rows) else 0):
            break
    errors: list[InputError] = []
    columns: dict[str, Column] = {}
    for name, kind in kinds.items():
        column = _column(pa.chunked_array(parts.pop(name) or [pa.array([], pa.string())]), kind)
        if column is None:
            errors.append(
                error(f"{pointer}/{name}", "not-a-number", f"Column {name} must hold numbers and holds other text.")
            )
        else:
            columns[name] = column
    if errors:
        raise Rejected(errors)
    return Table(columns, read if rows is None else len(rows))


def column_kinds(file: BinaryIO, kinds: Mapping[str, Kind], *, pointer: str) -> tuple[int, dict[str, Kind]]:
    """How many rows there are, and what `read_table` makes of each column, one batch in memory at a time.

    A column asked for as `natural` is told as `number` or `text`: some of its rows, read as that, are what they are among all.
    Raises Rejected as `read_table` does, but for the values of columns that are not `natural`.
    """
    natural = [name for name, kind in kinds.items() if kind == "natural"]
    numbers, truths = dict.fromkeys(natural, True), dict.fromkeys(natural, True)
    read = 0
    for n, batch in _batches(file, natural, pointer, MAXIMUM_ROWS):
        read += n
        for name in natural:
            values = _plain(pa.chunked_array([batch[name]]))
            if values.null_count == len(values) or not (numbers[name] or truths[name]):
                continue
            plain = _numbers(values, truth=False) is not None
            numbers[name] &= plain
            truths[name] &= not plain and _numbers(values) is not None
    found: dict[str, Kind] = {name: "number" if numbers[name] or truths[name] else "text" for name in natural}
    return read, {name: found.get(name, kind) for name, kind in kinds.items()}


def _batches(
    file: BinaryIO, names: Sequence[str], pointer: str, maximum_rows: int, rows: Rows | None = None
) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    """Numbers of rows with their columns; without columns where the file lets rows be passed over."""
    read = 0
    found = _parquet_batches(file, names, pointer, rows) if is_parquet(file) else _csv_batches(file, names, pointer)
    for n, batch in found:
        read += n
        if read > maximum_rows:
            raise Rejected([error(pointer, "too-many-rows", f"More than {maximum_rows:,} rows.")])
        yield n, batch


def _csv_header(file: BinaryIO, pointer: str) -> list[str]:
    file.seek(0)
    head = file.read(HEADER_BYTES)
    file.seek(0)
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < HEADER_BYTES else "ignore")
        names = next(csv.reader(io.StringIO(text, newline="")), [])
    except (UnicodeDecodeError, csv.Error) as problem:
        raise Rejected([error(pointer, "malformed-table", "Not readable as CSV in UTF-8.")]) from problem
    if not names:
        raise Rejected([error(pointer, "malformed-table", "The file is empty.")])
    return names


def _csv_batches(file: BinaryIO, names: Sequence[str], pointer: str) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    header = _csv_header(file, pointer)
    first = names[0] if names else header[0]
    read = list(dict.fromkeys([*names, first]))
    try:
        reader = pyarrow.csv.open_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=read,
                column_types={name: pa.string() for name in read},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        for batch in reader:
            yield batch.num_rows, {name: batch.column(name) for name in names}
    except pa.ArrowInvalid as problem:
        raise Rejected([error(pointer, "malformed-table", _without_content(str(problem)))]) from problem


def _without_content(message: str) -> str:
    """Arrow quotes the offending row; an error message must not carry anybody's data."""
    found = re.search(r"(?:Row #\d+: )?Expected \d+ columns, got \d+", message)
    if found:
        return f"The CSV is ragged: {found.group(0)}."
    if "straddl" in message:
        return f"A row of the CSV is longer than {BLOCK_BYTES:,} bytes."
    return "Not readable as CSV in UTF-8." if "UTF8" in message else "Not readable as CSV."


def _parquet(file: BinaryIO, pointer: str) -> pyarrow.parquet.ParquetFile:
    """Opens the footer only, and holds what it announces against the ceilings."""
    file.seek(0)
    try:
        opened = pyarrow.parquet.ParquetFile(file, memory_map=False, pre_buffer=False)
    except (pa.ArrowException, OSError) as problem:
        raise Rejected([error(pointer, "malformed-table", "Not readable as Parquet.")]) from problem
    footer = opened.metadata
    groups = [footer.row_group(i) for i in range(min(footer.num_row_groups, 100_000))]
    if footer.num_rows > MAXIMUM_ROWS or footer.num_rows * footer.num_columns > MAXIMUM_CELLS:
        detail = f"The footer announces {footer.num_rows:,} rows and {footer.num_columns:,} columns."
        raise Rejected([error(pointer, "too-many-rows", f"{detail} At most {MAXIMUM_ROWS:,} rows are read.")])
    if footer.num_columns > MAXIMUM_COLUMNS or footer.num_row_groups > 100_000:
        raise Rejected([error(pointer, "too-many-columns", f"At most {MAXIMUM_COLUMNS:,} columns are read.")])
    if sum(group.num_rows for group in groups) != footer.num_rows or any(group.num_rows < 0 for group in groups):
        raise Rejected([error(pointer, "malformed-table", "The footer contradicts its own row groups.")])
    if any(group.total_byte_size > MAXIMUM_ROW_GROUP for group in groups):
        raise Rejected([error(pointer, "malformed-table", "A row group is larger than 2 GiB.")])
    return opened


def _parquet_batches(
    file: BinaryIO, names: Sequence[str], pointer: str, rows: Rows | None = None
) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    opened = _parquet(file, pointer)
    nested = [name for name in names if pa.types.is_nested(opened.schema_arrow.field(name).type)]
    if nested:
        detail = "Columns must hold plain values."
        raise Rejected([error(f"{pointer}/{name}", "nested-column", f"{name}: {detail}") for name in nested])
    before, groups = _groups_of(opened.metadata, rows)
    if before:
        yield before, {}
    try:
        for batch in opened.iter_batches(BATCH_ROWS, row_groups=groups, columns=list(names), use_threads=False):
            yield batch.num_rows, {name: batch.column(name) for name in names}
        if not names:
            yield opened.metadata.num_rows, {}
    except (pa.ArrowException, OSError) as problem:
        raise Rejected([error(pointer, "malformed-table", "Not readable as Parquet.")]) from problem


def _groups_of(footer: pyarrow.parquet.FileMetaData, rows: Rows | None) -> tuple[int, list[int]]:
    """The row groups from the first to the last that hold some of these rows, and how many rows stand before them."""
    if rows is None or not len(rows):
        return 0, list(range(footer.num_row_groups))
    ends = np.cumsum([footer.row_group(i).num_rows for i in range(footer.num_row_groups)])
    first, last = (int(np.searchsorted(ends, row, side="right")) for row in (rows[0], rows[-1]))
    return int(ends[first - 1]) if first else 0, list(range(first, min(last + 1, len(ends))))


def _column(values: pa.ChunkedArray, kind: Kind) -> Column | None:
    """One column of the kind asked for; None where it must hold numbers and does not."""
    values = _plain(values)
    if kind == "text" or (kind == "label" and pa.types.is_boolean(values.type)):
        return _text(values)
    numbers = _numbers(values, truth=kind != "label")
    if numbers is not None:
        return Column(numbers)
    return None if kind == "number" else _text(values)


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _numbers(values: pa.ChunkedArray, *, truth: bool = True) -> NDArray[np.float64] | None:
    """The values as float64 with NaN for missing, or None where one is no number (nor, with `truth`, a bool)."""
    kind = values.type
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            values = pc.utf8_trim_whitespace(values)
            numbers = values.cast(pa.float64())
        elif any(test(kind) for test in _NUMERIC):
            numbers = values.cast(pa.float64(), safe=False)
        else:
            return None
    except pa.ArrowInvalid:
        return _truth(values) if truth else None
    return pc.fill_null(numbers, np.nan).to_numpy().astype(np.float64, copy=False)


def _truth(values: pa.ChunkedArray) -> NDArray[np.float64] | None:
    """A text column of nothing but true and false, as pandas would read it."""
    distinct = [value for value in pc.unique(values).to_pylist() if value is not None]
    if not distinct or any(value.lower() not in TRUTH for value in distinct):
        return None
    return np.array([np.nan if v is None else TRUTH[v.lower()] for v in values.to_pylist()], dtype=np.float64)


def _text(values: pa.ChunkedArray) -> Column:
    """Codes into sorted strings. Whole numbers lose their `.0`; integers beyond 2**53 keep every digit."""
    if pa.types.is_floating(values.type):
        return Column(pc.fill_null(values, np.nan).to_numpy().astype(np.float64)).as_text()
    if pa.types.is_boolean(values.type):
        values = pc.if_else(values, "True", "False")
    elif not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    encoded = values.dictionary_encode().unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.dictionary(pa.int32(), pa.string()))
    found = [as_read(level) for level in encoded.dictionary.to_pylist()]
    too_long = next((i for i, level in enumerate(found) if len(level) > MAXIMUM_CELL), None)
    if too_long is not None:
        raise Rejected([error("", "cell-too-long", f"A cell holds more than {MAXIMUM_CELL:,} characters.")])
    levels = sorted(set(found))
    position = {level: i for i, level in enumerate(levels)}
    mapping = np.array([position[level] for level in found] + [-1], dtype=np.int32)
    codes = pc.fill_null(encoded.indices, len(found)).to_numpy(zero_copy_only=False)
    return Column(mapping[codes], tuple(levels))
