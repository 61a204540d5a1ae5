"""A contact sheet: samples and their labels side by side, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from segmentation_core.vocabulary import load_vocabulary

__all__ = ["contact_sheet"]

_LABEL_GREY = 235
_IGNORED_GREY = 150
_GAP_PX = 6


def contact_sheet(
    samples: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]], columns: int = 4
) -> Image.Image:
    """Lay samples out in rows, each picture with its label to the right.

    Labels are in the colours of the vocabulary on a pale ground; what is ignored is grey.

    Parameters
    ----------
    samples : sequence of (image (H, W, 3), label (H, W)), uint8
        One or more, of one size.
    columns : int
        Samples per row.
    """
    side = samples[0][1].shape[0]
    colours = np.full((256, 3), _IGNORED_GREY, np.uint8)
    colours[0] = _LABEL_GREY
    for defect in load_vocabulary().classes:
        colours[defect.value] = ImageColor.getrgb(defect.colour)[:3]
    columns = min(columns, len(samples))
    rows = -(-len(samples) // columns)
    sheet = np.full(
        (rows * (side + _GAP_PX) + _GAP_PX, columns * (2 * side + _GAP_PX) + _GAP_PX, 3), 255, np.uint8
    )
    for k, (image, label) in enumerate(samples):
        top = _GAP_PX + (k // columns) * (side + _GAP_PX)
        left = _GAP_PX + (k % columns) * (2 * side + _GAP_PX)
        sheet[top : top + side, left : left + 2 * side] = np.concatenate((image, colours[label]), 1)
    return Image.fromarray(sheet)
