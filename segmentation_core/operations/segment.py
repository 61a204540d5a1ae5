"""``segment``: an orthophoto to a probability raster, a class raster and a run record.

The path: open and check the orthophoto; load the model; choose the device; cut the raster into tiles;
continue an unfinished identical run or begin a new one; read, predict, blend, write rows of tiles; lay
them together as cloud-optimised GeoTIFFs; put the three results in place; remove the work folder.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
import torch

from segmentation_core import __version__
from segmentation_core.inference.device import Device, choose_device
from segmentation_core.inference.network import Predictor
from segmentation_core.inference.pipeline import Picture, probability_blocks
from segmentation_core.inference.settings import RunPlan, SegmentSettings, plan_run
from segmentation_core.inference.unfinished import WorkFolder, open_work_folder
from segmentation_core.inference.writing import CLASSES, PROBABILITY, PieceWriter
from segmentation_core.models import LoadedModel, load_model
from segmentation_core.progress import Progress, silent
from segmentation_core.raster.area_of_interest import AreaOfInterest
from segmentation_core.raster.checksum import file_sha256
from segmentation_core.raster.cog import ResultBands, assemble
from segmentation_core.raster.durable import publish, write_durably
from segmentation_core.raster.grid import Grid
from segmentation_core.raster.orthophoto import Orthophoto, open_orthophoto
from segmentation_core.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

__all__ = ["SegmentResult", "segment"]

_METHOD_VERSION = 1
_RECORD = "run.json"
_SMALLEST_CACHE_BYTES = 64 << 20
_LARGEST_CACHE_BYTES = 256 << 20
_BLOCK_ROWS_PX = 512
_RESOLVED_PX = 2


@dataclass(frozen=True)
class SegmentResult:
    """Paths of the two rasters, and the run record."""

    probability: Path
    classes: Path
    run: dict[str, Any]


@dataclass(frozen=True)
class _Run:
    """Everything a run depends on, resolved."""

    photo: Orthophoto
    model: LoadedModel
    device: Device
    plan: RunPlan
    area: AreaOfInterest | None
    fingerprint: dict[str, Any]


def segment(  # noqa: PLR0913 - the command's own parameters
    orthophoto: str | Path,
    out_dir: str | Path,
    *,
    model: str | Path | None = None,
    device: str = "auto",
    gsd_mm: float | None = None,
    working_gsd_mm: float | None = None,
    inside: BaseGeometry | None = None,
    settings: SegmentSettings | None = None,
    progress: Progress = silent,
) -> SegmentResult:
    """Segment an orthophoto.

    Parameters
    ----------
    orthophoto : path-like
        The raster.
    out_dir : path-like
        Folder for ``probability.tif``, ``classes.tif`` and ``run.json``. A finished run in it is replaced
        when, and only when, the new one is finished too. An unfinished identical run is continued.
    model : str, path-like or None
        Name in the model store or a file; None for the default.
    device : str
        "auto", "cpu", "cuda" or "mps".
    gsd_mm : float or None
        mm per pixel, for an image without georeference.
    working_gsd_mm : float or None
        Average a finer raster down to this many mm per pixel.
    inside : shapely geometry or None
        In the raster's own coordinates: what lies more than 64 px outside is nodata, and not computed.
    settings : SegmentSettings or None
        Tiles, batches, precision; None for the defaults.
    progress : Progress
        Told the area done in Mpx; may raise `Interrupted`.

    Returns
    -------
    SegmentResult
        ``probability.tif`` holds 0-250 per class, 255 nodata; ``classes.tif`` the vocabulary's values.

    Raises
    ------
    RasterError, CrsError, ParameterError, ModelError, DiskFullError
        As `open_orthophoto`, `load_model` and `choose_device`; or a window cannot be read, or the disk is
        full: what is finished is kept, and the next identical run continues from it.

    Notes
    -----
    Memory beyond torch's own: the network's activations for one batch; the tiles read ahead (see
    `probability_blocks`); one tile in float32 (see `Blender`); two pieces (see `PieceWriter`); GDAL's block
    cache, 64 MB, and more only where the file can be read by whole rows alone (see `_block_cache_bytes`).
    """
    started, began = datetime.now(timezone.utc), time.perf_counter()
    out = Path(out_dir)
    with open_orthophoto(orthophoto, gsd_mm=gsd_mm, working_gsd_mm=working_gsd_mm) as photo:
        run = _resolve(photo, model, device, inside, settings or SegmentSettings())
        work = open_work_folder(
            out, run.fingerprint, run.plan.tiles, batch=run.plan.batch, threads=run.plan.threads
        )
        with rasterio.Env(GDAL_CACHEMAX=_block_cache_bytes(run)):
            prepared = time.perf_counter()
            batch = _predict(run, work, progress)
            predicted = time.perf_counter()
            _assemble(run, work, progress)
    timings = {
        "prepare": prepared - began,
        "predict": predicted - prepared,
        "assemble": time.perf_counter() - predicted,
        "total": time.perf_counter() - began,
    }
    record = _record(run, work, batch, started, timings)
    _put_in_place(work, out, record)
    return SegmentResult(out / f"{PROBABILITY}.tif", out / f"{CLASSES}.tif", record)


def _resolve(
    photo: Orthophoto,
    model: str | Path | None,
    device: str,
    inside: BaseGeometry | None,
    settings: SegmentSettings,
) -> _Run:
    area = None if inside is None else AreaOfInterest(inside, photo.grid)
    chosen = choose_device(device)
    loaded = load_model(model)
    plan = plan_run(settings, chosen, photo.grid.height, photo.grid.width)
    fingerprint = {
        "method": _METHOD_VERSION,
        "inputs": [{"path": str(file.absolute()), "sha256": file_sha256(file)} for file in photo.files],
        "model": {
            "name": loaded.name,
            "sha256": loaded.sha256,
            "thresholds": dict(loaded.card.thresholds),
            "temperature": loaded.card.temperature,
            **({"adapted_from": told["base"]} if (told := loaded.card.about.get("adapter")) else {}),
        },
        "parameters": {
            "tile_px": plan.tile_px,
            "overlap": plan.overlap,
            "batch": settings.batch,
            "threads": settings.threads,
            "bfloat16": plan.use_bfloat16,
            "value_bits": photo.layout.bits,
            "inside_sha256": None if inside is None else hashlib.sha256(inside.wkb).hexdigest(),
        },
        "versions": {
            "craquelure": __version__,
            "torch": torch.__version__,
            "rasterio": rasterio.__version__,
            "gdal": rasterio.__gdal_version__,
            "python": platform.python_version(),
        },
        "device": {"kind": chosen.kind, "name": chosen.name},
        "grid": _grid_record(photo.grid),
    }
    return _Run(photo, loaded, chosen, plan, area, fingerprint)


def _predict(run: _Run, work: WorkFolder, progress: Progress) -> int:
    """Compute and write all rows of tiles that are not there yet; return the batch size at the end."""
    tiles, codes = work.tiles, load_vocabulary().codes
    total = tiles.height * tiles.width / 1e6
    first = work.finished_rows({PROBABILITY: len(codes), CLASSES: 1})
    done = sum(tiles.strip(row).height for row in range(first)) * tiles.width / 1e6
    progress("segment", done, total, "Mpx")
    if first == tiles.rows:
        return work.batch
    torch.set_num_threads(work.threads)
    predictor = Predictor(
        run.model.network,
        run.model.card,
        run.device,
        batch=work.batch,
        use_bfloat16=run.plan.use_bfloat16,
    )
    picture = Picture(run.photo.read, None if run.area is None else run.area.mask)
    blocks = probability_blocks(
        picture,
        tiles,
        predictor,
        classes=len(codes),
        first_row=first,
        readers=run.plan.readers,
        folder=work.path,
    )
    with PieceWriter(work, run.model.card.thresholds) as writer, closing(blocks):
        for block in blocks:
            writer.add(block)
            done += block.window.height * block.window.width / 1e6
            progress("segment", done, total, "Mpx")
    return predictor.batch


def _assemble(run: _Run, work: WorkFolder, progress: Progress) -> None:
    codes = load_vocabulary().codes
    results = {
        PROBABILITY: ResultBands(codes, "AVERAGE"),
        CLASSES: ResultBands((CLASSES,), "NEAREST"),
    }
    for number, (kind, bands) in enumerate(results.items()):
        progress("write", number, len(results), "files")
        assemble(work.all_pieces(kind), run.photo.grid, bands, work.path / f"{kind}.tif")
    progress("write", len(results), len(results), "files")


def _put_in_place(work: WorkFolder, out: Path, record: dict[str, Any]) -> None:
    """Replace what the folder held; without a run record it is not whole."""
    (out / _RECORD).unlink(missing_ok=True)
    for kind in (PROBABILITY, CLASSES):
        publish(work.path / f"{kind}.tif", out / f"{kind}.tif")
    write_durably(out / _RECORD, json.dumps(record, indent=1, ensure_ascii=False).encode())
    work.remove()


def _record(
    run: _Run, work: WorkFolder, batch: int, started: datetime, timings: dict[str, float]
) -> dict[str, Any]:
    width_px = run.model.card.crack_width_px
    gsd = run.photo.grid.gsd_mm
    notes = [
        *run.photo.notes,
        *run.device.notes,
        f"the model was trained for cracks {width_px[0]:g} to {width_px[1]:g} px wide, which is"
        f" {width_px[0] * gsd:.3g} to {width_px[1] * gsd:.3g} mm here; widths under {_RESOLVED_PX} px"
        f" ({_RESOLVED_PX * gsd:.3g} mm) are at the limit of resolution",
    ]
    if work.note is not None:
        notes.append(work.note)
    if batch < work.batch:
        notes.append(f"memory ran short: batches were halved from {work.batch} to {batch} tiles")
    kept = ("method", "inputs", "model", "versions", "device", "grid")
    return {
        **{key: run.fingerprint[key] for key in kept},
        "model": run.fingerprint["model"] | {"metrics": run.model.card.about.get("metrics", [])},
        "parameters": {
            **run.fingerprint["parameters"],
            "batch": batch,
            "threads": work.threads,
            "readers": run.plan.readers,
            "working_gsd_factor": run.photo.factor,
        },
        "gsd_mm": gsd,
        "notes": notes,
        "started": started.isoformat(timespec="seconds"),
        "timings_s": {stage: round(seconds, 3) for stage, seconds in timings.items()},
    }


def _grid_record(grid: Grid) -> dict[str, Any]:
    return {
        "width": grid.width,
        "height": grid.height,
        "affine": list(grid.affine)[:6],
        "crs_wkt": grid.crs_wkt,
        "metres_per_unit": grid.metres_per_unit,
    }


def _block_cache_bytes(run: _Run) -> int:
    """Return GDAL's block cache.

    Of a file in blocks, a tile and its neighbour share a few: 64 MB hold them. Of a file in whole rows, the
    cache holds those that a row of tiles touches, so that each is decoded once for it: 64 MB to 256 MB; above
    that, rows are decoded again instead.
    """
    if not run.photo.is_stored_by_rows:
        return _SMALLEST_CACHE_BYTES
    layout = run.photo.layout
    bytes_per_px = (len(layout.colour) + (layout.alpha is not None)) * (2 if layout.bits > 8 else 1)
    rows = run.plan.tiles.tile_shape[0] * run.photo.factor + _BLOCK_ROWS_PX
    needed = int(rows * run.photo.native_grid.width * bytes_per_px)
    return min(max(needed, _SMALLEST_CACHE_BYTES), _LARGEST_CACHE_BYTES)
