"""A survey book to the formats that others work with."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.export.annotations import write_labelme, write_masks
from segmentation_core.export.csv_table import output_errors
from segmentation_core.export.dataset import write_corrections, write_dataset
from segmentation_core.export.dxf import write_dxf
from segmentation_core.export.element_plots import write_plots
from segmentation_core.export.report import write_report
from segmentation_core.export.request import Pair, Request, Written, pairs_of
from segmentation_core.export.shapefile import write_shapefiles
from segmentation_core.export.sheet.plan import PAPERS_MM, write_plan
from segmentation_core.export.spreadsheet import write_csv_tables, write_workbook
from segmentation_core.export.subset import write_geojson, write_subset
from segmentation_core.export.template import load_template
from segmentation_core.export.trends import write_trends
from segmentation_core.survey.figures import is_stale, recompute
from segmentation_core.survey.store import Book, reading, writing
from segmentation_core.survey.surveys import Survey, survey_named, surveys_of

__all__ = ["FORMATS", "export"]

Writer = Callable[[Book, Request, Path], Written]

_LANGUAGES = ("en", "zh")
_UNITS = ("m", "mm")
_STALE_INDEXES = (".qix", ".sbn", ".sbx", ".shp.xml")
_NAMED_BY_A_FEW = 12


@dataclass(frozen=True)
class _Format:
    """A format: its writer, and the suffix where it is one file and not a folder of files."""

    write: Writer
    suffix: str | None = None


FORMATS: dict[str, _Format] = {
    "shapefile": _Format(write_shapefiles),
    "xlsx": _Format(write_workbook, ".xlsx"),
    "csv": _Format(write_csv_tables),
    "dxf": _Format(write_dxf, ".dxf"),
    "pdf": _Format(write_plan, ".pdf"),
    "html": _Format(write_report, ".html"),
    "trends": _Format(write_trends),
    "plots": _Format(write_plots),
    "labelme": _Format(write_labelme),
    "masks": _Format(write_masks),
    "dataset": _Format(write_dataset),
    "corrections": _Format(write_corrections),
    "gpkg": _Format(write_subset, ".gpkg"),
    "geojson": _Format(write_geojson),
}
"""Each writer puts the request into an empty folder; a one-file format names its file ``out``."""


def export(  # noqa: PLR0913 - the command's options
    book: str | Path,
    format: str,
    out: str | Path,
    *,
    survey: str | None = None,
    pair: tuple[str, str] | None = None,
    elements: Sequence[str] | None = None,
    language: str = "en",
    unit: str = "m",
    paper: str = "A3",
    scale: int | None = None,
    template: str | Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a survey book in another format.

    Rejected features are left out. Statistics that edits made stale are computed anew first. Everything
    is written and checked beside ``out``, then moved there; if anything fails, ``out`` is as it was.

    Parameters
    ----------
    book : path-like
        The survey book.
    format : str
        One of `FORMATS`.
    out : path-like
        Folder, made if there is none; or the file, for a format that is one file (in a folder that exists,
        it gets the book's name).
    survey : str or None
        Name of one survey; None exports all.
    pair : (str, str) or None
        Names of two compared surveys: their changes alone.
    elements : sequence of str or None
        Ids of the elements to keep; None keeps everything.
    language : str
        ``en`` or ``zh``, of what people read.
    unit : str
        ``m`` or ``mm``, of drawings.
    paper : str
        ``A4`` to ``A0``, of plan sheets.
    scale : int or None
        Denominator of the plan scale; None fits it.
    template : path-like or None
        Hand-over template; see `segmentation_core.export.template`.
    overwrite : bool
        Replace files of the same names.

    Returns
    -------
    dict
        ``files`` (name to feature count), ``run`` (book, format, place, surveys, those recomputed, notes).

    Raises
    ------
    ParameterError
        Unknown format, survey, pair or element, or output that exists.
    BookError, VectorError, DiskFullError
        See `segmentation_core.errors`.
    """
    _check_choices(format, language, unit, paper, scale)
    book, out = Path(book), Path(out)
    chosen = FORMATS[format]
    rules = load_template(template)
    with reading(book) as opened:
        surveys, pairs = _chosen(opened, survey, pair)
        known = _checked_elements(opened, elements)
        touched = {s.surv_id: s for s in (*surveys, *(s for p in pairs for s in (p.before, p.after)))}
        stale = [s for s in touched.values() if is_stale(opened, s.surv_id)]
    if chosen.suffix is not None and (out.is_dir() or out.suffix.lower() != chosen.suffix):
        out = out / f"{book.stem}{chosen.suffix}"
    request = Request(surveys, pairs, rules, known, language, unit, paper, scale, out)  # type: ignore[arg-type]
    if out.exists() and book.exists() and out.samefile(book):
        raise ParameterError("this is the book itself", path=out, remedy="Choose another name")
    if chosen.suffix is not None and not overwrite:
        _refuse_existing([out])
    if stale:
        with writing(book) as opened:
            for each in stale:
                recompute(opened, each.surv_id)
    folder = out if chosen.suffix is None else out.parent
    with output_errors(folder):
        parent = _existing(folder)
        staging = Path(tempfile.mkdtemp(prefix=".export-", dir=parent))
    try:
        content = staging / "new"
        content.mkdir()
        with reading(book) as opened, output_errors(out):
            written = chosen.write(opened, request, content)
        if chosen.suffix is not None:
            os.replace(content / f"out{chosen.suffix}", content / out.name)
            written = Written({out.name: sum(written.files.values())}, written.notes)
        if not overwrite:
            _refuse_existing([folder / path.name for path in content.iterdir()])
        _move(content, folder, staging / "old")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    recomputed = [f"survey {s.name}: statistics were computed anew after edits" for s in stale]
    run = {
        "book": str(book),
        "format": format,
        "out": str(out),
        "surveys": [s.name for s in surveys],
        "pairs": [[p.before.name, p.after.name] for p in pairs],
        "recomputed": [s.name for s in stale],
        "notes": [*recomputed, *written.notes],
    }
    return {"files": written.files, "run": run}


def _check_choices(format: str, language: str, unit: str, paper: str, scale: int | None) -> None:
    choices = (
        ("format", format, FORMATS),
        ("language", language, _LANGUAGES),
        ("unit", unit, _UNITS),
        ("paper", paper, PAPERS_MM),
    )
    for what, given, known in choices:
        if given not in known:
            raise ParameterError(f"unknown {what} {given!r}", remedy=f"Use {', '.join(sorted(known))}")
    if scale is not None and not 1 <= scale <= 100_000:
        raise ParameterError(
            f"a plan scale of 1:{scale} is impossible", remedy="Give the denominator, as 10 for 1:10"
        )


def _chosen(
    book: Book, name: str | None, pair: tuple[str, str] | None
) -> tuple[tuple[Survey, ...], tuple[Pair, ...]]:
    surveys, pairs = surveys_of(book.connection), pairs_of(book)
    if name is not None and pair is not None:
        raise ParameterError("--survey and --pair exclude each other", remedy="Give one of them")
    for wanted in (name, *(pair or ())):
        if wanted is not None:
            survey_named(book, wanted)
    if pair is not None:
        matching = [p for p in pairs if {p.before.name, p.after.name} == set(pair)]
        if not matching:
            compared = "; ".join(p.name for p in pairs) or "none"
            raise ParameterError(
                f"{pair[0]!r} and {pair[1]!r} were not compared",
                path=book.path,
                remedy=f"The book's pairs are: {compared}",
            )
        return (), tuple(matching[-1:])
    if name is not None:
        return tuple(s for s in surveys if s.name == name), ()
    return tuple(surveys), tuple(pairs)


def _checked_elements(book: Book, wanted: Sequence[str] | None) -> tuple[str, ...] | None:
    if wanted is None:
        return None
    known = [
        row[0]
        for row in book.connection.execute(
            "SELECT elem_id FROM element UNION SELECT elem_id FROM element_stats ORDER BY elem_id"
        )
    ]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        listed = ", ".join(known[:_NAMED_BY_A_FEW]) or "none"
        more = f" and {len(known) - _NAMED_BY_A_FEW} more" if len(known) > _NAMED_BY_A_FEW else ""
        raise ParameterError(
            f"there is no element {', '.join(map(repr, unknown)) or 'named'}",
            path=book.path,
            remedy=f"The book's elements are: {listed}{more}",
        )
    return tuple(dict.fromkeys(wanted))


def _refuse_existing(paths: Sequence[Path]) -> None:
    there = sorted(path.name for path in paths if path.exists())
    if there:
        more = f" and {len(there) - 3} more" if len(there) > 3 else ""
        raise ParameterError(
            f"these files exist already: {', '.join(there[:3])}{more}",
            path=paths[0].parent,
            remedy="Give --overwrite to replace them, or another place",
        )


def _existing(folder: Path) -> Path:
    """Return the nearest folder that exists, on whose disk the output will lie."""
    for place in (folder, *folder.absolute().parents):
        if place.exists():
            return place
    return Path.cwd()


def _move(content: Path, folder: Path, aside: Path) -> None:
    """Move everything into ``folder``; if one file cannot be moved, put all back as it was."""
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
        moved: list[Path] = []
        try:
            for path in sorted(content.iterdir()):
                target = folder / path.name
                for old in (target, *_outdated(target)):
                    if old.exists():
                        os.replace(old, aside / old.name)
                os.replace(path, target)
                moved.append(target)
        except OSError:
            for target in moved:
                target.unlink(missing_ok=True)
            for old in aside.iterdir():
                os.replace(old, folder / old.name)
            raise


def _outdated(target: Path) -> list[Path]:
    """Return the index files that another program made for an earlier file of this name."""
    return [target.with_name(f"{target.stem}{s}") for s in _STALE_INDEXES] if target.suffix == ".shp" else []
