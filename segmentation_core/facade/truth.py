"""The exact truth of a generated facade: classes by pixel, and lengths and areas by beam."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation_core.facade.coverage import SAMPLES
from segmentation_core.facade.cracking import CrackNetwork
from segmentation_core.facade.layout import Beam
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["BeamTruth", "beam_truth", "true_classes", "visible_length_px", "visible_segments"]


@dataclass(frozen=True)
class BeamTruth:
    """What a beam truly has, within its outline and the orthophoto's valid pixels.

    Attributes
    ----------
    elem_id : str
        The beam's id.
    assessed_m2 : float
        Valid area.
    loss_m2, loss_ratio : float
        Lost area, and its share of the assessed area.
    crack_m : float
        Length of the generating centrelines that are not inside a loss.
    crack_area_m2 : float
        Area of the pixels at least half of which lie within a crack, losses left out.
    """

    elem_id: str
    assessed_m2: float
    loss_m2: float
    loss_ratio: float
    crack_m: float
    crack_area_m2: float

    def as_dict(self) -> dict[str, str | float]:
        """Return the fields by name."""
        return asdict(self)


def true_classes(
    crack: NDArray[np.uint8], lost: NDArray[np.uint8], valid: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return the class raster: a class takes a pixel that it covers by half or more.

    Parameters
    ----------
    crack, lost : uint8 array of shape (height, width)
        Samples of the pixel within a crack, and without paint, 0 to 16.
    valid : bool array of shape (height, width)
        False becomes nodata.
    """
    vocabulary = load_vocabulary()
    share = {vocabulary.line_class.code: crack, vocabulary.polygon_class.code: lost}
    classes = np.full(crack.shape, vocabulary.background_value, np.uint8)
    for defect in vocabulary.drawing_order:
        classes[share[defect.code] >= SAMPLES // 2] = defect.value
    classes[~valid] = vocabulary.nodata_value
    return classes


def beam_truth(beam: Beam, network: CrackNetwork, classes: NDArray[np.uint8], unit_m: float) -> BeamTruth:
    """Measure one beam.

    Parameters
    ----------
    beam : Beam
        Its box is its outline.
    network : CrackNetwork
        Its cracks, in pixels of the beam.
    classes : uint8 array of shape (height, width)
        Class raster of the beam's box.
    unit_m : float
        Side of a pixel, metres.
    """
    vocabulary = load_vocabulary()
    counts = np.bincount(classes.ravel(), minlength=256)
    assessed = int(counts.sum() - counts[vocabulary.nodata_value])
    loss = int(counts[vocabulary.polygon_class.value])
    return BeamTruth(
        beam.beam_id,
        assessed * unit_m**2,
        loss * unit_m**2,
        loss / assessed if assessed else float("nan"),
        visible_length_px(network, classes) * unit_m,
        int(counts[vocabulary.line_class.value]) * unit_m**2,
    )


def visible_length_px(network: CrackNetwork, classes: NDArray[np.uint8]) -> float:
    """Return the length of the centrelines outside losses, nodata and the raster, pixels.

    A segment (about 2 px) counts where its middle is visible.
    """
    return float(network.segment_lengths()[visible_segments(network, classes)].sum())


def visible_segments(network: CrackNetwork, classes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Say of every segment of a network whether its middle is visible, as in `visible_length_px`."""
    vocabulary = load_vocabulary()
    first = network.segments()
    col, row = np.floor((network.points[first] + network.points[first + 1]) / 2).astype(np.int64).T
    inside = (col >= 0) & (row >= 0) & (col < classes.shape[1]) & (row < classes.shape[0])
    value = classes[row[inside], col[inside]]
    visible = np.zeros(len(first), bool)
    visible[inside] = (value != vocabulary.polygon_class.value) & (value != vocabulary.nodata_value)
    return visible
