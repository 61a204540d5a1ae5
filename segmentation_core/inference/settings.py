"""How a segmentation runs: tiles, batches, precision, threads."""

from __future__ import annotations

import os
from dataclasses import dataclass

from segmentation_core.errors import ParameterError
from segmentation_core.inference.device import Device, default_threads
from segmentation_core.inference.network import batch_for_memory
from segmentation_core.raster.tiles import TileGrid, tile_grid

__all__ = ["RunPlan", "SegmentSettings", "plan_run"]

_TILE_PX = 1024
"""At the default overlap, a tile counts only where its border is 126 px or more away."""

_LARGEST_READERS = 8


@dataclass(frozen=True)
class SegmentSettings:
    """What a caller may set; None leaves the choice to the device.

    Attributes
    ----------
    tile_px : int or None
        Side of a tile: a multiple of 32, 512 or 1024 as a rule.
    overlap : float
        Share of a tile that the next one repeats, 0 to 0.5.
    batch : int or None
        Tiles at once; by default as many as free memory allows.
    use_bfloat16 : bool or None
        By default where the device computes in it.
    readers : int or None
        Reader threads. The result does not depend on it.
    threads : int or None
        Threads that the network computes with; by default one per core. The last bits of float32 depend on
        it: torch takes other kernels for 1x1 convolutions with one thread than with several. So it is
        recorded, and a continued run keeps the number that it began with.
    """

    tile_px: int | None = None
    overlap: float = 9 / 32
    batch: int | None = None
    use_bfloat16: bool | None = None
    readers: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class RunPlan:
    """The settings, resolved for a raster and a device."""

    tiles: TileGrid
    tile_px: int
    overlap: float
    batch: int
    use_bfloat16: bool
    readers: int
    threads: int


def plan_run(settings: SegmentSettings, device: Device, height: int, width: int) -> RunPlan:
    """Resolve settings.

    Parameters
    ----------
    settings : SegmentSettings
        What the caller set.
    device : Device
        Where the network runs.
    height, width : int
        Size of the working raster, px.

    Raises
    ------
    ParameterError
        An impossible tile, overlap or number of threads.
    """
    if settings.threads is not None and settings.threads < 1:
        raise ParameterError(f"{settings.threads} threads are impossible", remedy="Use 1 or more")
    tile_px = settings.tile_px or _TILE_PX
    tiles = tile_grid(height, width, tile_px, settings.overlap)
    # One thread decodes faster than a processor predicts; a GPU takes what several can decode.
    readers = 1 if device.kind == "cpu" else min(_LARGEST_READERS, os.cpu_count() or 1)
    return RunPlan(
        tiles,
        tile_px,
        settings.overlap,
        batch_for_memory(device, tiles.tile_shape) if settings.batch is None else settings.batch,
        device.has_bfloat16 if settings.use_bfloat16 is None else settings.use_bfloat16,
        settings.readers or readers,
        settings.threads or default_threads(),
    )
