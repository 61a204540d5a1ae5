"""Class or probability raster to polygons, crack lines and nodes, in a GeoPackage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_core.progress import Progress, silent
from segmentation_core.raster.checksum import file_sha256
from segmentation_core.vectors.bands import dropped, features_by_band, summed
from segmentation_core.vectors.class_source import ClassSource, open_class_source
from segmentation_core.vectors.crew import Crew, worker_count
from segmentation_core.vectors.features import Place
from segmentation_core.vectors.geopackage import VectorWriter
from segmentation_core.vectors.settings import METHOD_VERSION, VectorSettings

if TYPE_CHECKING:
    from segmentation_core.raster.orthophoto import Orthophoto

__all__ = ["vectorise"]


def vectorise(  # noqa: PLR0913 - the command's options
    source: str | Path,
    out: str | Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    gsd_mm: float | None = None,
    valid_mask_of: Orthophoto | None = None,
    settings: VectorSettings | None = None,
    max_crack_width_px: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Vectorise a raster.

    Memory: per worker about 40 bytes per pixel of a tile and its halo, GDAL's block cache (see `crew`) and
    the skeletons of one band of a network; in this process one band of tiles as sparse tables and the
    outlines of whatever components are still open (see `stitching`).

    Parameters
    ----------
    source : path-like
        A folder written by `segment`, a probability raster, or any raster of classes.
    out : path-like
        GeoPackage to write; an existing one is replaced, but only by a complete one. Geometry is in the
        raster's own coordinates.
    thresholds : mapping of class code to probability, or None
        See `open_class_source`.
    gsd_mm : float or None
        Ground sampling distance, mm per pixel, for a raster without georeference.
    valid_mask_of : Orthophoto or None
        The orthophoto that the raster lies on; its invalid pixels are left out and its unit is used.
    settings : VectorSettings or None
    max_crack_width_px : int or None
        Takes the place of the one in the settings: for callers that speak JSON.
    progress : Progress

    Returns
    -------
    dict
        ``totals``: loss_count, loss_m2, loss_ratio (None where nothing is assessed), crack_m, crack_count
        (connected cracks that have a line), bridged_m (in no other figure), crack_area_m2,
        p21_m_per_m2 (None where nothing is assessed), width_mean_mm (crack area / length; None
        without lines), assessed_m2. ``run``: the record that the file holds too.

    Raises
    ------
    RasterError, CrsError, ParameterError, VectorError, DiskFullError
    """
    settings = VectorSettings() if settings is None else settings
    if max_crack_width_px is not None:
        settings = replace(settings, max_crack_width_px=max_crack_width_px)
    checked = open_class_source(source, thresholds=thresholds, gsd_mm=gsd_mm, valid_mask_of=valid_mask_of)
    grid = checked.grid
    place = Place(grid, checked.has_probabilities, settings)
    figures: Counter[str] = Counter()
    renamed: dict[int, int] = {}
    workers = worker_count(settings, grid.width * grid.height)
    with (
        VectorWriter(Path(out), grid.crs_wkt) as writer,
        Crew(checked, settings, workers) as crew,
    ):
        for features in features_by_band(crew, place, progress):
            writer.add(features.layers)
            figures.update(features.figures)
            renamed.update(features.renamed)
        writer.rename_components(renamed)
        totals = summed(figures, grid)
        run = _run(checked, settings, figures)
        writer.finish({**run, "totals": totals})
    return {"totals": totals, "run": run}


def _run(source: ClassSource, settings: VectorSettings, figures: Counter[str]) -> dict[str, Any]:
    grid = source.grid
    return {
        "method_version": METHOD_VERSION,
        "source": {"path": str(source.path), "sha256": file_sha256(source.path)},
        "metres_per_unit": grid.metres_per_unit,
        "gsd_mm": grid.gsd_mm,
        "grid": {
            "width": grid.width,
            "height": grid.height,
            "affine": list(grid.affine)[:6],
            "crs_wkt": grid.crs_wkt,
        },
        "thresholds": source.thresholds or None,
        "model": source.model,
        "parameters": settings.recorded(),
        "dropped": (left := dropped(figures, grid)),
        "notes": _notes(left, settings) + _of_bridges(figures),
    }


def _of_bridges(figures: Mapping[str, float]) -> list[str]:
    if not figures["bridge_count"]:
        return []
    return [f"gaps bridged: {figures['bridge_count']}, {figures['bridged_m']:.4g} m; they count nowhere else"]


def _notes(left: Mapping[str, Mapping[str, float]], settings: VectorSettings) -> list[str]:
    """Say what a reader of the totals must know."""
    count, area = (left["cracks_too_wide_for_a_line"][key] for key in ("count", "area_m2"))
    if not count:
        return []
    return [
        f"cracks wider than {settings.max_crack_width_px} px somewhere: {count}; {area:.4g} m2 of them count "
        "as crack area, but have no centreline (--max-crack-width)"
    ]
