"""Generate the demo's facade: orthophoto, elements and exact truth, from one seed.

Memory: the facade's uint8 layers (9 bytes a pixel), plus one beam drawn at twice its size (16 bytes a
pixel of the beam), plus one tile in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
from numpy.typing import NDArray
from shapely.affinity import affine_transform
from shapely.geometry import box

from segmentation_core.export.csv_table import output_errors
from segmentation_core.facade.beam import paint_beam
from segmentation_core.facade.breaking import break_beam
from segmentation_core.facade.canvas import Canvas, photographed, seeded, write_classes, write_picture
from segmentation_core.facade.coverage import crack_coverage
from segmentation_core.facade.cracking import CrackNetwork
from segmentation_core.facade.flaking import loss_coverage
from segmentation_core.facade.layout import FULL_SIZE_PX, Beam, FacadeLayout, facade_layout, valid_mask
from segmentation_core.facade.record import matching_record, write_record
from segmentation_core.facade.surroundings import light_profile, paint_surroundings
from segmentation_core.facade.truth import BeamTruth, beam_truth, true_classes
from segmentation_core.facade.view import StraightView
from segmentation_core.facade.weathering import Camera, weather
from segmentation_core.progress import Progress, silent
from segmentation_core.raster.grid import Window

__all__ = ["DEMO_SEED", "ID_FIELD", "Facade", "facade_files", "generate_facade"]

DEMO_SEED = 1420
"""The year in which the Forbidden City was finished."""

ID_FIELD = "beam_id"
_VERSION = 1
_STAGE = "painting the facade"


@dataclass(frozen=True)
class Facade:
    """Files of a generated facade and its truth.

    Attributes
    ----------
    orthophoto, elements, truth_raster, truth_record : Path
        GeoTIFF, GeoPackage (field ``beam_id``), class raster, JSON.
    beams : tuple of BeamTruth
        From top to bottom.
    """

    orthophoto: Path
    elements: Path
    truth_raster: Path
    truth_record: Path
    beams: tuple[BeamTruth, ...]


def generate_facade(
    folder: str | Path,
    *,
    seed: int = DEMO_SEED,
    size_px: tuple[int, int] = FULL_SIZE_PX,
    progress: Progress = silent,
) -> Facade:
    """Write the facade into a folder, unless the same one lies there whole.

    Parameters
    ----------
    folder : path-like
        Made where it does not exist.
    seed : int
        The same seed and size give the same facade.
    size_px : (width, height)
        Of the orthophoto, at 0.25 mm a pixel.
    progress : Progress
        Told of beams and bands; may raise `Interrupted`, and the next call starts again.

    Returns
    -------
    Facade

    Raises
    ------
    ParameterError
        The size is too small.
    DiskFullError, VectorError
        The folder cannot be written.
    """
    folder = Path(folder)
    layout = facade_layout(size_px)
    record = {"version": _VERSION, "seed": seed, "size_px": list(size_px)}
    ready = _ready(folder, record)
    if ready is not None:
        return ready
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        facade_files(folder, ()).truth_record.unlink(missing_ok=True)
        canvas, networks = _painted(layout, seed, progress)
        valid = valid_mask(layout, seeded(seed, 1))
        beams = _write_truth(folder, layout, canvas, networks, valid)
        _write_orthophoto(folder, layout, canvas, valid, seed, progress)
        _write_elements(folder, layout)
        facade = facade_files(folder, beams)
        record["elements"] = [beam.as_dict() for beam in beams]
        write_record(facade.truth_record, _data_files(facade), record)
    return facade


def facade_files(folder: Path, beams: tuple[BeamTruth, ...]) -> Facade:
    """Return where the files of a facade lie in a folder."""
    names = ("facade.tif", "elements.gpkg", "truth.tif", "truth.json")
    orthophoto, elements, truth_raster, truth_record = (folder / name for name in names)
    return Facade(orthophoto, elements, truth_raster, truth_record, beams)


def _ready(folder: Path, wanted: dict[str, Any]) -> Facade | None:
    """Return the facade in the folder if it is the wanted one and its files are as they were written."""
    facade = facade_files(folder, ())
    record = matching_record(facade.truth_record, _data_files(facade), wanted)
    if record is None:
        return None
    try:
        return facade_files(folder, tuple(BeamTruth(**beam) for beam in record["elements"]))
    except (KeyError, TypeError):
        # A record that is not ours: generate again.
        return None


def _data_files(facade: Facade) -> tuple[Path, ...]:
    return facade.orthophoto, facade.elements, facade.truth_raster


def _painted(layout: FacadeLayout, seed: int, progress: Progress) -> tuple[Canvas, list[CrackNetwork]]:
    canvas = Canvas.blank(layout.shape)
    progress(_STAGE, 0.0, 1.0)
    paint_surroundings(layout, canvas.rgb, canvas.relief, seeded(seed, 2), StraightView())
    networks = []
    total = len(layout.beams)
    for k, beam in enumerate(layout.beams):
        progress(_STAGE, 0.5 * k / total, 1.0)
        networks.append(_paint_and_break(canvas, beam, seed, k))
    return canvas, networks


def _paint_and_break(canvas: Canvas, beam: Beam, seed: int, k: int) -> CrackNetwork:
    x0, y0, x1, y1 = beam.box_px
    shape, place = beam.shape, np.s_[y0:y1, x0:x1]
    canvas.rgb[place], canvas.relief[place] = paint_beam(shape[1], shape[0], beam.scheme, seeded(seed, 3, k))
    broken = break_beam(beam, seed, k)
    canvas.crack[place], canvas.depth[place] = crack_coverage(broken.network, shape)
    canvas.lost[place] = loss_coverage(broken.flakes, shape)
    return broken.network


def _write_truth(
    folder: Path,
    layout: FacadeLayout,
    canvas: Canvas,
    networks: list[CrackNetwork],
    valid: NDArray[np.bool_],
) -> tuple[BeamTruth, ...]:
    classes = true_classes(canvas.crack, canvas.lost, valid)
    write_classes(facade_files(folder, ()).truth_raster, layout.grid, classes)
    unit_m = layout.grid.gsd_mm / 1000
    truths = []
    for beam, network in zip(layout.beams, networks, strict=True):
        x0, y0, x1, y1 = beam.box_px
        truths.append(beam_truth(beam, network, classes[y0:y1, x0:x1], unit_m))
    return tuple(truths)


def _write_orthophoto(
    folder: Path,
    layout: FacadeLayout,
    canvas: Canvas,
    valid: NDArray[np.bool_],
    seed: int,
    progress: Progress,
) -> None:
    fields, light = weather(seeded(seed, 7), layout.shape), light_profile(layout)

    def taken(core: Window) -> NDArray[np.uint8]:
        rng = seeded(seed, 8, core.row_off, core.col_off)
        return photographed(canvas, core, lambda window: (light.read(window), fields), rng, Camera())

    path = facade_files(folder, ()).orthophoto
    write_picture(path, layout.grid, valid, taken, lambda done: progress(_STAGE, 0.5 + 0.5 * done, 1.0))


def _write_elements(folder: Path, layout: FacadeLayout) -> None:
    affine = layout.grid.affine
    outlines = []
    for beam in layout.beams:
        x0, y0, x1, y1 = beam.box_px
        pixels = box(x0, y0, x1, y1)
        outlines.append(affine_transform(pixels, affine.to_shapely()))
    frame = geopandas.GeoDataFrame(
        {
            ID_FIELD: [beam.beam_id for beam in layout.beams],
            "name_en": [beam.name_en for beam in layout.beams],
            "name_zh": [beam.name_zh for beam in layout.beams],
        },
        geometry=outlines,
        crs=layout.grid.crs_wkt,
    )
    path = facade_files(folder, ()).elements
    path.unlink(missing_ok=True)
    frame.to_file(path, layer="beams", driver="GPKG", engine="pyogrio", VERSION="1.2")
