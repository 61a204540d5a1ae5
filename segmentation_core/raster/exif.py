"""The EXIF orientation of a picture: how its camera was held."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

__all__ = ["exif_orientation"]

_ORIENTATION = 274
_DRIVERS = ("JPEG", "PNG", "GTiff")


def exif_orientation(path: Path, driver: str) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; 1 where there is none.

    Parameters
    ----------
    path : Path
        The picture; only its header is read.
    driver : str
        GDAL's name of its format. Formats without EXIF are upright.

    Notes
    -----
    Pillow refuses pictures of more than about 179 Mpx. They come from photogrammetry, not from a camera,
    and are taken as upright.
    """
    if driver not in _DRIVERS:
        return 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                value = image.getexif().get(_ORIENTATION, 1)
        except (OSError, Image.DecompressionBombError, SyntaxError):
            # GDAL reads TIFF kinds that Pillow does not; none of them is a camera's.
            return 1
    return int(value) if value in range(1, 9) else 1
