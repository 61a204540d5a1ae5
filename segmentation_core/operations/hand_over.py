"""The whole hand-over folder of a book: every format, plans and report in both languages."""

from __future__ import annotations

from importlib.resources import files as files_of
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.export.csv_table import output_errors
from segmentation_core.operations.export import export
from segmentation_core.progress import Progress, silent

__all__ = ["CONTENTS", "LAYOUT", "hand_over"]

LAYOUT = "sheet-layout.qpt"
"""The sheet as a QGIS layout template, for those who want to edit it; its atlas runs over the elements."""

CONTENTS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("shapefiles", "shapefile", {}),
    ("drawing.dxf", "dxf", {"unit": "mm"}),
    ("quantities.xlsx", "xlsx", {}),
    ("tables", "csv", {}),
    ("sheets-en.pdf", "pdf", {"language": "en"}),
    ("sheets-zh.pdf", "pdf", {"language": "zh"}),
    ("report-en.html", "html", {"language": "en"}),
    ("report-zh.html", "html", {"language": "zh"}),
    ("trends", "trends", {}),
    ("labelme", "labelme", {}),
    ("masks", "masks", {}),
    ("book.gpkg", "gpkg", {}),
)
"""Name in the folder, format, options."""


_LEFT_OUT = ("no font", "no surveys of two dates")
"""What keeps one part of a hand-over from being written, and not the others."""


def hand_over(book: str | Path, out: str | Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Write a book in every format into one folder; files of an earlier hand-over are replaced.

    Returns
    -------
    dict
        ``files`` (name to path) and ``notes``. Where no font holds Chinese, the Chinese sheets are left out,
        and the trends where all surveys are of one date; a note says so.

    Raises
    ------
    CraquelureError
        See `segmentation_core.operations.export`.
    """
    out = Path(out)
    files: dict[str, str] = {}
    notes: dict[str, None] = {}
    for done, (name, format_, options) in enumerate(CONTENTS):
        progress("hand-over", done, len(CONTENTS), "files")
        try:
            result = export(book, format_, out / name, overwrite=True, **options)  # type: ignore[arg-type]
        except ParameterError as exc:
            if not any(reason in exc.what for reason in _LEFT_OUT):
                raise
            notes[f"{name} was left out: {exc}"] = None
            continue
        files[name] = result["run"]["out"]
        notes |= dict.fromkeys(result["run"]["notes"])
    layout = out / LAYOUT
    with output_errors(layout):
        template = files_of("segmentation_core.export").joinpath("templates").joinpath("plan_sheet.qpt")
        layout.write_bytes(template.read_bytes())
    files[LAYOUT] = str(layout)
    progress("hand-over", len(CONTENTS), len(CONTENTS), "files")
    return {"files": files, "notes": list(notes)}
