"""The exact truth of what changed between two surveys of the generated facade, in the first one's frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import rasterio.features
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import shape as as_geometry

from segmentation_core.facade.ageing import AgedBeam
from segmentation_core.facade.breaking import BrokenBeam
from segmentation_core.facade.coverage import crack_coverage
from segmentation_core.facade.cracking import CrackNetwork
from segmentation_core.facade.flaking import loss_coverage
from segmentation_core.facade.layout import Beam, FacadeLayout
from segmentation_core.facade.truth import true_classes, visible_segments
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["BeamChange", "ChangeShapes", "beam_change", "write_change_shapes"]

_WRITTEN_AT = "2000-01-01T00:00:00.000Z"
"""GeoPackages hold the time of writing; one seed shall give one file."""


@dataclass(frozen=True)
class BeamChange:
    """What truly changed on a beam, where both surveys have data.

    Attributes
    ----------
    elem_id : str
        The beam's id.
    crack_m_before, crack_m_after : float
        Length of visible cracks.
    new_crack_m, extended_tip_m : float
        Length of cracks that were not there, and of what tips grew.
    widened_m : float
        Length of cracks that opened; they count neither as new nor as gone.
    swallowed_m : float
        Length of cracks where the paint that carried them fell off. Before + new + extended - swallowed is
        after.
    loss_m2_before, loss_m2_after : float
        Lost area.
    loss_gain_m2, retouched_m2 : float
        Area newly lost, and painted again. Before + gain - retouched is after.
    """

    elem_id: str
    crack_m_before: float
    crack_m_after: float
    new_crack_m: float
    extended_tip_m: float
    widened_m: float
    swallowed_m: float
    loss_m2_before: float
    loss_m2_after: float
    loss_gain_m2: float
    retouched_m2: float

    def as_dict(self) -> dict[str, str | float]:
        """Return the fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class ChangeShapes:
    """Where a beam changed, in the coordinates of the first survey.

    Attributes
    ----------
    lines : list of dict
        ``elem_id``, ``kind`` (new, extended, widened), ``len_m``, ``wider_mm``, ``geometry``.
    polygons : list of dict
        ``elem_id``, ``kind`` (gain, retouched), ``area_m2``, ``geometry``; on pixel edges.
    """

    lines: list[dict[str, Any]]
    polygons: list[dict[str, Any]]


def beam_change(
    layout: FacadeLayout, beam: Beam, broken: BrokenBeam, aged: AgedBeam, common: NDArray[np.bool_]
) -> tuple[BeamChange, ChangeShapes]:
    """Compare two states of a beam.

    Parameters
    ----------
    layout : FacadeLayout
        Whose grid is the first survey's.
    beam : Beam
        The beam.
    broken, aged : BrokenBeam, AgedBeam
        Its damage at either survey.
    common : bool array of shape (height, width)
        Pixels of the facade for which both surveys have data.
    """
    x0, y0, x1, y1 = beam.box_px
    seen, unit_m = common[y0:y1, x0:x1], layout.grid.gsd_mm / 1000
    before = _classes(broken.network, loss_coverage(broken.flakes, beam.shape), seen)
    after = _classes(aged.network, loss_coverage(aged.flakes, beam.shape), seen)
    loss = load_vocabulary().polygon_class.value
    gain, retouched = (after == loss) & (before != loss), (before == loss) & (after != loss)
    visible = {
        name: visible_segments(network, after)
        for name, network in (("kept", aged.kept), ("extended", aged.extended), ("new", aged.new))
    }
    wide = visible["kept"] & (aged.wider_px[aged.kept.segments()] > 0)
    crack_before = _length_m(broken.network, visible_segments(broken.network, before), unit_m)
    kept = _length_m(aged.kept, visible["kept"], unit_m)
    extended = _length_m(aged.extended, visible["extended"], unit_m)
    new = _length_m(aged.new, visible["new"], unit_m)
    area = unit_m**2
    figures = BeamChange(
        beam.beam_id,
        crack_before,
        kept + extended + new,
        new,
        extended,
        _length_m(aged.kept, wide, unit_m),
        crack_before - kept,
        float((before == loss).sum() * area),
        float((after == loss).sum() * area),
        float(gain.sum() * area),
        float(retouched.sum() * area),
    )
    place = layout.grid.affine @ Affine.translation(x0, y0)
    wider_mm = aged.wider_px * layout.grid.gsd_mm
    lines = [
        *_line_rows(beam, "new", aged.new, visible["new"], place, None),
        *_line_rows(beam, "extended", aged.extended, visible["extended"], place, None),
        *_line_rows(beam, "widened", aged.kept, wide, place, wider_mm),
    ]
    polygons = [
        *_polygon_rows(beam, "gain", gain, place),
        *_polygon_rows(beam, "retouched", retouched, place),
    ]
    return figures, ChangeShapes(lines, polygons)


def write_change_shapes(path: Path, shapes: list[ChangeShapes], crs_wkt: str | None) -> None:
    """Write the shapes of all beams as a GeoPackage: layers ``change_line`` and ``change_polygon``."""
    path.unlink(missing_ok=True)
    earlier = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _WRITTEN_AT})
    try:
        for layer, rows, columns in (
            ("change_line", [r for s in shapes for r in s.lines], ("elem_id", "kind", "len_m", "wider_mm")),
            ("change_polygon", [r for s in shapes for r in s.polygons], ("elem_id", "kind", "area_m2")),
        ):
            frame = geopandas.GeoDataFrame(
                {name: [row[name] for row in rows] for name in columns},
                geometry=[row["geometry"] for row in rows],
                crs=crs_wkt,
            )
            frame.to_file(path, layer=layer, driver="GPKG", engine="pyogrio", VERSION="1.2")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": earlier})


def _classes(network: CrackNetwork, lost: NDArray[np.uint8], seen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return true_classes(crack_coverage(network, lost.shape)[0], lost, seen)


def _length_m(network: CrackNetwork, wanted: NDArray[np.bool_], unit_m: float) -> float:
    return float(network.segment_lengths()[wanted].sum() * unit_m)


def _line_rows(
    beam: Beam,
    kind: str,
    network: CrackNetwork,
    wanted: NDArray[np.bool_],
    place: Affine,
    wider_mm: NDArray[np.float64] | None,
) -> list[dict[str, Any]]:
    # The width's place carries the widening along, so that what is cut stays with its points.
    told = network.width_px if wider_mm is None else wider_mm
    shown = CrackNetwork(network.points, told, network.depth, network.line).cut_to(wanted)
    a, b, c, d, e, f = tuple(place)[:6]
    rows = []
    for points, values in _runs(shown):
        x, y = points.T
        line = shapely.LineString(np.column_stack((a * x + b * y + c, d * x + e * y + f)))
        wider = None if wider_mm is None else float(values.mean())
        rows.append(
            {"elem_id": beam.beam_id, "kind": kind, "len_m": line.length, "wider_mm": wider, "geometry": line}
        )
    return rows


def _runs(network: CrackNetwork) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return points and widths of every line."""
    cuts = np.flatnonzero(network.line[1:] != network.line[:-1]) + 1
    parts = zip(np.split(network.points, cuts), np.split(network.width_px, cuts), strict=True)
    return [(points, widths) for points, widths in parts if len(points) > 1]


def _polygon_rows(beam: Beam, kind: str, mask: NDArray[np.bool_], place: Affine) -> list[dict[str, Any]]:
    found = rasterio.features.shapes(mask.astype(np.uint8), mask=mask, connectivity=4, transform=place)
    shapes = [as_geometry(told) for told, _ in found]
    return [{"elem_id": beam.beam_id, "kind": kind, "area_m2": s.area, "geometry": s} for s in shapes]
