"""The demo's facade two years later: the same painting, exactly known changes, another photograph.

The painting, its cracks and its losses are drawn again on the second orthophoto's own pixels: shapes pass
through the inverse of the georeference's error before they are drawn. Only losses are looked up, from
shapes of a quarter of a pixel of the first survey, at 16 places of each pixel; and the fields of dust and
wear, which are smooth, are interpolated. Nothing is resampled from the first picture.

Memory: the layers of the second orthophoto (9 bytes a pixel), plus one beam drawn at twice its size (16 bytes
a pixel of the beam), plus one tile in float32 and a band of 128 rows in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.export.csv_table import output_errors
from segmentation_core.facade.ageing import AgedBeam, age_beam, unchanged_beam
from segmentation_core.facade.beam import paint_beam
from segmentation_core.facade.breaking import break_beam
from segmentation_core.facade.canvas import Canvas, photographed, seeded, write_classes, write_picture
from segmentation_core.facade.carrying import SeenField, cracks_on, lay_flake, mask_on
from segmentation_core.facade.changes import BeamChange, ChangeShapes, beam_change, write_change_shapes
from segmentation_core.facade.coverage import crack_coverage
from segmentation_core.facade.generate import DEMO_SEED
from segmentation_core.facade.layout import FULL_SIZE_PX, Beam, FacadeLayout, facade_layout, valid_mask
from segmentation_core.facade.mapping import EpochMapping, epoch_mapping
from segmentation_core.facade.noise import noise_field
from segmentation_core.facade.record import matching_record, write_record
from segmentation_core.facade.surroundings import light_profile, paint_surroundings
from segmentation_core.facade.truth import true_classes
from segmentation_core.facade.view import WarpedView, centres, put
from segmentation_core.facade.weathering import Camera, Weather, weather
from segmentation_core.progress import Progress, silent
from segmentation_core.raster.grid import Window

__all__ = ["SecondEpoch", "generate_second_epoch", "second_epoch_files"]

_VERSION = 1
_STAGE = "painting the facade two years later"
_CAMERA = Camera(blur_px=0.85, gains=(1.05, 0.98, 0.88))
"""A softer lens, and a warmer white balance."""


@dataclass(frozen=True)
class SecondEpoch:
    """Files of the second survey and their truth.

    Attributes
    ----------
    orthophoto, truth_raster : Path
        GeoTIFF and class raster on one grid, which states the first survey's CRS with the errors of
        ``mapping``.
    change_shapes : Path
        GeoPackage with ``change_line`` and ``change_polygon`` in the first survey's coordinates.
    change_record : Path
        JSON: the mapping and the figures of ``changes``.
    mapping : EpochMapping
        Pixels of the second orthophoto to those of the first, and back.
    changes : tuple of BeamChange
        From top to bottom.
    """

    orthophoto: Path
    truth_raster: Path
    change_shapes: Path
    change_record: Path
    mapping: EpochMapping
    changes: tuple[BeamChange, ...]


def generate_second_epoch(
    folder: str | Path,
    *,
    seed: int = DEMO_SEED,
    size_px: tuple[int, int] = FULL_SIZE_PX,
    ages: bool = True,
    progress: Progress = silent,
) -> SecondEpoch:
    """Write the second survey of a generated facade into a folder, unless the same one lies there whole.

    Parameters
    ----------
    folder : path-like
        Made where it does not exist; may be the first survey's, which is neither read nor touched.
    seed, size_px : int, (width, height)
        Those of `generate_facade`. The second orthophoto has pixels of 0.9 times the side.
    ages : bool
        False: nothing changes but the photograph.
    progress : Progress
        Told of beams and bands; may raise `Interrupted`, and the next call starts again.

    Returns
    -------
    SecondEpoch

    Raises
    ------
    ParameterError
        The size is too small.
    DiskFullError, VectorError
        The folder cannot be written.
    """
    folder = Path(folder)
    layout = facade_layout(size_px)
    mapping, grid = epoch_mapping(seeded(seed, 20), layout.grid)
    wanted: dict[str, Any] = {
        "version": _VERSION,
        "seed": seed,
        "size_px": list(size_px),
        "ages": ages,
        "mapping": mapping.as_dict(),
    }
    ready = _ready(folder, mapping, wanted)
    if ready is not None:
        return ready
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = second_epoch_files(folder, mapping, ())
        files.change_record.unlink(missing_ok=True)
        view = WarpedView(mapping, grid.width, grid.height)
        seen = valid_mask(layout, seeded(seed, 21))
        common = seen & valid_mask(layout, seeded(seed, 1))
        canvas, told = _painted(layout, view, common, seed, ages, progress)
        valid = mask_on(seen, view)
        write_classes(files.truth_raster, grid, true_classes(canvas.crack, canvas.lost, valid))
        taken = _photographer(layout, view, canvas, seed)
        write_picture(
            files.orthophoto, grid, valid, taken, lambda done: progress(_STAGE, 0.5 + 0.5 * done, 1.0)
        )
        write_change_shapes(files.change_shapes, [shapes for _, shapes in told], layout.grid.crs_wkt)
        changes = tuple(figures for figures, _ in told)
        record = wanted | {"elements": [change.as_dict() for change in changes]}
        write_record(files.change_record, _data_files(files), record)
    return second_epoch_files(folder, mapping, changes)


def second_epoch_files(folder: Path, mapping: EpochMapping, changes: tuple[BeamChange, ...]) -> SecondEpoch:
    """Return where the files of a second survey lie in a folder."""
    names = ("facade-second.tif", "truth-second.tif", "changes.gpkg", "changes.json")
    orthophoto, truth_raster, shapes, record = (folder / name for name in names)
    return SecondEpoch(orthophoto, truth_raster, shapes, record, mapping, changes)


def _data_files(files: SecondEpoch) -> tuple[Path, ...]:
    return files.orthophoto, files.truth_raster, files.change_shapes


def _ready(folder: Path, mapping: EpochMapping, wanted: dict[str, Any]) -> SecondEpoch | None:
    files = second_epoch_files(folder, mapping, ())
    record = matching_record(files.change_record, _data_files(files), wanted)
    if record is None:
        return None
    try:
        return second_epoch_files(folder, mapping, tuple(BeamChange(**told) for told in record["elements"]))
    except (KeyError, TypeError):
        # A record that is not ours: generate again.
        return None


def _painted(
    layout: FacadeLayout,
    view: WarpedView,
    common: NDArray[np.bool_],
    seed: int,
    ages: bool,
    progress: Progress,
) -> tuple[Canvas, list[tuple[BeamChange, ChangeShapes]]]:
    canvas = Canvas.blank((view.height, view.width))
    progress(_STAGE, 0.0, 1.0)
    paint_surroundings(layout, canvas.rgb, canvas.relief, seeded(seed, 2), view)
    worst = max(layout.beams, key=lambda beam: beam.damage.lost)
    told = []
    for k, beam in enumerate(layout.beams):
        progress(_STAGE, 0.5 * k / len(layout.beams), 1.0)
        broken = break_beam(beam, seed, k)
        aged = (
            age_beam(seeded(seed, 22, k), broken, beam.shape, retouched=beam is worst)
            if ages
            else unchanged_beam(broken)
        )
        _paint_beam(canvas, view, beam, aged, seeded(seed, 3, k))
        told.append(beam_change(layout, beam, broken, aged, common))
    return canvas, told


def _paint_beam(
    canvas: Canvas, view: WarpedView, beam: Beam, aged: AgedBeam, rng: np.random.Generator
) -> None:
    height, width = beam.shape
    rgb, relief = paint_beam(width, height, beam.scheme, rng, view.sheet(beam.box_px))
    window = view.window(beam.box_px)
    crack, depth = crack_coverage(cracks_on(view, beam.box_px, aged.network), (window.height, window.width))
    lost = np.zeros((window.height, window.width), np.uint8)
    for flake in aged.flakes:
        lay_flake(lost, view, beam.box_px, flake)
    layers = ((canvas.rgb, rgb), (canvas.relief, relief), (canvas.crack, crack), (canvas.depth, depth))
    put(view, beam.box_px, *layers, (canvas.lost, lost))


def _photographer(
    layout: FacadeLayout, view: WarpedView, canvas: Canvas, seed: int
) -> Callable[[Window], NDArray[np.uint8]]:
    """Return what takes the picture of a window."""
    fields, light = weather(seeded(seed, 7), layout.shape), light_profile(layout)
    # The sun stands elsewhere: other clouds of light, and more of it from the right.
    clouds = noise_field(seeded(seed, 23), layout.shape, 1200.0)

    def look(window: Window) -> tuple[NDArray[np.float32], Weather]:
        x, y = view.mapping.to_first(centres(window)).T.reshape(2, window.height, window.width)
        shade = light.at(x, y) ** 0.9 * (0.9 + 0.18 * x / layout.shape[1])
        seen = {name: SeenField.of(field, x, y, window, layout.shape) for name, field in vars(fields).items()}
        seen["light"] = SeenField.of(clouds, x, y, window, layout.shape)
        return shade.astype(np.float32), Weather(**seen)

    def taken(core: Window) -> NDArray[np.uint8]:
        return photographed(canvas, core, look, seeded(seed, 24, core.row_off, core.col_off), _CAMERA)

    return taken
