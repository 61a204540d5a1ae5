"""The tables as a workbook (.xlsx) and as CSV files."""

from __future__ import annotations

import gc
import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import date
from pathlib import Path
from typing import Any

from segmentation_core.export.csv_table import write_csv
from segmentation_core.export.request import Language, Request, Written
from segmentation_core.export.tables import Column, Table, dictionary, tables
from segmentation_core.export.words import word
from segmentation_core.survey.store import Book

__all__ = ["write_csv_tables", "write_workbook"]

_FORMATS = {
    "count": "#,##0",
    "length": "#,##0.000",
    "area": "#,##0.00",
    "ratio": "0.00",
    "number": "General",
    "date": "yyyy-mm-dd",
    "text": "@",
}
_BY_SIZE = (
    (1000.0, "#,##0"),
    (100.0, "0.0"),
    (10.0, "0.00"),
    (1.0, "0.000"),
    (1e-4, "0.00000"),
    (1e-300, "0.000E+00"),
    (0.0, "0"),
)
"""Four digits or so: from this size on, this format."""

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_LONGEST_CELL = 32_767
_MOST_ROWS = 1_000_000
_WIDEST = 60


def write_csv_tables(book: Book, request: Request, folder: Path) -> Written:
    """Write every table as a CSV file, UTF-8 with a byte order mark.

    Raises
    ------
    DiskFullError, VectorError
        A file cannot be written.
    """
    shown = tables(book, request)
    counts = {}
    for table in (*shown, dictionary(shown)):
        path = folder / f"{book.path.stem}_{table.key}.csv"
        write_csv(path, [c.header(request.language) for c in table.columns], table.rows)
        counts[path.name] = len(table.rows)
    return Written(counts)


def write_workbook(book: Book, request: Request, folder: Path) -> Written:
    """Write every table as a sheet of ``out.xlsx``: frozen headers, filters, number formats, units.

    Text is stored as text, marked so that no spreadsheet takes it for a formula even when it is edited.
    """
    shown = tables(book, request)
    notes = [
        f"the table {table.key} has more rows than a sheet holds: it continues on others"
        for table in shown
        if len(table.rows) > _MOST_ROWS
    ]
    path = folder / "out.xlsx"
    with _quiet_openpyxl():
        _save(path, (*shown, dictionary(shown)), request.language)
    return Written({path.name: sum(len(table.rows) for table in shown)}, tuple(notes))


def _save(path: Path, shown: Sequence[Table], language: Language) -> None:
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    for table in shown:
        for title, rows in _sheets(table, language):
            _fill(workbook.create_sheet(title), table, rows, language)
    workbook.save(path)


@contextmanager
def _quiet_openpyxl() -> Iterator[None]:
    """Keep openpyxl's half-written sheets from printing a traceback when they are thrown away.

    After a failed write its generators fail once more while they are collected; the failure itself is
    raised, and told, as any other.
    """
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # openpyxl's clock
            yield
    except OSError as exc:
        traceback.clear_frames(exc.__traceback__)
        gc.collect()
        raise
    finally:
        sys.unraisablehook = hook


def _sheets(table: Table, language: Language) -> Iterator[tuple[str, Any]]:
    title = word(table.key, language)
    for number, start in enumerate(range(0, max(len(table.rows), 1), _MOST_ROWS), start=1):
        yield (title if number == 1 else f"{title} {number}"), table.rows[start : start + _MOST_ROWS]


def _fill(sheet: Any, table: Table, rows: Any, language: Language) -> None:
    from openpyxl.styles import Font, PatternFill
    from openpyxl.utils import get_column_letter

    headers = [c.header(language) for c in table.columns]
    sheet.freeze_panes = "A2"
    for index, header in enumerate(headers):
        sheet.column_dimensions[get_column_letter(index + 1)].width = _width(header, rows, index)
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(headers))}{len(rows) + 1}"
    sheet.print_title_rows = "1:1"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    cells = _Cells(sheet)
    bold, grey = Font(bold=True), PatternFill("solid", fgColor="DDDDDD")
    head = [cells.new(header, Column("column")) for header in headers]
    for cell in head:
        cell._style = copy(cell._style)
        cell.font, cell.fill = bold, grey
    sheet.append(head)
    for row in rows:
        sheet.append([cells.new(v, c) for v, c in zip(row, table.columns, strict=True)])


def _width(header: str, rows: Any, index: int) -> int:
    longest = max((_display_width(row[index]) for row in rows[:200]), default=0)
    return max(8, min(_WIDEST, max(_display_width(header), longest) + 2))


def _display_width(value: Any) -> int:
    if isinstance(value, float):
        return 10
    text = "" if value is None else str(value)
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)


class _Cells:
    """Makes the cells of a sheet; each style is registered once, which is most of the time a cell takes."""

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self._styles: dict[tuple[str, bool], Any] = {}

    def new(self, value: Any, column: Column) -> Any:
        """Return a cell; text is marked as text."""
        from openpyxl.cell import WriteOnlyCell

        is_text = isinstance(value, str) and column.kind != "date"
        if is_text:
            cell = WriteOnlyCell(self._sheet)
            cell._value = _NOT_IN_XML.sub("�", value)[:_LONGEST_CELL]
            cell.data_type = "s"  # never "f": openpyxl takes "=..." for a formula
        elif column.kind == "date" and value is not None:
            cell = WriteOnlyCell(self._sheet, date.fromisoformat(value))
        else:
            cell = WriteOnlyCell(self._sheet, value)
        key = (_number_format(value, column), is_text)
        if key not in self._styles:
            cell.number_format = key[0]
            if is_text:
                cell.quotePrefix = True
            self._styles[key] = cell._style
        cell._style = self._styles[key]
        return cell


def _number_format(value: Any, column: Column) -> str:
    if column.kind != "number" or not isinstance(value, int | float):
        return _FORMATS[column.kind]
    return next(form for limit, form in _BY_SIZE if abs(value) >= limit)
