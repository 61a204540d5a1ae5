"""A dataset as one small file: pictures as WebP, labels as PNG, and what the generator draws on."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segmentation_core.dataset_tables import MANIFEST, SPLIT_COLUMNS, SPLITS
from training.dataset.folder import LEAKY, Dataset, decoded, open_dataset

__all__ = ["pack_dataset"]

_QUALITY = 80
_BACKGROUND_QUALITY = 75
_OVERLAY_QUALITY = 60
_STAMP = (2000, 1, 1, 0, 0, 0)


def pack_dataset(
    path: Path, out: Path, *, ingredients: Path | None = None, quality: int = _QUALITY
) -> dict[str, Any]:
    """Pack a dataset into one file, readable like the folder.

    Parameters
    ----------
    path : Path
        A dataset.
    out : Path
        File to write; equal input gives an equal file.
    ingredients : Path or None
        Folder that holds ``paintings/`` and ``overlays/``, packed too, at a lower quality.
    quality : int
        Of the pictures, 1 to 100. Labels are kept exactly.

    Returns
    -------
    dict
        ``path``, ``bytes``, ``pictures``.
    """
    dataset = open_dataset(path)
    partial = out.with_name(out.name + ".partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(partial, "w") as pack:
        _add(pack, "manifest.csv", _manifest(dataset))
        if any(record.split for record in dataset.records):
            _add(pack, "split.csv", _split(dataset))
        if dataset.leaky:
            _add(pack, LEAKY, dataset.read_bytes(LEAKY))
        for record in dataset.records:
            tile = dataset.tile(record)
            _add(pack, f"images/{record.name}.webp", _webp(Image.fromarray(tile.image), quality))
            _add(pack, f"labels/{record.name}.png", _png(tile.label))
        if ingredients is not None:
            _add_ingredients(pack, ingredients)
    os.replace(partial, out)
    return {"path": str(out), "bytes": out.stat().st_size, "pictures": len(dataset.records)}


def _add(pack: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _STAMP)
    info.compress_type = zipfile.ZIP_DEFLATED if name.endswith((".csv", ".txt")) else zipfile.ZIP_STORED
    pack.writestr(info, data)


def _add_ingredients(pack: zipfile.ZipFile, folder: Path) -> None:
    for path in sorted((folder / "paintings").glob("*.jpg")):
        picture = Image.fromarray(decoded(path.read_bytes(), path, "RGB"))
        _add(pack, f"paintings/{path.stem}.webp", _webp(picture, _BACKGROUND_QUALITY))
    for path in sorted((folder / "overlays").rglob("*.png")):
        picture = Image.fromarray(decoded(path.read_bytes(), path, "RGBA"))
        name = "_".join(path.relative_to(folder / "overlays").with_suffix(".webp").parts)
        _add(pack, f"overlays/{name}", _webp(picture, _OVERLAY_QUALITY))


def _webp(picture: Image.Image, quality: int) -> bytes:
    held = io.BytesIO()
    picture.save(held, "WEBP", quality=quality, method=4)
    return held.getvalue()


def _png(label: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    held = io.BytesIO()
    Image.fromarray(label).save(held, "PNG", optimize=True)
    return held.getvalue()


def _csv(columns: tuple[str, ...], rows: list[dict[str, object]]) -> bytes:

    held = io.StringIO(newline="")
    writer = csv.DictWriter(held, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return held.getvalue().encode()


def _manifest(dataset: Dataset) -> bytes:
    return _csv(
        MANIFEST,
        [
            {
                "name": r.name,
                "site": r.site,
                "element": r.element,
                "group": r.group,
                "gsd_mm": "" if r.gsd_mm is None else f"{r.gsd_mm:g}",
                "annotated": " ".join(r.annotated),
            }
            for r in dataset.records
        ],
    )


def _split(dataset: Dataset) -> bytes:
    return _csv(
        SPLIT_COLUMNS,
        [
            {"image": r.name, "site": r.site, "element": r.element, "group": r.group, "split": r.split}
            for r in dataset.records
            if r.split in SPLITS
        ],
    )
