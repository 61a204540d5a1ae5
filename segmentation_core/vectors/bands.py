"""The features of a source, band by band, and what they add up to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from segmentation_core.progress import Progress, silent
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.vectors.bridges import Bridges
from segmentation_core.vectors.crew import Crew
from segmentation_core.vectors.features import (
    Features,
    Place,
    crack_area_features,
    island_features,
    loss_features,
    valid_features,
)
from segmentation_core.vectors.networks import Networks
from segmentation_core.vectors.settings import LATTICE_PX
from segmentation_core.vectors.stitching import Band, Stitcher, Tables, batches
from segmentation_core.vectors.tile import TileTrace

__all__ = ["dropped", "features_by_band", "summed"]

_ROWS_PER_BATCH = 150_000
_BATCHES_UNDER_WAY = 8


def features_by_band(crew: Crew, place: Place, progress: Progress = silent) -> Iterator[Features]:
    """Yield the features of finished components, and the final lines of open ones, band by band.

    Then, if there are to be any, bridges over gaps; last, which components were ``renamed``.
    """
    bridges = Bridges(place) if place.settings.bridge_gap_px else None
    for features in _finished(crew, place, progress):
        if bridges is not None:
            bridges.add(features)
        yield features
    if bridges is not None:
        with crew.source.open() as reader:
            yield bridges.features(reader)


def _finished(crew: Crew, place: Place, progress: Progress) -> Iterator[Features]:
    grid = place.grid
    bands = _bands(grid, place.settings.tile_size_px)
    total = sum(len(band) for band in bands)
    traces = crew.traces(window for band in bands for window in band)
    crack = Stitcher(grid.width, diagonal_units=True, on_lattice=True)
    loss = Stitcher(grid.width, diagonal_units=True, on_lattice=False)
    valid = Stitcher(grid.width, diagonal_units=False, on_lattice=False)
    free = Stitcher(grid.width, diagonal_units=False, on_lattice=False)
    networks = Networks(crew, place, _ROWS_PER_BATCH)
    under_way: deque[Callable[[], Features]] = deque()
    done = 0
    for number, band in enumerate(bands):
        tiles: list[TileTrace] = []
        for _ in band:
            tiles.append(next(traces))
            done += 1
            progress("vectorise", done, total, "tiles")
            yield from tiles[-1].features
        is_last = number == len(bands) - 1
        cracks = crack.add_band([(t.window, t.crack, t.pixels) for t in tiles], is_last=is_last)
        yield from networks.add_band(cracks, None if is_last else band[0].row_end - 1)
        finished: list[tuple[Callable[[Tables, Place], Features], Band]] = [
            (crack_area_features, cracks),
            (
                loss_features,
                loss.add_band([(t.window, t.loss, t.pixels[:0]) for t in tiles], is_last=is_last),
            ),
            (
                valid_features,
                valid.add_band([(t.window, t.valid, t.pixels[:0]) for t in tiles], is_last=is_last),
            ),
            (
                island_features,
                free.add_band([(t.window, t.free, t.pixels[:0]) for t in tiles], is_last=is_last),
            ),
        ]
        del tiles
        for make, brought in finished:
            for tables in brought.finished:
                for batch in batches(tables, _ROWS_PER_BATCH):
                    under_way.append(crew.ask(make, batch, place))
                    if len(under_way) > _BATCHES_UNDER_WAY:
                        yield under_way.popleft()()
    while under_way:
        yield under_way.popleft()()
    yield from networks.rest()


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


def summed(figures: Mapping[str, float], grid: Grid) -> dict[str, Any]:
    """Return the totals of a run (see `operations.vectorise`) from the summed figures of its features."""
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
        "bridged_m": float(figures["bridged_m"]),
        "crack_area_m2": figures["crack_px"] * pixel,
        "p21_m_per_m2": crack_m / assessed if assessed else None,
        "width_mean_mm": figures["crack_px"] * pixel / crack_m * 1000 if crack_m else None,
    }


def dropped(figures: Mapping[str, float], grid: Grid) -> dict[str, Any]:
    """Return what became no feature, or no line: count and area, by reason."""
    return {
        name: {"count": int(figures[f"{key}_count"]), "area_m2": figures[f"{key}_px"] * grid.pixel_area_m2}
        for name, key in (
            ("loss_below_minimum_mapping_unit", "loss_dropped"),
            ("cracks_too_wide_for_a_line", "too_wide"),
            ("cracks_without_a_line", "lineless"),
            ("islands_cut_by_the_border", "cut_island"),
            ("islands_below_minimum_mapping_unit", "island_speck"),
        )
    }
