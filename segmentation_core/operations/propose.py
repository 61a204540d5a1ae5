"""Propose windows to correct: where the network is in doubt, and no two alike."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from segmentation_core.errors import ParameterError, RasterError
from segmentation_core.export.dataset import WINDOW_PX, owner_of
from segmentation_core.export.underlay import open_recorded, why_missing
from segmentation_core.inference.doubt import doubt, various
from segmentation_core.progress import Progress, silent
from segmentation_core.raster.grid import Window
from segmentation_core.statistics.elements import Elements
from segmentation_core.survey.corrections import (
    CorrectionWindow,
    map_outline,
    painted_windows,
    put_windows,
    windows_of,
)
from segmentation_core.survey.kept import kept_probabilities
from segmentation_core.survey.outlines import stored_assessed, stored_elements
from segmentation_core.survey.store import reading
from segmentation_core.survey.surveys import OrthophotoRecord, orthophotos_of, survey_named
from segmentation_core.vectors.class_source import ClassReader

__all__ = ["propose"]

_FEWEST, _MOST = 3, 24
_LOOKED_AT = 4000
"""Windows whose probabilities are read, evenly over the survey: a thousand megapixels of them."""

_CLOSELY = 6
"""For each window wanted so many of the most doubtful are looked at in the picture."""

_OF_THE_MOST = 0.5
"""Of the ground in the window with most of it, so much must be in one that is proposed."""

_HELD_OUT_EVERY = 3


@dataclass(frozen=True)
class _Candidate:
    """A window that could be proposed."""

    orth_id: str
    window: Window
    doubt: float | None = None


def propose(
    book: str | Path,
    survey: str,
    *,
    windows: int = 10,
    at: Sequence[float] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Choose windows of a survey for a person to correct, and put them beside the book.

    Every third is held out: what is painted there is not learnt from but judges. Windows in which somebody
    has painted already stay; others of the survey are replaced.

    Parameters
    ----------
    book : path-like
        The survey book.
    survey : str
        Name of the survey.
    windows : int
        How many, 3 to 24.
    at : (x, y) or None
        Add one window here, in the book's coordinates, in place of proposing any.
    progress : Progress
        Told the windows looked at; may raise `Interrupted`.

    Returns
    -------
    dict
        ``path`` (the GeoPackage with layers ``correction_window`` and ``correction_stroke``), ``windows``
        (the number there are now), ``notes``.

    Raises
    ------
    ParameterError
        No such survey; nothing of it can be proposed; the place lies on no orthophoto, or in a window.
    RasterError
        An orthophoto is not where it was.
    BookError, DiskFullError
        See `segmentation_core.survey.corrections`.
    """
    if not _FEWEST <= windows <= _MOST:
        raise ParameterError(f"{windows} windows cannot be proposed", remedy=f"Ask for {_FEWEST} to {_MOST}")
    notes: list[str] = []
    with reading(book) as opened:
        found = survey_named(opened, survey)
        records = dict(orthophotos_of(opened, found.surv_id))
        elements = stored_elements(opened)
        grounds = {orth_id: _ground(stored_assessed(opened, orth_id), elements) for orth_id in records}
    known = [w for w in windows_of(Path(book), found.surv_id) if w.orth_id in records]
    for record in records.values():
        missing = why_missing(record)
        if missing is not None:
            raise RasterError(missing, path=record.path, remedy="Put it back, and propose again")
    if at is not None:
        chosen, painted = [_beneath(records, at, known, Path(book))], known
    else:
        painted = painted_windows(Path(book), found.surv_id, records)
        candidates = _candidates(records, grounds, painted)
        if not candidates:
            raise ParameterError(
                f"the survey {found.name!r} has no assessed area to propose windows on", path=book
            )
        doubtful = _most_doubtful(records, candidates, windows * _CLOSELY, progress, notes)
        chosen = _differing(records, doubtful, windows - len(painted), progress)
    numbered = [
        CorrectionWindow(
            c.orth_id,
            c.window,
            _name_of(records[c.orth_id], c.window, elements),
            number % _HELD_OUT_EVERY == 1,
            c.doubt,
        )
        for number, c in enumerate(chosen, start=len(painted))
    ]
    path = put_windows(opened, found.surv_id, records, [*painted, *numbered])
    return {"path": str(path), "windows": len(painted) + len(numbered), "notes": notes}


def _beneath(
    records: dict[str, OrthophotoRecord], at: Sequence[float], known: Sequence[CorrectionWindow], book: Path
) -> _Candidate:
    """Return the window around a place, as far inside the picture as it can be."""
    for orth_id, record in records.items():
        col, row, *_ = (~Affine(*record.transform)) @ (float(at[0]), float(at[1]), 1.0)
        if not (0 <= row < record.height_px and 0 <= col < record.width_px):
            continue
        height, width = min(WINDOW_PX, record.height_px), min(WINDOW_PX, record.width_px)
        window = Window(
            min(max(int(row) - height // 2, 0), record.height_px - height),
            min(max(int(col) - width // 2, 0), record.width_px - width),
            height,
            width,
        )
        if any(w.orth_id == orth_id and _overlap(w.window, window) for w in known):
            raise ParameterError(
                "a window here would overlap another one", path=book, remedy="Choose a place further away"
            )
        return _Candidate(orth_id, window)
    raise ParameterError(
        "this place lies on no orthophoto of the survey", path=book, remedy="Click inside the picture"
    )


def _overlap(a: Window, b: Window) -> bool:
    return a.row_off < b.row_end and b.row_off < a.row_end and a.col_off < b.col_end and b.col_off < a.col_end


def _candidates(
    records: dict[str, OrthophotoRecord], grounds: dict[str, Any], known: Sequence[CorrectionWindow]
) -> list[_Candidate]:
    """Return the windows of the working grids that lie on the ground, none of which overlaps a known one.

    On the ground are those with at least half as much of it as the window with most: beams may be lower than
    a window is.
    """
    found: list[tuple[_Candidate, float]] = []
    for orth_id, record in records.items():
        height, width = min(WINDOW_PX, record.height_px), min(WINDOW_PX, record.width_px)
        windows = [
            Window(row, col, height, width)
            for row in range(0, record.height_px - height + 1, height)
            for col in range(0, record.width_px - width + 1, width)
        ]
        outlines = np.array([map_outline(record, window) for window in windows], dtype=object)
        shapely.prepare(grounds[orth_id])
        shares = shapely.area(shapely.intersection(outlines, grounds[orth_id])) / shapely.area(outlines)
        taken = [w.window for w in known if w.orth_id == orth_id]
        found += [
            (_Candidate(orth_id, window), share)
            for window, share in zip(windows, shares.tolist(), strict=True)
            if not any(_overlap(window, other) for other in taken)
        ]
    least = max((share for _, share in found), default=0.0) * _OF_THE_MOST
    return [candidate for candidate, share in found if share >= least > 0]


def _ground(assessed: Any, elements: Elements) -> Any:
    """Return what was assessed of the elements; all that was assessed where no element lies there."""
    if not len(elements.ids):
        return assessed
    inside = shapely.intersection(assessed, shapely.union_all(elements.geometries))
    return inside if inside.area > 0 else assessed


def _most_doubtful(
    records: dict[str, OrthophotoRecord],
    candidates: Sequence[_Candidate],
    count: int,
    progress: Progress,
    notes: list[str],
) -> list[_Candidate]:
    """Return the windows with most doubt; evenly spread ones of orthophotos without probabilities."""
    looked_at = candidates[:: -(-len(candidates) // _LOOKED_AT)]
    judged: list[_Candidate] = []
    with ExitStack() as stack:
        readers: dict[str, ClassReader | None] = {}
        for number, candidate in enumerate(looked_at):
            progress("propose", number, len(looked_at), "windows")
            if candidate.orth_id not in readers:
                source, reason = kept_probabilities(records[candidate.orth_id])
                readers[candidate.orth_id] = None if source is None else stack.enter_context(source.open())
                if source is None:
                    notes.append(f"{reason}: windows are chosen by what the picture shows alone")
            reader = readers[candidate.orth_id]
            known = None if reader is None else doubt(reader.read(candidate.window).probabilities)
            judged.append(replace(candidate, doubt=known))
    unknown = [c for c in judged if c.doubt is None]
    first = sorted((c for c in judged if c.doubt is not None), key=lambda c: -(c.doubt or 0.0))[:count]
    return [*first, *unknown[:: -(-len(unknown) // count) or 1]]


def _differing(
    records: dict[str, OrthophotoRecord], candidates: Sequence[_Candidate], count: int, progress: Progress
) -> list[_Candidate]:
    """Return windows that look different, by colour, contrast and place."""
    descriptions = []
    for number, candidate in enumerate(candidates):
        progress("look", number, len(candidates), "windows")
        with open_recorded(records[candidate.orth_id]) as ortho:
            rgb, valid = ortho.read(candidate.window)
        descriptions.append(_description(rgb, valid, candidate.window))
    known = [c.doubt for c in candidates if c.doubt is not None]
    usual = float(np.median(known)) if known else 1.0
    weights = np.array([usual if c.doubt is None else c.doubt for c in candidates])
    return [candidates[index] for index in various(np.array(descriptions), weights + 1e-6, count)]


def _description(rgb: NDArray[np.uint8], valid: NDArray[np.bool_], window: Window) -> list[float]:
    """Return mean colour, contrast and place of a window (rgb: 3, H, W)."""
    pixels = rgb[:, valid].astype(np.float32) if valid.any() else np.zeros((3, 1), np.float32)
    grey = pixels.mean(axis=0)
    return [*pixels.mean(axis=1).tolist(), float(grey.std()), float(window.row_off), float(window.col_off)]


def _name_of(record: OrthophotoRecord, window: Window, elements: Elements) -> str:
    owner = owner_of(map_outline(record, window), elements)
    return "" if owner is None else elements.ids[owner]
