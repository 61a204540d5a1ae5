"""``predict``: plain photos to label images of the same name and size.

The path: list the photos; check that each can be read; predict them one by one with the engine that
`segment` uses; put all labels in place together.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from segmentation_core import __version__
from segmentation_core.errors import ParameterError, RasterError
from segmentation_core.inference.device import choose_device
from segmentation_core.inference.network import Predictor
from segmentation_core.inference.pipeline import Picture, probability_blocks
from segmentation_core.inference.settings import SegmentSettings, plan_run
from segmentation_core.models import LoadedModel, load_model
from segmentation_core.progress import Progress, silent
from segmentation_core.raster.durable import disk_full_as_error
from segmentation_core.raster.grid import Window
from segmentation_core.raster.probability import class_values, quantised
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["predict"]

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
_LARGEST_16_BIT = 65535
_TYPICAL_SIDE_PX = 4000


def predict(
    images_dir: str | Path,
    out_dir: str | Path,
    *,
    model: str | Path | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Label the photos of a folder.

    Parameters
    ----------
    images_dir : path-like
        Folder of JPEG, PNG and TIFF photos. EXIF orientation is applied: a label lies on the photo as
        people see it. Transparency is ignored.
    out_dir : path-like
        Folder for the labels: one PNG per photo with the vocabulary's values, the same stem and size.
    model : str, path-like or None
        Name in the model store or a file; None for the default.
    device : str
        "auto", "cpu", "cuda" or "mps".
    progress : Progress
        Told the photos done; may raise `Interrupted`.

    Returns
    -------
    dict
        ``images`` (image, label, width, height, pixels per class) and ``run`` (model, device, versions).

    Raises
    ------
    ParameterError
        No photos, two of one stem, or the output folder is that of the photos.
    RasterError
        A photo cannot be read, or a label cannot be written; then no label is written at all.
    DiskFullError
        No room.
    """
    images, out = Path(images_dir), Path(out_dir)
    photos = _photos(images, out)
    chosen = choose_device(device)
    loaded = load_model(model)
    for number, photo in enumerate(photos):
        progress("check", number, len(photos), "photos")
        _read_photo(photo)
    plan = plan_run(SegmentSettings(), chosen, _TYPICAL_SIDE_PX, _TYPICAL_SIDE_PX)
    torch.set_num_threads(plan.threads)
    predictor = Predictor(
        loaded.network, loaded.card, chosen, batch=plan.batch, use_bfloat16=plan.use_bfloat16
    )
    described = []
    with disk_full_as_error(out):
        staging = _staging_folder(out)
        try:
            for number, photo in enumerate(photos):
                progress("predict", number, len(photos), "photos")
                rgb = _read_photo(photo)
                labels = _labels(rgb, loaded, predictor, plan.readers)
                name = f"{photo.stem}.png"
                Image.fromarray(labels).save(staging / name)
                described.append(_described(photo, out / name, labels))
            for photo in photos:
                (staging / f"{photo.stem}.png").replace(out / f"{photo.stem}.png")
        finally:
            shutil.rmtree(staging)
    progress("predict", len(photos), len(photos), "photos")
    run = {
        "model": {
            "name": loaded.name,
            "sha256": loaded.sha256,
            "thresholds": dict(loaded.card.thresholds),
        },
        "device": {"kind": chosen.kind, "name": chosen.name},
        "parameters": {"threads": plan.threads, "batch": predictor.batch, "bfloat16": plan.use_bfloat16},
        "versions": {"craquelure": __version__},
        "notes": list(chosen.notes),
    }
    return {"images": described, "run": run}


def _photos(images: Path, out: Path) -> Sequence[Path]:
    if not images.is_dir():
        raise ParameterError("no such folder of photos", path=images, remedy="Check the path")
    if out.resolve() == images.resolve():
        raise ParameterError(
            "labels would lie among the photos", path=out, remedy="Give another folder with -o"
        )
    photos = sorted(path for path in images.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not photos:
        raise ParameterError("the folder holds no JPEG, PNG or TIFF photos", path=images)
    by_stem: dict[str, Path] = {}
    for photo in photos:
        other = by_stem.setdefault(photo.stem, photo)
        if other != photo:
            raise ParameterError(
                f"{other.name} and {photo.name} would both become {photo.stem}.png",
                path=images,
                remedy="Rename one of them",
            )
    return photos


def _staging_folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".predict-", dir=out))
    except OSError as exc:
        raise RasterError(
            f"the output folder cannot be made ({exc.strerror})", path=out, remedy="Choose another folder"
        ) from exc


def _read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a photo as people see it: RGB uint8 (3, h, w)."""
    try:
        with warnings.catch_warnings():
            # A large photo is no attack; one over Pillow's limit still is an error below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as stored:
                return _rgb(ImageOps.exif_transpose(stored), path)
    except Image.DecompressionBombError as exc:
        raise RasterError(
            "the photo is too large for predict", path=path, remedy="Use 'craquelure segment'"
        ) from exc
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as exc:
        if isinstance(exc, RasterError):
            raise
        raise RasterError(
            "the photo cannot be read", path=path, remedy="It is damaged or no photo; remove or replace it"
        ) from exc


def _rgb(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image, dtype=np.uint32) * 255 + _LARGEST_16_BIT // 2) // _LARGEST_16_BIT
        return np.repeat(grey.astype(np.uint8)[np.newaxis], 3, axis=0)
    if image.mode in {"I", "F"}:
        raise RasterError(
            "the photo's values are neither 8 nor 16 bit", path=path, remedy="Export it as 8-bit RGB"
        )
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def _labels(
    rgb: NDArray[np.uint8], loaded: LoadedModel, predictor: Predictor, readers: int
) -> NDArray[np.uint8]:
    _, height, width = rgb.shape
    valid = np.ones((height, width), dtype=np.bool_)

    def read(window: Window) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        rows, cols = slice(window.row_off, window.row_end), slice(window.col_off, window.col_end)
        return rgb[:, rows, cols], valid[rows, cols]

    labels = np.zeros((height, width), dtype=np.uint8)
    tiles = plan_run(SegmentSettings(), predictor.device, height, width).tiles
    blocks = probability_blocks(
        Picture(read), tiles, predictor, classes=len(load_vocabulary().codes), readers=readers
    )
    with closing(blocks):
        for block in blocks:
            rows = slice(block.window.row_off, block.window.row_end)
            cols = slice(block.window.col_off, block.window.col_end)
            values = quantised(block.probabilities, block.valid)
            labels[rows, cols] = class_values(values, loaded.card.thresholds)
    return labels


def _described(photo: Path, label: Path, labels: NDArray[np.uint8]) -> dict[str, Any]:
    return {
        "image": str(photo),
        "label": str(label),
        "width": labels.shape[1],
        "height": labels.shape[0],
        "pixels": {c.code: int((labels == c.value).sum()) for c in load_vocabulary().classes},
    }
