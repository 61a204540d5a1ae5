"""Registration: where each point of the later orthophoto lies on the earlier one, and how sure that is.

MEASUREMENT section 4.1: a grid of correlated windows, outliers removed, an affine or a thin plate, and the
leave-one-out residuals as the standard error. Only coordinates are mapped; pictures are never resampled for
measuring.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.change.accuracy import SigmaMap, covered_share, pair_sigma, sigma_map
from segmentation_core.change.consensus import consensus
from segmentation_core.change.first_guess import first_guess, georeferenced
from segmentation_core.change.global_match import read_overview, rotation_deg
from segmentation_core.change.picture import OrthophotoPicture
from segmentation_core.change.refusal import ComparedPair, not_enough, too_coarse
from segmentation_core.change.tie_points import TiePoints, tie_points, window_grid
from segmentation_core.change.warp import FittedWarp, Warp, fit_warp
from segmentation_core.errors import BookError, ParameterError
from segmentation_core.progress import Progress, silent
from segmentation_core.raster.orthophoto import Orthophoto
from segmentation_core.vectors.class_source import ClassSource

__all__ = ["METHOD_VERSION", "Registration", "register"]

METHOD_VERSION = 1

Points = NDArray[np.float64]

_STAGES = ("laying the pictures on each other", "measuring what is left")
_FIRST_WINDOWS = 200
_REACH_PX = 8.0
_REACH_OVERVIEW_PX = 1.5
_MOST_REACH_PX = 100.0
_LAST_REACH_PX = 6.0
_TOLERANCE_PX = 4.0
_LEAST_TIE_POINTS = 12
_LEAST_SHARE_FOUND = 0.2
_LARGEST_SIGMA_PX = 1.0


@dataclass(frozen=True, eq=False)
class Registration:
    """Pixel coordinates of B mapped to those of A.

    Coordinates are (x, y), x right and y down, with (0, 0) at the outer corner of the first pixel.

    Attributes
    ----------
    warp : Warp
        The mapping.
    sigma_x_px, sigma_y_px : float
        Standard error in pixels of A over what both pictures show, from leave-one-out residuals and the fit.
    sigma_map : SigmaMap
        The same, place by place.
    overlap : float
        Share of A's valid pixels that valid pixels of B cover, 0 to 1.
    rotation_deg : float
        By which B is turned to lie on A; positive is clockwise, as y points down.
    scale : float
        Pixels of A in one pixel of B.
    ground_scale : float
        Millimetres on A for one millimetre on B, by the declared GSDs: 1 where both are right.
    tie_points_a, tie_points_b : ndarray of float64, shape (N, 2)
        The pairs that the mapping rests on, px.
    residuals_px : ndarray of float64, shape (N, 2)
        Leave-one-out residual of each in A.
    windows : int
        Windows that held enough paint to be compared.
    first_guess : str
        ``"georeference"``, ``"corners"`` (two pictures without one, cropped alike) or ``"features"``.
    notes : tuple of str
        What the user should be told.
    """

    warp: Warp
    sigma_x_px: float
    sigma_y_px: float
    sigma_map: SigmaMap
    overlap: float
    rotation_deg: float
    scale: float
    ground_scale: float
    tie_points_a: Points
    tie_points_b: Points
    residuals_px: Points
    windows: int
    first_guess: str
    notes: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``"affine"``, or ``"local"`` where a thin plate bends it."""
        return "affine" if self.warp.is_affine else "local"

    def to_a(self, points_b: Points) -> Points:
        """Map pixel coordinates of B, (N, 2), to A."""
        return self.warp.to_a(points_b)

    def to_b(self, points_a: Points) -> Points:
        """Map pixel coordinates of A, (N, 2), to B."""
        return self.warp.to_b(points_a)

    def record(self) -> dict[str, Any]:
        """Return a JSON-able dict from which `from_record` makes it again, exactly."""
        return {
            "method_version": METHOD_VERSION,
            "kind": self.kind,
            "warp": self.warp.record(),
            "sigma_x_px": self.sigma_x_px,
            "sigma_y_px": self.sigma_y_px,
            "sigma_map": self.sigma_map.record(),
            "overlap": self.overlap,
            "rotation_deg": self.rotation_deg,
            "scale": self.scale,
            "ground_scale": self.ground_scale,
            "tie_points_a": self.tie_points_a.tolist(),
            "tie_points_b": self.tie_points_b.tolist(),
            "residuals_px": self.residuals_px.tolist(),
            "windows": self.windows,
            "first_guess": self.first_guess,
            "notes": list(self.notes),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Registration:
        """Make it again.

        Raises
        ------
        BookError
            The record is not one of ours, or of a later method.
        """
        try:
            if record["method_version"] > METHOD_VERSION:
                raise BookError(
                    f"the registration was made by method {record['method_version']}, later than this one",
                    remedy="Use the version of the program that wrote it, or a later one",
                )
            return cls(
                warp=Warp.from_record(record["warp"]),
                sigma_x_px=float(record["sigma_x_px"]),
                sigma_y_px=float(record["sigma_y_px"]),
                sigma_map=SigmaMap.from_record(record["sigma_map"]),
                overlap=float(record["overlap"]),
                rotation_deg=float(record["rotation_deg"]),
                scale=float(record["scale"]),
                ground_scale=float(record["ground_scale"]),
                tie_points_a=_pairs(record["tie_points_a"]),
                tie_points_b=_pairs(record["tie_points_b"]),
                residuals_px=_pairs(record["residuals_px"]),
                windows=int(record["windows"]),
                first_guess=str(record["first_guess"]),
                notes=tuple(record["notes"]),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise BookError(
                "the record of a registration cannot be read", remedy="Compare the two surveys again"
            ) from exc


def _pairs(rows: list[list[float]]) -> Points:
    return np.array(rows, np.float64).reshape(-1, 2)


def register(
    orthophoto_a: Orthophoto,
    orthophoto_b: Orthophoto,
    *,
    defects_a: ClassSource | None = None,
    defects_b: ClassSource | None = None,
    progress: Progress = silent,
) -> Registration:
    """Find where each point of B lies on A.

    Parameters
    ----------
    orthophoto_a, orthophoto_b : Orthophoto
        The earlier and the later picture of the same element, at GSDs of the same order. Their georeference
        is the first guess where it is one and fits; else features of the pictures are.
    defects_a, defects_b : ClassSource or None
        Damage on each picture's own grid. What is damaged at one date only says nothing about where the paint
        lies and is left out; what is damaged at both counts less.
    progress : Progress
        Told of windows; may raise `Interrupted`.

    Returns
    -------
    Registration

    Raises
    ------
    RegistrationError
        No overlap, a blank or blurred picture, one that is turned or mirrored, too few tie points, or a
        standard error above 1 px.
    ParameterError
        A class raster is not on its orthophoto's grid.
    RasterError
        Pixels cannot be read.
    """
    picture_a = OrthophotoPicture(orthophoto_a, _checked(orthophoto_a, defects_a))
    picture_b = OrthophotoPicture(orthophoto_b, _checked(orthophoto_b, defects_b))
    progress(_STAGES[0], 0, 1)
    pair = ComparedPair(orthophoto_a, orthophoto_b, read_overview(orthophoto_a), read_overview(orthophoto_b))
    guess, origin = first_guess(pair)
    reach = min(_MOST_REACH_PX, _REACH_PX + _REACH_OVERVIEW_PX * pair.overview_a.factor)
    size = picture_a.height, picture_a.width
    search = partial(tie_points, picture_a, picture_b)
    found = search(
        Warp.plain(guess).to_b,
        window_grid(*size, most=_FIRST_WINDOWS),
        reach_px=reach,
        final=False,
        told=(progress, _STAGES[0]),
    )
    found = search(
        _fitted(pair, found).warp.to_b,
        window_grid(*size),
        reach_px=_LAST_REACH_PX,
        final=True,
        told=(progress, _STAGES[1]),
    )
    return _result(pair, _fitted(pair, found), found.textured, origin)


def _checked(orthophoto: Orthophoto, defects: ClassSource | None) -> ClassSource | None:
    if defects is not None:
        sizes = [(g.height, g.width) for g in (defects.grid, orthophoto.grid)]
        if sizes[0] != sizes[1]:
            raise ParameterError(
                f"the class raster has {sizes[0][0]} x {sizes[0][1]} pixels, its orthophoto {sizes[1][0]} x"
                f" {sizes[1][1]}",
                path=defects.path,
                remedy="Give the class raster that was made from this orthophoto",
            )
    return defects


def _fitted(pair: ComparedPair, found: TiePoints) -> FittedWarp:
    """Fit the mapping to tie points that agree with one affine to a few pixels."""
    rough = consensus(found.b_px, found.a_px, "affine", _TOLERANCE_PX)
    least = max(_LEAST_TIE_POINTS, _LEAST_SHARE_FOUND * found.textured)
    if rough is None or rough[1].sum() < least:
        agreeing = 0 if rough is None else int(rough[1].sum())
        raise not_enough(pair, agreeing, found.textured)
    fitted = fit_warp(found.chosen(rough[1]))
    if fitted is None or len(fitted.tie_points) < least:
        agreeing = 0 if fitted is None else len(fitted.tie_points)
        raise not_enough(pair, agreeing, found.textured)
    return fitted


def _result(pair: ComparedPair, fitted: FittedWarp, windows: int, origin: str) -> Registration:
    size_a, size_b = ((o.grid.height, o.grid.width) for o in (pair.a, pair.b))
    sigma = pair_sigma(fitted, size_a, size_b)
    if max(sigma) > _LARGEST_SIGMA_PX:
        raise too_coarse(pair, max(sigma), _LARGEST_SIGMA_PX)
    warp = fitted.warp
    overall = fitted.nearest_affine()
    scale = math.sqrt(abs(float(np.linalg.det(overall[:, :2]))))
    stated = georeferenced(pair.a, pair.b)
    notes: tuple[str, ...] = ()
    if stated is not None and pair.a.grid.crs_wkt is not None:
        middle = fitted.tie_points.b_px.mean(axis=0, keepdims=True)
        off = float(np.hypot(*(Warp.plain(stated).to_a(middle) - warp.to_a(middle))[0]))
        notes = (f"the georeference of the two pictures differs by {off:.3g} px in the middle",)
    return Registration(
        warp=warp,
        sigma_x_px=sigma[0],
        sigma_y_px=sigma[1],
        sigma_map=sigma_map(fitted, size_a),
        overlap=covered_share(pair.overview_a, pair.overview_b, warp),
        rotation_deg=rotation_deg(overall),
        scale=scale,
        ground_scale=scale * pair.a.grid.gsd_mm / pair.b.grid.gsd_mm,
        tie_points_a=fitted.tie_points.a_px,
        tie_points_b=fitted.tie_points.b_px,
        residuals_px=fitted.left_out_px,
        windows=windows,
        first_guess=origin,
        notes=notes,
    )
