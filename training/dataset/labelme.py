"""LabelMe annotations to labels.

What is known of the format (RECOGNITION, section 8): shapes painted later cover earlier ones, so that a
later "background" shape cuts a hole; a missing ``shape_type`` is a polygon; ``imagePath`` may be a Windows
path and ``imageData`` null; coordinates are those of the picture turned upright by its EXIF orientation.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from segmentation_core.errors import ParameterError
from segmentation_core.vocabulary import load_vocabulary
from training.dataset.folder import Picture, Record
from training.dataset.rasterise import disc_mask, line_mask, polygon_mask
from training.synthetic.samples import IGNORE, Image8

__all__ = ["LabelmeSettings", "labelme_pictures"]

_WIDTH = re.compile(r"width_(mm|px)\s*[=:]\s*([0-9.]+)")
_BACKGROUND = ("background", "_background_", "__background__")
_IGNORED = ("ignore", "__ignore__", "_ignore_")

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class LabelmeSettings:
    """How annotations are read.

    Attributes
    ----------
    gsd_mm : float or None
        Ground sampling distance, mm per pixel; needed where lines were drawn.
    line_width_mm : float
        Width of lines and points that do not state their own (``width_mm=0.3`` in the description).
    names : mapping
        Further label names, each to a class code, "background" or "ignore".
    """

    gsd_mm: float | None = None
    line_width_mm: float = 0.3
    names: Mapping[str, str] = field(default_factory=dict)

    def value(self, label: str, path: Path) -> int:
        """Return the label value of a name.

        Raises
        ------
        ParameterError
            Nobody knows it; the message lists the known ones.
        """
        vocabulary = load_vocabulary()
        known = dict.fromkeys(_BACKGROUND, vocabulary.background_value) | dict.fromkeys(_IGNORED, IGNORE)
        for defect in vocabulary.classes:
            known |= dict.fromkeys((defect.code, defect.name_en, defect.name_zh), defect.value)
        known = {_plain(name): value for name, value in known.items()}
        for name, meaning in self.names.items():
            if _plain(meaning) not in known:
                raise ParameterError(
                    f"{name} is mapped to {meaning!r}, which nobody knows",
                    remedy=f"Map to one of {', '.join(known)}",
                )
            known[_plain(name)] = known[_plain(meaning)]
        if _plain(label) not in known:
            raise ParameterError(
                f"the label {label!r} is unknown",
                path=path,
                remedy=f"Known labels are {', '.join(known)}; --map {label}=CODE names another",
            )
        return known[_plain(label)]


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def labelme_pictures(folder: Path, settings: LabelmeSettings) -> Iterator[Picture]:
    """Read every annotation under a folder.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders for ``*.json``; two levels of them are taken as site and element.
    settings : LabelmeSettings
        How.

    Raises
    ------
    ParameterError
        No annotations, or one of them cannot be used; the message names it.
    """
    files = sorted(folder.rglob("*.json")) if folder.is_dir() else []
    if not files:
        raise ParameterError(
            "there are no LabelMe annotations (*.json) here",
            path=folder,
            remedy="Name the folder they are in",
        )
    taken: dict[str, Path] = {}
    for path in files:
        *places, _ = path.relative_to(folder).parts
        name = "_".join([*places, path.stem])
        if name in taken:
            raise ParameterError(f"two annotations would be called {name}", path=path, remedy="Rename one")
        taken[name] = path
        yield _picture(path, name, places, settings)


def _picture(path: Path, name: str, places: list[str], settings: LabelmeSettings) -> Picture:
    data = _read(path)
    image, stored = _image(path, data)
    size = (image.shape[1], image.shape[0])
    told = (data.get("imageWidth"), data.get("imageHeight"))
    if None not in told and told != size:
        raise ParameterError(
            f"the annotation is for a picture of {told[0]} x {told[1]} px, the picture has "
            f"{size[0]} x {size[1]}",
            path=path,
            remedy="Put the picture that was annotated beside it",
        )
    label = _label(data["shapes"], (image.shape[0], image.shape[1]), path, settings)
    site, element = [*places, "", ""][:2]
    group = "/".join(places) or name
    record = Record(name, site, element, group, load_vocabulary().codes, gsd_mm=settings.gsd_mm)
    return Picture(record, image, label, path.name, stored)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, UnicodeDecodeError) as exc:
        raise ParameterError("the annotation is not valid JSON", path=path, remedy="Save it again") from exc
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        raise ParameterError("this is no LabelMe annotation (no list of shapes)", path=path)
    return data


def _image(path: Path, data: dict[str, Any]) -> tuple[Image8, tuple[bytes, str] | None]:
    told = str(data.get("imagePath") or "")
    relative = PureWindowsPath(told)  # understands both kinds of separators
    candidates = [path.parent.joinpath(*relative.parts)] if told and not relative.is_absolute() else []
    candidates += [path.parent / relative.name] if told else []
    found = next((c for c in candidates if c.is_file()), None)
    if found is not None:
        raw, suffix = found.read_bytes(), found.suffix
    elif data.get("imageData"):
        try:
            raw, suffix = base64.b64decode(data["imageData"], validate=False), ""
        except (binascii.Error, TypeError, ValueError) as exc:
            raise ParameterError("the picture inside the annotation is damaged", path=path) from exc
    else:
        raise ParameterError(
            f"the picture {relative.name or '(no name)'} is not there",
            path=path,
            remedy="Put it beside the JSON",
        )
    try:
        with Image.open(io.BytesIO(raw)) as picture:
            upright = ImageOps.exif_transpose(picture)
            kept = picture.getexif().get(274, 1) == 1 and suffix != ""
            image = np.asarray(upright.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise ParameterError("the picture cannot be read", path=found or path) from exc
    return image, (raw, suffix) if kept else None


def _label(
    shapes: list[dict[str, Any]], size: tuple[int, int], path: Path, settings: LabelmeSettings
) -> Image8:
    vocabulary = load_vocabulary()
    label = np.full(size, vocabulary.background_value, np.uint8)
    winners = {
        vocabulary.classes[vocabulary.codes.index(code)].value: [
            c.value for c in vocabulary.classes if code in c.wins_over
        ]
        for code in vocabulary.codes
    }
    for number, shape in enumerate(shapes, 1):
        value = settings.value(str(shape.get("label", "")), path)
        mask = _mask(shape, size, path, number, settings)
        label[mask & ~np.isin(label, winners.get(value, []))] = value
    return label


def _mask(
    shape: dict[str, Any], size: tuple[int, int], path: Path, number: int, settings: LabelmeSettings
) -> Mask:
    kind = shape.get("shape_type") or "polygon"
    draw = _DRAWN.get(kind)
    if draw is None:
        raise ParameterError(
            f"shape {number} is a {kind!r}", path=path, remedy=f"Known kinds are {', '.join(_DRAWN)}"
        )
    try:
        points = np.asarray(shape["points"], float).reshape(-1, 2)
    except (KeyError, TypeError, ValueError) as exc:
        raise ParameterError(f"shape {number} has no usable points", path=path) from exc
    if len(points) < _FEWEST[kind] or not np.isfinite(points).all():
        raise ParameterError(
            f"shape {number}, a {kind}, has {len(points)} points and needs {_FEWEST[kind]}",
            path=path,
            remedy="Delete or redraw it in LabelMe",
        )
    return draw(points, size, shape, lambda: _width_px(shape, path, settings))


def _width_px(shape: dict[str, Any], path: Path, settings: LabelmeSettings) -> float:
    told = _WIDTH.search(f"{shape.get('description') or ''} {json.dumps(shape.get('flags') or {})}")
    if told and told[1] == "px":
        return float(told[2])
    if settings.gsd_mm is None:
        raise ParameterError(
            "lines were drawn, whose width is in mm, and the ground sampling distance is unknown",
            path=path,
            remedy="Give it with --gsd MM",
        )
    return (float(told[2]) if told else settings.line_width_mm) / settings.gsd_mm


Width = Callable[[], float]


def _polygon(points: Points, size: tuple[int, int], _shape: dict[str, Any], _width: Width) -> Mask:
    return polygon_mask(points, size)


def _rectangle(points: Points, size: tuple[int, int], _shape: dict[str, Any], _width: Width) -> Mask:
    (x0, y0), (x1, y1) = points[0], points[1]
    return polygon_mask(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), size)


def _circle(points: Points, size: tuple[int, int], _shape: dict[str, Any], _width: Width) -> Mask:
    return disc_mask(points[0], float(np.hypot(*(points[1] - points[0]))), size)


def _line(points: Points, size: tuple[int, int], _shape: dict[str, Any], width: Width) -> Mask:
    return line_mask(points, width(), size)


def _points(points: Points, size: tuple[int, int], _shape: dict[str, Any], width: Width) -> Mask:
    mask = np.zeros(size, bool)
    for point in points:
        mask |= disc_mask(point, width() / 2, size)
    return mask


def _stored(points: Points, size: tuple[int, int], shape: dict[str, Any], _width: Width) -> Mask:
    """Place a mask of its own: PNG in base64, at its box's upper left corner."""
    mask = np.zeros(size, bool)
    raw = base64.b64decode(str(shape.get("mask") or ""))
    part = np.asarray(Image.open(io.BytesIO(raw)).convert("L")) > 0
    col, row = (round(v) for v in points.min(axis=0))
    rows, cols = slice(max(row, 0), row + part.shape[0]), slice(max(col, 0), col + part.shape[1])
    target = mask[rows, cols]
    target |= part[max(-row, 0) :, max(-col, 0) :][: target.shape[0], : target.shape[1]]
    return mask


_DRAWN: Mapping[str, Callable[[Points, tuple[int, int], dict[str, Any], Width], Mask]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "oriented_rectangle": _polygon,
    "circle": _circle,
    "line": _line,
    "linestrip": _line,
    "point": _points,
    "points": _points,
    "mask": _stored,
}
_FEWEST = dict.fromkeys(_DRAWN, 1) | {
    "polygon": 3,
    "oriented_rectangle": 4,
    "rectangle": 2,
    "circle": 2,
    "line": 2,
    "linestrip": 2,
}
