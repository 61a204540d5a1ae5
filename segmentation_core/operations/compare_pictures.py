"""What two orthophotos themselves say of cracks that came or went: weighed, and traced where nobody saw them.

A network misses fine cracks, more of them on one picture than on the other. Where both surveys kept their
probabilities the pictures are laid on each other, and what the one shows and the other does not is put
together with what the network half believed of both (`segmentation_core.change.change_network`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

from segmentation_core.change.change_network import Evidence, evidence
from segmentation_core.change.come_and_gone import LEAST_PROBABILITY, come_and_gone
from segmentation_core.change.picture import OrthophotoPicture, Patch, Picture
from segmentation_core.change.unexplained import MARGIN_PX, Left, NoiseLevel, left_over, noise_level
from segmentation_core.change.window_pair import Mapping, read_padded, resampled
from segmentation_core.operations.compare_frames import Registered, kept_probabilities, opened_orthophoto
from segmentation_core.operations.vectorise import vectorise
from segmentation_core.progress import Progress
from segmentation_core.raster.cog import Piece, ResultBands, assemble, write_piece
from segmentation_core.raster.grid import Grid, Window
from segmentation_core.raster.orthophoto import Orthophoto
from segmentation_core.raster.probability import PROBABILITY_SCALE, quantised
from segmentation_core.statistics.features import stream_features
from segmentation_core.statistics.vectorfile import open_vectors
from segmentation_core.survey.epochs import in_mm
from segmentation_core.survey.surveys import OrthophotoRecord
from segmentation_core.threads import in_threads
from segmentation_core.vectors.class_source import ClassSource, open_class_source
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["LaidPair", "Weighed", "laid_on", "traced_on", "weigh_pictures"]

_TRACED, _SURE = 0.3, 0.6
"""Probability that a crack has come, from which its pixels are traced, and which a line has on average."""

_STAGE = "comparing the pictures"
_CORE_PX = 1024
"""Windows lie on a fixed lattice, whatever the number of threads: a line near a window's border rests on a
fit that looks further to one side than to the other."""

_NOISE_WINDOWS = 16
_RIM_PX = 3
_LEAST_SOFTENING_PX = 0.3
_LOSS, _LOSS_RIM_PX = 0.3, 6
"""Probability of paint loss, and how far around it the later picture need not be like the earlier one."""


@dataclass(frozen=True)
class Weighed:
    """What a pair of pictures says.

    Attributes
    ----------
    number : int
        Of the pair among those registered.
    come, gone : ClassSource
        Probability, on the earlier picture's grid, that a crack has come, and that one has gone.
    traced : list of shapely LineString
        Along what came, map units of the earlier picture.
    """

    number: int
    come: ClassSource
    gone: ClassSource
    traced: list[Any]


@dataclass(frozen=True)
class _Probability:
    """The probability of a class as a picture."""

    source: ClassSource
    code: str

    @property
    def height(self) -> int:
        return self.source.grid.height

    @property
    def width(self) -> int:
        return self.source.grid.width

    def read(self, window: Window) -> Patch:
        vocabulary = load_vocabulary()
        with self.source.open() as reader:
            found = reader.read(window)
        valid = found.classes != vocabulary.nodata_value
        band = found.probabilities[self.code].astype(np.float32) / PROBABILITY_SCALE
        return Patch(np.where(valid, band, np.float32(0)), valid, None)


@dataclass(frozen=True)
class _Softened:
    """A picture with the finest detail of a coarser one."""

    picture: Picture
    sigma_px: float

    @property
    def height(self) -> int:
        return self.picture.height

    @property
    def width(self) -> int:
        return self.picture.width

    def read(self, window: Window) -> Patch:
        halo = math.ceil(4 * self.sigma_px)
        around = window.grown(halo).clipped(self.height, self.width)
        patch = self.picture.read(around)
        top, left = window.row_off - around.row_off, window.col_off - around.col_off
        place = np.s_[top : top + window.height, left : left + window.width]
        return Patch(gaussian_filter(patch.grey, self.sigma_px)[place], patch.valid[place], None)


@dataclass(frozen=True)
class LaidPair:
    """Both pictures and both networks' probabilities; the later ones are brought onto A's pixels.

    Attributes
    ----------
    grid : Grid
        Of the earlier picture.
    pictures, cracks, losses : (Picture, Picture)
        The orthophotos, and the probabilities of the two classes.
    to_b : Mapping
    """

    grid: Grid
    pictures: tuple[Picture, Picture]
    cracks: tuple[Picture, Picture]
    losses: tuple[Picture, Picture]
    to_b: Mapping

    def compared(self, window: Window, losses: Sequence[NDArray[np.float32]]) -> Left | None:
        """Return what the later picture shows and the earlier does not; None where one of them ends.

        What is lost by ``losses``, the window's probabilities, or half looks so, is left out of the fit.
        """
        earlier = read_padded(self.pictures[0], window)
        later = resampled(self.pictures[1], window, self.to_b, 3)
        if earlier is None or later is None or not (earlier.valid & later.valid).any():
            return None
        lost = np.maximum(*losses) >= _LOSS
        if lost.any():
            lost = binary_dilation(lost, iterations=_LOSS_RIM_PX)
        return left_over(earlier.grey, later.grey, earlier.valid & later.valid, lost)

    def seen(
        self,
        noise: NoiseLevel,
        window: Window,
        cracks: tuple[NDArray[np.float32], NDArray[np.float32]],
        losses: tuple[NDArray[np.float32], NDArray[np.float32]],
    ) -> tuple[Evidence, NDArray[np.bool_]] | None:
        """Return what the change network is shown of a window, and where both pictures are valid.

        ``cracks`` and ``losses`` are the window's probabilities. None where one of the pictures ends.
        """
        left = self.compared(window, losses)
        if left is None:
            return None
        told = evidence(noise.significance(left), (left.slope, left.bend), cracks, losses, left.valid)
        return told, left.valid

    def noise(self, windows: Sequence[Window]) -> NoiseLevel:
        """Return how noisy the pair is in some windows of it."""
        left = (self.compared(window, self.probabilities(window, self.losses)) for window in windows)
        return noise_level([one for one in left if one is not None])

    def probabilities(
        self, window: Window, of: tuple[Picture, Picture]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the probability of a class in both surveys; 0 where one has no data."""
        patches = read_padded(of[0], window), resampled(of[1], window, self.to_b, 1)
        earlier, later = (
            np.zeros((window.height, window.width), np.float32)
            if patch is None
            else np.where(patch.valid, patch.grey, np.float32(0))
            for patch in patches
        )
        return earlier, later


def laid_on(pair: Registered, stack: ExitStack) -> LaidPair | None:
    """Open a pair of orthophotos, until the stack closes; None where a survey kept no probabilities."""
    sources = [kept_probabilities(record) for record in (pair.record_a, pair.record_b)]
    if sources[0] is None or sources[1] is None:
        return None
    photos = [stack.enter_context(opened_orthophoto(r)) for r in (pair.record_a, pair.record_b)]
    vocabulary = load_vocabulary()
    cracks, losses = (
        (_Probability(sources[0], defect.code), _Probability(sources[1], defect.code))
        for defect in (vocabulary.line_class, vocabulary.polygon_class)
    )
    pictures = _alike(photos, pair.registration.scale)
    return LaidPair(photos[0].grid, pictures, cracks, losses, pair.registration.to_b)


def weigh_pictures(registered: Sequence[Registered], folder: Path, progress: Progress) -> list[Weighed]:
    """Lay each pair of pictures on each other and say, pixel by pixel, whether a crack has come or gone.

    Pairs of which a survey kept no probabilities are left out. Memory: some sixty float32 arrays of a window
    of 1,152 px per thread, beside GDAL's own cache of blocks.

    Parameters
    ----------
    registered : sequence of Registered
    folder : Path
        For rasters, which the result refers to.
    progress : Progress
        Told of windows; may raise `Interrupted`.

    Raises
    ------
    RasterError, DiskFullError
        Pixels cannot be read, or the result not be written.
    """
    vocabulary = load_vocabulary()
    thresholds = dict.fromkeys(vocabulary.codes, 1.0) | {vocabulary.line_class.code: _TRACED}
    # Windows are shared out among threads: a team of torch's own for each would fight for the cores.
    torch.set_num_threads(1)
    weighed = []
    for number, pair in enumerate(registered):
        with ExitStack() as stack:
            laid = laid_on(pair, stack)
            if laid is None:
                continue
            place = folder / f"pictures-{number}"
            place.mkdir()
            photo = stack.enter_context(opened_orthophoto(pair.record_a))
            come, gone = (
                replace(
                    open_class_source(path, thresholds=thresholds, valid_mask_of=photo), valid_mask_of=None
                )
                for path in _rasters(laid, place, progress)
            )
        weighed.append(Weighed(number, come, gone, _traced(come, pair.record_a, progress)))
    return weighed


def _alike(photos: Sequence[Orthophoto], pixels_of_a: float) -> tuple[Picture, Picture]:
    """Return both orthophotos, the finer one softened; a pixel of B is so many pixels of A wide."""
    pictures: list[Picture] = [OrthophotoPicture(photo, None) for photo in photos]
    for number, ratio in enumerate((pixels_of_a, 1 / pixels_of_a)):
        sigma_px = 0.5 * math.sqrt(max(ratio**2 - 1, 0.0))
        if sigma_px > _LEAST_SOFTENING_PX:
            pictures[number] = _Softened(pictures[number], sigma_px)
    return pictures[0], pictures[1]


def _rasters(laid: LaidPair, folder: Path, progress: Progress) -> tuple[Path, Path]:
    grid = laid.grid
    windows = [
        Window(row, col, _CORE_PX, _CORE_PX)
        for row in range(0, grid.height, _CORE_PX)
        for col in range(0, grid.width, _CORE_PX)
    ]
    step = -(-len(windows) // _NOISE_WINDOWS)
    sampled = [window.grown(MARGIN_PX) for window in windows[step // 2 :: step]]
    noise = laid.noise(sampled)
    pieces: dict[str, list[Piece]] = {"come": [], "gone": []}
    for done, told in enumerate(in_threads(lambda w: _weighed(laid, noise, w), windows), start=1):
        window = windows[done - 1].clipped(grid.height, grid.width)
        for name, values in zip(pieces, told, strict=True):
            piece = Piece(folder / f"{name}-{window.row_off}-{window.col_off}.tif", window)
            write_piece(piece.path, values[:, : window.height, : window.width])
            pieces[name].append(piece)
        progress(_STAGE, done, len(windows), "windows")
    paths = []
    for name, each in pieces.items():
        paths.append(folder / f"{name}.tif")
        assemble(each, grid, ResultBands(load_vocabulary().codes, "AVERAGE"), paths[-1])
    return paths[0], paths[1]


def _weighed(
    laid: LaidPair, noise: NoiseLevel, window: Window
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return both rasters of a window: probabilities of the line class, 0 for the others."""
    around = window.grown(MARGIN_PX)
    core = np.s_[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    cracks, losses = (laid.probabilities(around, of) for of in (laid.cracks, laid.losses))
    asked = max(band.max() for band in cracks) >= LEAST_PROBABILITY
    seen = laid.seen(noise, around, cracks, losses) if asked else None
    vocabulary = load_vocabulary()
    shape = (len(vocabulary.codes), window.height, window.width)
    if seen is None:
        nowhere = np.zeros(shape[1:], dtype=np.bool_)
        nothing = quantised(np.zeros(shape, np.float32), nowhere)
        return nothing, nothing
    valid = binary_erosion(seen[1], iterations=_RIM_PX, border_value=1)[core]
    come, gone = come_and_gone(seen[0], cracks)
    # What lay where paint is lost since went with it, whatever is left of the pictures.
    gone = np.maximum(gone, losses[1] * (1 - losses[0]))
    found = []
    for told in (come, gone):
        bands = np.zeros(shape, dtype=np.float32)
        bands[vocabulary.codes.index(vocabulary.line_class.code)] = told[core]
        found.append(quantised(bands, valid))
    return found[0], found[1]


def _traced(source: ClassSource, record: OrthophotoRecord, progress: Progress) -> list[Any]:
    vectors = source.path.with_suffix(".gpkg")
    gsd_mm = None if record.is_georeferenced else 1e3 * record.metres_per_unit
    vectorise(source.path, vectors, thresholds=source.thresholds, gsd_mm=gsd_mm, progress=progress)
    with open_vectors(vectors) as opened:
        return [
            line
            for chunk in stream_features(opened.connection, "crack_line", ("conf",))
            for line, (confidence,) in zip(chunk.geometries, chunk.rows, strict=True)
            if confidence >= _SURE
        ]


def traced_on(weighed: Sequence[Weighed], grounds: Sequence[Any], mm_per_unit: float) -> NDArray[np.object_]:
    """Return the lines along which cracks came, mm, each on the ground of its pair.

    Parameters
    ----------
    weighed : sequence of Weighed
    grounds : sequence of shapely (Multi)Polygon
        Of every registered pair, map units.
    mm_per_unit : float
    """
    found: list[Any] = []
    for pair in weighed:
        cut = shapely.intersection(grounds[pair.number], np.array(pair.traced, dtype=object))
        found += [part for part in shapely.get_parts(cut).tolist() if part.geom_type == "LineString"]
    return in_mm(found, mm_per_unit)
