"""Compared pairs of a book: how well their pictures agree, and the later picture laid on the earlier."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsGraduatedSymbolRenderer,
    QgsMarkerSymbol,
    QgsPointXY,
    QgsProject,
    QgsRendererRange,
    QgsVectorLayer,
)

from ..translation import tr
from .book import reading
from .local_crs import adopt

__all__ = ["PairRow", "agreement", "is_stale", "laid_on_earlier", "pairs", "tie_point_layer"]

_GOOD_PX, _FAIR_PX = 0.3, 1.0
"""Residuals of a registration, px: hairlines are told apart up to the first, with care up to the second."""

_COLOURS = ("#009e73", "#e69f00", "#d55e00")
"""Green, orange, vermilion: told apart by colour-blind readers (Okabe and Ito)."""

_PAIRS = (
    "SELECT p.pair_id, a.surv_id, a.name, b.surv_id, b.name, p.reg_sig_mm, p.eps_mm, p.run "
    "FROM change_pair p JOIN survey a ON a.surv_id = p.surv_a JOIN survey b ON b.surv_id = p.surv_b "
    "ORDER BY a.date, b.date"
)
_HAS_PAIRS = "SELECT 1 FROM sqlite_master WHERE name = 'change_pair'"
_PHOTO = "SELECT path, transform, width_px FROM orthophoto WHERE surv_id = ? AND orth_id = ?"


@dataclass(frozen=True)
class PairRow:
    """A compared pair.

    Attributes
    ----------
    pair_id, before_id, before, after_id, after : str
        Ids and names of the surveys.
    sigma_mm, eps_mm : float or None
        Residual of the registration, and within what distance nothing is called a change.
    run : dict
        The engine's record: registrations, notes, GSD.
    """

    pair_id: str
    before_id: str
    before: str
    after_id: str
    after: str
    sigma_mm: float | None
    eps_mm: float | None
    run: dict[str, Any]

    @property
    def sigma_px(self) -> float | None:
        """Residual in pixels of the coarser survey; None where it is not known."""
        gsd = self.run.get("gsd_mm")
        return self.sigma_mm / gsd if self.sigma_mm is not None and gsd else None


def is_stale(book: str, pair_id: str) -> bool:
    """Say whether features were edited since a pair was compared.

    Raises
    ------
    BookFault
    """
    query = "SELECT max(stale) FROM change_stats WHERE pair_id = ?"
    with reading(book) as connection:
        return bool(connection.execute(query, (pair_id,)).fetchone()[0])


def pairs(book: str) -> list[PairRow]:
    """Return the compared pairs of a book, oldest first.

    Raises
    ------
    BookFault
    """
    with reading(book) as connection:
        if connection.execute(_HAS_PAIRS).fetchone() is None:  # a book of an older version
            return []
        rows = connection.execute(_PAIRS).fetchall()
    return [PairRow(*row[:7], json.loads(row[7] or "{}")) for row in rows]


def agreement(pair: PairRow) -> tuple[str, str]:
    """Say in words, and with a colour, how far the registration can be trusted."""
    sigma = pair.sigma_px
    if sigma is None:
        return tr("The pictures could not be laid on each other."), _COLOURS[2]
    told = tr(
        "The two pictures agree to {mm} mm ({px} pixels).", mm=f"{pair.sigma_mm:.3f}", px=f"{sigma:.2f}"
    )
    if sigma <= _GOOD_PX:
        return told + " " + tr("Trustworthy: new and grown cracks can be told from noise."), _COLOURS[0]
    if sigma <= _FAIR_PX:
        return told + " " + tr("With care: check hairlines against the pictures."), _COLOURS[1]
    return told + " " + tr("Doubtful: trust large changes alone, and look at every one."), _COLOURS[2]


def laid_on_earlier(book: str, pair: PairRow, folder: str) -> list[tuple[str, str]]:
    """Return the pictures of a pair for looking at: (earlier, later) paths, one for each registration.

    The later one is a small file that places the original by the registration's affine part, to about a
    pixel where paint has warped; nothing is copied or resampled, and nothing is measured from it.

    Parameters
    ----------
    book : str
    pair : PairRow
    folder : str
        Where the small files go.

    Raises
    ------
    BookFault
    """
    found = []
    for number, record in enumerate(pair.run.get("registrations", [])):
        with reading(book) as connection:
            earlier = connection.execute(_PHOTO, (pair.before_id, record["orth_a"])).fetchone()
            later = connection.execute(_PHOTO, (pair.after_id, record["orth_b"])).fetchone()
        if earlier is None or later is None:
            continue
        paths = [os.path.normpath(Path(book).resolve().parent / each[0]) for each in (earlier, later)]
        place = _product(json.loads(earlier[1]), [v for line in record["warp"]["affine"] for v in line])
        target = str(Path(folder) / f"{pair.pair_id}-{number}.vrt")
        if all(Path(path).is_file() for path in paths) and _placed(paths, place, later[2], target):
            found.append((paths[0], target))
    return found


def _product(outer: list[float], inner: list[float]) -> list[float]:
    """Return two affine maps (a, b, c, d, e, f) as one, the inner first."""
    a, b, c, d, e, f = outer
    p, q, r, s, t, u = inner
    return [
        a * p + b * s,
        a * q + b * t,
        a * r + b * u + c,
        d * p + e * s,
        d * q + e * t,
        d * r + e * u + f,
    ]


def _placed(paths: list[str], place: list[float], width_px: int, target: str) -> bool:
    """Write the small file; ``place`` holds for pixels of the grid that was surveyed, so many across."""
    first, source = gdal.Open(paths[0]), gdal.Open(paths[1])
    if first is None or source is None:
        return False
    made = gdal.GetDriverByName("VRT").CreateCopy(target, source)
    if made is None:
        return False
    coarser = width_px / source.RasterXSize
    a, b, c, d, e, f = _product(place, [coarser, 0.0, 0.0, 0.0, coarser, 0.0])
    made.SetGeoTransform((c, a, b, f, d, e))
    if first.GetSpatialRef() is not None:
        made.SetSpatialRef(first.GetSpatialRef())
    made.FlushCache()
    return True


def tie_point_layer(book: str, pair: PairRow, crs: QgsCoordinateReferenceSystem) -> QgsVectorLayer | None:
    """Return where the pictures were matched, coloured by how far they are off there; None where nowhere."""
    points = []
    for record in pair.run.get("registrations", []):
        with reading(book) as connection:
            photo = connection.execute(_PHOTO, (pair.before_id, record["orth_a"])).fetchone()
        if photo is None:
            continue
        a, b, c, d, e, f = json.loads(photo[1])
        for (col, row), (dx, dy) in zip(record["tie_points_a"], record["residuals_px"]):
            points.append((a * col + b * row + c, d * col + e * row + f, math.hypot(dx, dy)))
    if not points:
        return None
    layer = QgsVectorLayer("Point?field=off_px:double", tr("Agreement of the pictures"), "memory")
    layer.setCrs(crs)
    provider = layer.dataProvider()
    features = []
    for x, y, off in points:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(x, y)))
        feature.setAttribute("off_px", off)
        features.append(feature)
    provider.addFeatures(features)
    layer.updateExtents()
    bounds = (0.0, _GOOD_PX, _FAIR_PX, math.inf)
    titles = (tr("up to 0.3 px"), tr("up to 1 px"), tr("more than 1 px"))
    ranges = []
    for low, high, colour, title in zip(bounds[:-1], bounds[1:], _COLOURS, titles):
        symbol = QgsMarkerSymbol.createSimple({"color": colour, "size": "2.2", "outline_color": "#ffffff"})
        ranges.append(QgsRendererRange(low, min(high, 1e9), symbol, title))
    layer.setRenderer(QgsGraduatedSymbolRenderer("off_px", ranges))
    adopt(layer, QgsProject.instance())
    return layer
