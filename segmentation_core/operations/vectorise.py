"""Class or probability raster to polygons, crack lines and nodes, in a GeoPackage."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_core.progress import Progress, silent
from segmentation_core.raster.checksum import file_sha256
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.vectors.class_source import ClassSource, open_class_source
from segmentation_core.vectors.crew import Crew, worker_count
from segmentation_core.vectors.features import Features, Place, crack_features, loss_features, valid_features
from segmentation_core.vectors.geopackage import VectorWriter
from segmentation_core.vectors.settings import LATTICE_PX, METHOD_VERSION, VectorSettings
from segmentation_core.vectors.stitching import Stitcher, Tables, batches
from segmentation_core.vectors.tile import TileTrace

if TYPE_CHECKING:
    from segmentation_core.raster.orthophoto import Orthophoto

__all__ = ["vectorise"]

_ROWS_PER_BATCH = 150_000
_BATCHES_UNDER_WAY = 8


def vectorise(
    source: str | Path,
    out: str | Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    gsd_mm: float | None = None,
    valid_mask_of: Orthophoto | None = None,
    settings: VectorSettings | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Vectorise a raster.

    Memory: per worker about 40 bytes per pixel of a tile and its halo, and in this process one band of
    tiles as sparse tables and whatever components are still open (see `stitching`).

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
    progress : Progress

    Returns
    -------
    dict
        ``totals``: loss_count, loss_m2, loss_ratio (None where nothing is assessed), crack_m, crack_count
        (connected cracks that have a line), crack_area_m2, p21_m_per_m2 (None where nothing is assessed),
        width_mean_mm (crack area / length; None without lines), assessed_m2. ``run``: the record that the
        file holds too.

    Raises
    ------
    RasterError, CrsError, ParameterError, VectorError, DiskFullError
    """
    settings = VectorSettings() if settings is None else settings
    checked = open_class_source(source, thresholds=thresholds, gsd_mm=gsd_mm, valid_mask_of=valid_mask_of)
    grid = checked.grid
    place = Place(grid, checked.has_probabilities, settings)
    figures: Counter[str] = Counter()
    workers = worker_count(settings, grid.width * grid.height)
    with (
        VectorWriter(Path(out), grid.crs_wkt) as writer,
        Crew(checked, settings, workers) as crew,
    ):
        for features in _features(crew, place, progress):
            writer.add(features.layers)
            figures.update(features.figures)
        totals = _totals(figures, grid)
        run = _run(checked, settings, figures)
        writer.finish({**run, "totals": totals})
    return {"totals": totals, "run": run}


def _features(crew: Crew, place: Place, progress: Progress) -> Iterator[Features]:
    """Yield the features of finished components, band by band."""
    grid = place.grid
    bands = _bands(grid, place.settings.tile_size_px)
    total = sum(len(band) for band in bands)
    traces = crew.traces(window for band in bands for window in band)
    crack = Stitcher(grid.width, diagonal_units=True, on_lattice=True)
    loss = Stitcher(grid.width, diagonal_units=True, on_lattice=False)
    valid = Stitcher(grid.width, diagonal_units=False, on_lattice=False)
    under_way: deque[Callable[[], Features]] = deque()
    done = 0
    for number, band in enumerate(bands):
        tiles: list[TileTrace] = []
        for _ in band:
            tiles.append(next(traces))
            done += 1
            progress("vectorise", done, total, "tiles")
        is_last = number == len(bands) - 1
        finished: list[tuple[Callable[[Tables, Place], Features], Tables]] = [
            (crack_features, crack.add_band([(t.window, t.crack, t.pixels) for t in tiles], is_last=is_last)),
            (
                loss_features,
                loss.add_band([(t.window, t.loss, t.pixels[:0]) for t in tiles], is_last=is_last),
            ),
            (
                valid_features,
                valid.add_band([(t.window, t.valid, t.pixels[:0]) for t in tiles], is_last=is_last),
            ),
        ]
        for make, tables in finished:
            for batch in batches(tables, _ROWS_PER_BATCH):
                under_way.append(crew.features(make, batch, place))
                if len(under_way) > _BATCHES_UNDER_WAY:
                    yield under_way.popleft()()
    while under_way:
        yield under_way.popleft()()


def _bands(grid: Grid, tile_size_px: int) -> list[list[Window]]:
    """Return the tiles, row by row; none crosses a line of the lattice."""
    rows, cols = (
        sorted({*range(0, size, tile_size_px), *range(0, size, LATTICE_PX), size})
        for size in (grid.height, grid.width)
    )
    return [
        [Window(top, left, bottom - top, right - left) for left, right in pairwise(cols)]
        for top, bottom in pairwise(rows)
    ]


def _totals(figures: Counter[str], grid: Grid) -> dict[str, Any]:
    pixel = grid.pixel_area_m2
    assessed, crack_m = figures["assessed_px"] * pixel, float(figures["crack_m"])
    loss = figures["loss_px"] * pixel
    return {
        "assessed_m2": assessed,
        "loss_count": int(figures["loss_count"]),
        "loss_m2": loss,
        "loss_ratio": loss / assessed if assessed else None,
        "crack_count": int(figures["crack_count"]),
        "crack_m": crack_m,
        "crack_area_m2": figures["crack_px"] * pixel,
        "p21_m_per_m2": crack_m / assessed if assessed else None,
        "width_mean_mm": figures["crack_px"] * pixel / crack_m * 1000 if crack_m else None,
    }


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
        "parameters": settings.recorded(),
        "dropped": {
            name: {
                "count": int(figures[f"{key}_count"]),
                "area_m2": figures[f"{key}_px"] * grid.pixel_area_m2,
            }
            for name, key in (
                ("loss_below_minimum_mapping_unit", "loss_dropped"),
                ("cracks_too_wide_for_a_line", "too_wide"),
                ("cracks_without_a_line", "lineless"),
            )
        },
    }
