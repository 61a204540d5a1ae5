"""``compare``: what changed between two surveys of a book, per element, and whether it is real."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.change.cracks import CrackChange, compare_cracks
from segmentation_core.change.epoch import ChangeSettings
from segmentation_core.change.losses import compare_losses
from segmentation_core.change.overtaken import with_overtaken
from segmentation_core.change.traced import with_traced
from segmentation_core.errors import ParameterError
from segmentation_core.operations.compare_features import crack_features, loss_features
from segmentation_core.operations.compare_figures import (
    Dated,
    amounts_in_doubt,
    change_figures,
    element_summary,
    growth_figures,
    growth_of,
)
from segmentation_core.operations.compare_frames import (
    Registered,
    at_one_gsd,
    missing_orthophotos,
    register_surveys,
)
from segmentation_core.operations.compare_inputs import chosen_surveys, consecutive, require_same_method
from segmentation_core.operations.compare_pictures import Weighed, traced_on, weigh_pictures
from segmentation_core.operations.compare_probabilities import told_by_probabilities, touched_features
from segmentation_core.progress import Progress, silent
from segmentation_core.statistics.elements import WHOLE_IMAGE, Elements
from segmentation_core.statistics.network import axes_of
from segmentation_core.statistics.regions import Regions, assessed_regions
from segmentation_core.statistics.tally import Tally
from segmentation_core.survey.epochs import (
    Landing,
    Placement,
    in_mm,
    placements_of,
    read_epoch,
    rejected_in,
)
from segmentation_core.survey.figures import budget_of_survey, is_stale, recompute, tally_orthophoto
from segmentation_core.survey.outlines import stored_elements
from segmentation_core.survey.pairs import Comparison, enter_comparison
from segmentation_core.survey.repeats import repeat_limits
from segmentation_core.survey.store import Book, check_book, reading, writing
from segmentation_core.survey.surveys import Survey, orthophotos_of

__all__ = ["compare"]

METHOD_VERSION = "5"


def compare(
    book: str | Path,
    survey_a: str | None = None,
    survey_b: str | None = None,
    *,
    every_pair: bool = False,
    accept_different_models: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compare two surveys of a book and store what changed.

    Parameters
    ----------
    book : path-like
        The survey book.
    survey_a, survey_b : str or None
        Names or dates, the earlier survey first; None with ``every_pair``.
    every_pair : bool
        Compare every two surveys that follow each other.
    accept_different_models : bool
        Compare although models, thresholds or methods differ; every row is marked.
    progress : Progress

    Returns
    -------
    dict
        ``registration``, ``elements``, ``totals``, ``run``; with ``every_pair``, ``pairs``: a list of them.

    Raises
    ------
    ParameterError
        The surveys cannot be compared.
    RegistrationError
        Nothing reliable says where one picture lies on the other.
    BookError, BookLockedError, DiskFullError
        See `segmentation_core.survey.store.writing`; the book is then as it was.
    """
    book = Path(book)
    if check_book(book) is None:
        raise ParameterError("no such survey book", path=book, remedy="Check the path")
    given = [str(name) for name in (survey_a, survey_b) if name is not None]
    if len(given) != (0 if every_pair else 2):
        raise ParameterError("give either two surveys or --all", path=book, remedy="See --help")
    with reading(book) as opened:
        pairs = consecutive(opened) if every_pair else [chosen_surveys(opened, *given)]
        differences = [require_same_method(opened, a, b, accepted=accept_different_models) for a, b in pairs]
    results = [
        _compare_pair(book, a, b, different, progress)
        for (a, b), different in zip(pairs, differences, strict=True)
    ]
    return {"pairs": results} if every_pair else results[0]


@dataclass(frozen=True)
class _Ground:
    """Where both surveys looked.

    Attributes
    ----------
    ids : tuple of str
    outlines : ndarray of shapely (Multi)Polygon
        Of the elements, in map units of the earlier survey; the common ground itself where there are none.
    common : shapely (Multi)Polygon
    mm_per_unit : float
    """

    ids: tuple[str, ...]
    outlines: NDArray[np.object_]
    common: Any
    mm_per_unit: float

    def on(self, ground: Any) -> Regions:
        """Return the elements' parts on the common ground and some other ground."""
        return assessed_regions(self.outlines, shapely.intersection(self.common, ground))


@dataclass(frozen=True)
class _Pairs:
    """Orthophotos that were registered on each other, and what those say that kept probabilities."""

    registered: list[Registered]
    weighed: list[Weighed]


def _compare_pair(
    book: Path, a: Survey, b: Survey, different: list[str], progress: Progress
) -> dict[str, Any]:
    notes = [f"made differently: {text}" for text in different]
    notes += _refresh(book, a, b)
    with reading(book) as opened:
        before, after = (orthophotos_of(opened, survey.surv_id) for survey in (a, b))
    gone = missing_orthophotos([*before, *after])
    if gone:
        raise ParameterError(
            f"the surveys cannot be registered: {'; '.join(gone)}",
            path=book,
            remedy="Put the orthophotos back; until then only the stored statistics can be set side by side "
            "(craquelure export --format xlsx)",
        )
    registered, apart = register_surveys(before, after, progress)
    notes += apart
    with (
        tempfile.TemporaryDirectory(prefix=f".{book.stem}-compare-", dir=book.parent) as folder,
        ExitStack() as stack,
    ):
        gsd_mm = max(record.gsd_mm for _, record in (*before, *after))
        opened_books = []
        for survey, orthophotos in ((a, before), (b, after)):
            work = Path(folder) / survey.surv_id
            work.mkdir()
            copy, more = at_one_gsd(book, survey, orthophotos, gsd_mm, work, progress)
            notes += more
            opened_books.append(stack.enter_context(reading(copy or book)))
        repeats = repeat_limits(opened_books[0])
        if repeats:
            notes.append("the smallest change that counts is that of surveys repeated on one day")
        pairs = _Pairs(registered, weigh_pictures(registered, Path(folder), progress))
        comparison, summary = _compared(opened_books, (a, b), pairs, notes, different, repeats)
    with writing(book) as opened:
        pair_id = enter_comparison(opened, comparison)
    return summary | {"run": {**comparison.run, "pair_id": pair_id}}


def _refresh(book: Path, a: Survey, b: Survey) -> list[str]:
    """Compute the statistics again where a person edited since."""
    with reading(book) as opened:
        stale = [survey for survey in (a, b) if is_stale(opened, survey.surv_id)]
    if stale:
        with writing(book) as opened:
            for survey in stale:
                recompute(opened, survey.surv_id)
    return [f"{survey.name} was edited: its statistics were computed again" for survey in stale]


def _compared(
    books: list[Book],
    surveys: tuple[Survey, Survey],
    pairs: _Pairs,
    notes: list[str],
    different: list[str],
    repeats: dict[tuple[str, str], float],
) -> tuple[Comparison, dict[str, Any]]:
    a, b = surveys
    registered = pairs.registered
    first = [Landing(orth_a) for orth_a in dict.fromkeys(r.orth_a for r in registered)]
    side_a = placements_of(books[0], a.surv_id, first)
    ground_of = {placement.sighting.orth_id: placement.ground for placement in side_a}
    later = [Landing(r.orth_b, r.moved, ground_of[r.orth_a]) for r in registered]
    sides = (side_a, placements_of(books[1], b.surv_id, later))
    ground = _common_ground(books[0], sides)
    epoch_a, epoch_b = (
        read_epoch(book, side, ground.mm_per_unit) for book, side in zip(books, sides, strict=True)
    )
    settings = _settings(registered, max(epoch_a.gsd_mm, epoch_b.gsd_mm))
    elements = dict(zip(ground.ids, in_mm(list(ground.outlines), ground.mm_per_unit), strict=True))
    traced = traced_on(pairs.weighed, [placement.ground for placement in sides[1]], ground.mm_per_unit)
    rejected = [rejected_in(book, side, ground.mm_per_unit) for book, side in zip(books, sides, strict=True)]
    with_come = with_traced(epoch_b, traced, settings, rejected[1].cracks)
    found = (
        compare_cracks(epoch_a, with_come, settings, elements=elements),
        compare_losses(epoch_a, epoch_b, settings),
    )
    touched = touched_features(books, sides)
    told, losses = told_by_probabilities(
        *found, rejected, pairs.registered, pairs.weighed, ground.mm_per_unit, touched
    )
    # Also where the loss is in doubt: a survey that sees loss there can show no crack.
    cracks = with_overtaken(told, found[1])
    dated_a, dated_b = (
        _dated(book, survey.date, side, ground)
        for book, survey, side in zip(books, surveys, sides, strict=True)
    )
    worst = max(registered, key=lambda r: max(r.sigma_mm))
    registration = {
        "sigma_x_mm": settings.sigma_x_mm,
        "sigma_y_mm": settings.sigma_y_mm,
        "rotation_deg": worst.registration.rotation_deg,
        "scale": worst.registration.ground_scale,
        "overlap": worst.registration.overlap,
    }
    figures = change_figures(
        elements,
        dated_a,
        dated_b,
        settings,
        same_method=not different,
        repeats=repeats,
        in_doubt=amounts_in_doubt(elements, cracks, losses),
    )
    growth = None if different else growth_of(elements, cracks, touched)
    if growth is not None:
        figures += growth_figures(elements, growth[0], (a.date, b.date))
    summary = {
        "registration": registration,
        **element_summary(elements, cracks, losses, figures, None if growth is None else growth[1]),
    }
    traced_m = float(cracks.pieces.lengths_mm[cracks.pieces.is_traced].sum()) / 1e3
    run = {
        "survey_a": a.name,
        "survey_b": b.name,
        "dates": [a.date, b.date],
        "compare_version": METHOD_VERSION,
        "registration": registration,
        "registrations": [
            {"orth_a": r.orth_a, "orth_b": r.orth_b, **r.registration.record()} for r in registered
        ],
        "eps_mm": settings.eps_mm,
        "gsd_mm": settings.gsd_mm,
        "different_methods": different,
        "traced_m": traced_m,
        "faint_m": {side: float(shapely.length(lines).sum()) / 1e3 for side, lines in cracks.faint.items()},
        "doubtful_m2": {
            side: float(shapely.area(parts).sum()) / 1e6 for side, parts in losses.doubtful.items()
        },
        "refused": [vars(refusal) for refusal in cracks.refusals],
        "notes": [
            *notes,
            *(note for r in registered for note in r.registration.notes),
            *_refusals(cracks),
            *_of_traced(traced_m),
        ],
    }
    mm = ground.mm_per_unit
    comparison = Comparison(
        *surveys,
        sigma_mm=settings.sigma_mm,
        eps_mm=settings.eps_mm,
        method_version=METHOD_VERSION,
        run=run,
        lines=crack_features(cracks, elements, mm, sure=not different),
        polygons=loss_features(losses, elements, mm, sure=not different),
        figures=figures,
    )
    return comparison, summary


def _common_ground(book: Book, sides: tuple[list[Placement], list[Placement]]) -> _Ground:
    grounds = [shapely.union_all([placement.ground for placement in side]) for side in sides]
    common = shapely.intersection(*grounds)
    if common.area == 0:
        raise ParameterError(
            "the two surveys assessed no common ground", path=book.path, remedy="Compare surveys that overlap"
        )
    metres = sides[0][0].sighting.record.metres_per_unit
    stored: Elements = stored_elements(book)
    present = np.flatnonzero(shapely.area(shapely.intersection(stored.geometries, common)) > 0)
    if len(present):
        ids = tuple(stored.ids[i] for i in present)
        return _Ground(ids, stored.geometries[present], common, 1e3 * metres)
    whole = np.empty(1, dtype=object)
    whole[0] = common
    return _Ground((WHOLE_IMAGE,), whole, common, 1e3 * metres)


def _settings(registered: list[Registered], gsd_mm: float) -> ChangeSettings:
    sigmas = np.array([r.sigma_mm for r in registered]).max(axis=0)
    return ChangeSettings(float(sigmas[0]), float(sigmas[1]), gsd_mm)


def _dated(book: Book, day: str, side: list[Placement], ground: _Ground) -> Dated:
    """Return every statistic of the elements' common ground, and of all together."""
    tally = Tally(ground.ids, axes_of(ground.outlines))
    metres = ground.mm_per_unit / 1e3
    for placement in side:
        record = replace(placement.sighting.record, metres_per_unit=metres)
        sighting = replace(placement.sighting, record=record)
        tally_orthophoto(book, sighting, ground.on(placement.ground), tally)
    budget, _ = budget_of_survey([placement.sighting.record for placement in side])
    return Dated(day, tally.rows(), tally.totals(), budget)


def _refusals(cracks: CrackChange) -> list[str]:
    return [
        f"element {r.element}: too dense to compare its cracks at this registration "
        f"(2 eps P21 = {r.crowding:.2f} > 0.25). {r.remedy}"
        for r in cracks.refusals
    ]


def _of_traced(length_m: float) -> list[str]:
    if length_m == 0:
        return []
    return [
        f"{length_m:.2f} m of the new and grown cracks are in no survey: they were traced on the two "
        "pictures, and are drawn dashed. Look at them"
    ]
