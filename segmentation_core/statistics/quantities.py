"""What is measured per element: one table of codes, units, names and how each adds up.

The statistics, the JSON, the CSV, the survey book and every export read this table, so that a quantity
has one code, one unit and one meaning everywhere (MEASUREMENT, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["METHOD_VERSION", "QUANTITIES", "Quantity", "with_ratios"]

METHOD_VERSION = "1"
"""Version of the way the quantities are computed; stored beside every value."""


@dataclass(frozen=True)
class Quantity:
    """One column of the statistics.

    Attributes
    ----------
    code : str
        Name in JSON, CSV and the survey book; it ends in the unit.
    unit : str
        SI, ``"1"`` for a share or a count, or mm where the code says so.
    name_en, name_zh : str
        Names shown to people.
    meaning_en, meaning_zh : str
        One sentence.
    total : {"sum", "distinct", "ratio"}
        How elements make a total: added; counted once however many elements it lies in; or divided
        from the totals of ``numerator`` and ``denominator``.
    numerator, denominator : str or None
        Codes, for a ratio.
    factor : float
        Multiplies a ratio, to reach its unit.
    counted_in : str or None
        Name of the count stored as ``n`` beside the value: the features that it rests on.
    """

    code: str
    unit: str
    name_en: str
    name_zh: str
    meaning_en: str
    meaning_zh: str
    total: Literal["sum", "distinct", "ratio"] = "sum"
    numerator: str | None = None
    denominator: str | None = None
    factor: float = 1.0
    counted_in: str | None = None


QUANTITIES: tuple[Quantity, ...] = (
    Quantity(
        "assessed_m2",
        "m2",
        "Assessed area",
        "评估面积",
        "Area of the element's outline inside the raster, without nodata and excluded areas",
        "构件轮廓在影像内的面积，不含无数据区和排除区",
    ),
    Quantity(
        "loss_m2",
        "m2",
        "Paint loss area",
        "剥落面积",
        "Area of paint loss inside the assessed area",
        "评估范围内颜料剥落的面积",
        counted_in="losses",
    ),
    Quantity(
        "loss_ratio",
        "1",
        "Paint loss ratio",
        "剥落率",
        "Paint loss area divided by assessed area",
        "剥落面积与评估面积之比",
        total="ratio",
        numerator="loss_m2",
        denominator="assessed_m2",
        counted_in="losses",
    ),
    Quantity(
        "loss_count",
        "1",
        "Paint losses",
        "剥落数量",
        "Number of paint losses with a part inside the assessed area",
        "评估范围内的剥落块数",
        total="distinct",
        counted_in="losses",
    ),
    Quantity(
        "crack_m",
        "m",
        "Crack length",
        "裂纹长度",
        "Length of crack centrelines inside the assessed area",
        "评估范围内裂纹中心线的长度",
        counted_in="lines",
    ),
    Quantity(
        "crack_count",
        "1",
        "Cracks",
        "裂纹数量",
        "Number of connected cracks with a centreline inside the assessed area",
        "评估范围内相连裂纹的数量",
        total="distinct",
        counted_in="lines",
    ),
    Quantity(
        "crack_area_m2",
        "m2",
        "Crack area",
        "裂纹面积",
        "Area covered by cracks inside the assessed area",
        "评估范围内裂纹所占的面积",
        counted_in="areas",
    ),
    Quantity(
        "p21_m_per_m2",
        "m/m2",
        "Crack density P21",
        "裂纹密度 P21",
        "Crack length divided by assessed area",
        "裂纹长度与评估面积之比",
        total="ratio",
        numerator="crack_m",
        denominator="assessed_m2",
        counted_in="lines",
    ),
    Quantity(
        "width_mean_mm",
        "mm",
        "Mean crack width",
        "平均裂纹宽度",
        "Crack area divided by crack length; empty where there is no crack",
        "裂纹面积与裂纹长度之比；无裂纹时为空",
        total="ratio",
        numerator="crack_area_m2",
        denominator="crack_m",
        factor=1000.0,
        counted_in="areas",
    ),
)


def with_ratios(sums: Mapping[str, float]) -> dict[str, float | int | None]:
    """Return every quantity in table order, ratios divided from the sums.

    Parameters
    ----------
    sums : mapping
        Code to value, for every quantity that is not a ratio.

    Returns
    -------
    dict
        Code to value. A ratio whose denominator is 0 is None, never NaN.

    Examples
    --------
    >>> row = with_ratios({"assessed_m2": 2.0, "loss_m2": 0.5, "loss_count": 3, "crack_m": 0.0,
    ...                    "crack_count": 0, "crack_area_m2": 0.0})
    >>> row["loss_ratio"], row["p21_m_per_m2"], row["width_mean_mm"]
    (0.25, 0.0, None)
    """
    return {q.code: _ratio(q, sums) if q.total == "ratio" else sums[q.code] for q in QUANTITIES}


def _ratio(quantity: Quantity, sums: Mapping[str, float]) -> float | None:
    below = sums[str(quantity.denominator)]
    return quantity.factor * sums[str(quantity.numerator)] / below if below > 0 else None
