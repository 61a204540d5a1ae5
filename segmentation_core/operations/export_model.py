"""A model to the formats of other programs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from segmentation_core.errors import ParameterError
from segmentation_core.export.csv_table import output_errors
from segmentation_core.export.deepness import write_deepness
from segmentation_core.models.store import load_model

__all__ = ["DEFAULT_GSD_MM", "DEFAULT_TILE_PX", "MODEL_FORMATS", "export_model"]

MODEL_FORMATS = ("deepness",)
DEFAULT_GSD_MM = 0.25
DEFAULT_TILE_PX = 512


def export_model(
    name: str | Path,
    format: str,
    out: str | Path,
    *,
    gsd_mm: float = DEFAULT_GSD_MM,
    tile_px: int = DEFAULT_TILE_PX,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write a model of the store for another program, and check it there.

    Parameters
    ----------
    name : str or path-like
        Model name or file.
    format : str
        One of `MODEL_FORMATS`.
    out : path-like
        The file.
    gsd_mm : float
        mm per pixel of the orthophotos it will be used on.
    tile_px : int
        Side of a tile, a multiple of 32.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    dict
        ``path``, ``model``, ``max_difference`` (of a probability, to ours).

    Raises
    ------
    ParameterError, ModelError
        Unknown format, existing file, unknown model, or a model that differs when run there.
    DiskFullError, VectorError
        The file cannot be written.
    """
    if format not in MODEL_FORMATS:
        raise ParameterError(f"unknown format {format!r}", remedy=f"Use {', '.join(MODEL_FORMATS)}")
    out = Path(out)
    if out.exists() and not overwrite:
        raise ParameterError(
            "this file exists already", path=out, remedy="Give --overwrite to replace it, or another place"
        )
    model = load_model(name)
    with output_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as staging:
            part = Path(staging) / "model.onnx"
            difference = write_deepness(model, part, gsd_mm=gsd_mm, tile_px=tile_px)
            os.replace(part, out)
    return {"path": str(out), "model": model.name, "format": format, "max_difference": difference}
