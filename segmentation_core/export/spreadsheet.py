"""The tables as a workbook (.xlsx) and as CSV files."""

from __future__ import annotations

import gc
import re
import sys
import traceback
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

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
_FIRST_DAY = date(1899, 12, 30)
_COMPRESSION = 3
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
    """Write heads, styles and page set-up by openpyxl, then the rows into its sheets.

    A cell through openpyxl takes a hundred times as long as its text; 5,000 elements have three million.
    """
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    bodies = []
    for table in shown:
        for title, rows in _sheets(table, language):
            sheet = workbook.create_sheet(title)
            _set_up(sheet, table, rows, language)
            bodies.append((table.columns, rows, _Styles(sheet)))
    for columns, rows, styles in bodies:
        styles.register(columns, rows)
    bare = path.with_suffix(".bare")
    try:
        workbook.save(bare)
        with (
            zipfile.ZipFile(bare) as source,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as target,
        ):
            sheets = {f"xl/worksheets/sheet{n}.xml": body for n, body in enumerate(bodies, start=1)}
            for name in source.namelist():
                content = source.read(name)
                if name not in sheets:
                    target.writestr(name, content)
                    continue
                head, end, tail = content.partition(b"</sheetData>")
                with target.open(name, "w", force_zip64=True) as stream:
                    stream.write(head)
                    for text in _row_texts(*sheets[name]):
                        stream.write(text.encode("utf-8"))
                    stream.write(end + tail)
    finally:
        bare.unlink(missing_ok=True)


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


def _set_up(sheet: Any, table: Table, rows: Any, language: Language) -> None:
    """Write a sheet's head, filter, widths and page set-up."""
    from openpyxl.cell import WriteOnlyCell
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
    bold, grey = Font(bold=True), PatternFill("solid", fgColor="DDDDDD")
    head = [WriteOnlyCell(sheet, header) for header in headers]
    for cell in head:
        cell.font, cell.fill = bold, grey
    sheet.append(head)


def _width(header: str, rows: Any, index: int) -> int:
    longest = max((_display_width(row[index]) for row in rows[:200]), default=0)
    return max(8, min(_WIDEST, max(_display_width(header), longest) + 2))


def _display_width(value: Any) -> int:
    if isinstance(value, float):
        return 10
    text = "" if value is None else str(value)
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)


class _Styles:
    """The numbers of a workbook's cell styles: a format, and whether it is text that is never a formula."""

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self._numbers: dict[tuple[str, bool], int] = {}

    def register(self, columns: Sequence[Column], rows: Any) -> None:
        """Enter every style of a table into the workbook."""
        for index, column in enumerate(columns):
            for key in {_style_key(row[index], column) for row in rows} | {_style_key(None, column)}:
                self._numbers[key] = self._new(*key)

    def number(self, value: Any, column: Column) -> int:
        return self._numbers[_style_key(value, column)]

    def _new(self, number_format: str, is_text: bool) -> int:
        from openpyxl.cell import WriteOnlyCell

        cell = WriteOnlyCell(self._sheet)
        cell.number_format = number_format
        if is_text:
            cell.quotePrefix = True
        return int(cell.style_id)


def _style_key(value: Any, column: Column) -> tuple[str, bool]:
    return _number_format(value, column), isinstance(value, str) and column.kind != "date"


def _row_texts(columns: Sequence[Column], rows: Any, styles: _Styles) -> Iterator[str]:
    """Yield the rows of a sheet as SpreadsheetML (ECMA-376, 18.3.1), from the second on; text stays text."""
    for number, row in enumerate(rows, start=2):
        cells = (
            f'<c s="{styles.number(value, column)}"{_cell(value, column)}'
            for value, column in zip(row, columns, strict=True)
        )
        yield f'<row r="{number}">{"".join(cells)}</row>'


def _cell(value: Any, column: Column) -> str:
    """Return the rest of a cell's element."""
    if value is None:
        return "/>"
    if column.kind == "date":
        return f"><v>{(date.fromisoformat(value) - _FIRST_DAY).days}</v></c>"
    if isinstance(value, str):
        text = escape(_NOT_IN_XML.sub("\ufffd", value)[:_LONGEST_CELL])
        return f' t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    return f"><v>{value!r}</v></c>"


def _number_format(value: Any, column: Column) -> str:
    if column.kind != "number" or not isinstance(value, int | float):
        return _FORMATS[column.kind]
    return next(form for limit, form in _BY_SIZE if abs(value) >= limit)
