"""What is measured per element: one table of codes, units, names and how each adds up.

The statistics, the JSON, the CSV, the survey book and every export read this table, so that a quantity
has one code, one unit and one meaning everywhere (MEASUREMENT, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from segmentation_core.statistics.network_quantities import NETWORK, SIZES, SUMS
from segmentation_core.statistics.quantity import METHOD_VERSION, Quantity
from segmentation_core.statistics.shape_quantities import SHAPE_SUMS, SHAPES

__all__ = ["GROWTH", "MAIN", "METHOD_VERSION", "QUANTITIES", "SUMMED", "Quantity", "with_ratios"]

MAIN: tuple[Quantity, ...] = (
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
"""What every table and plan shows."""

QUANTITIES: tuple[Quantity, ...] = (*MAIN, *SIZES, *NETWORK, *SHAPES)
"""All that is reported."""

GROWTH = Quantity(
    "crack_growth_m",
    "m",
    "Crack growth seen",
    "可见裂纹增长",
    "Length of new and grown cracks that were found, less what of it may be misread; missed ones come on top",
    "已识别的新增和扩展裂纹长度，扣除可能的误判；漏识别的裂纹未计入",
)
"""What a comparison alone can tell: not the difference of two lengths, but what has come, piece by piece."""

SUMMED: tuple[Quantity, ...] = (*(q for q in QUANTITIES if q.total == "sum"), *SUMS, *SHAPE_SUMS)
"""All that adds up, reported or not."""


def with_ratios(sums: Mapping[str, float | None]) -> dict[str, float | int | None]:
    """Return every quantity in table order, ratios divided from the sums.

    Parameters
    ----------
    sums : mapping
        Code to value, for every quantity of `SUMMED` and every count and quantile. What is not there
        counts as 0; a quantile, as None.

    Returns
    -------
    dict
        Code to value. A ratio whose denominator is 0 is None, never NaN.

    Examples
    --------
    >>> row = with_ratios({"assessed_m2": 2.0, "loss_m2": 0.5, "loss_count": 3})
    >>> row["loss_ratio"], row["p21_m_per_m2"], row["width_mean_mm"]
    (0.25, 0.0, None)
    """
    return {q.code: _value(q, sums) for q in QUANTITIES}


def _value(quantity: Quantity, sums: Mapping[str, float | None]) -> float | int | None:
    match quantity.total:
        case "ratio":
            below = sums.get(str(quantity.denominator)) or 0.0
            return quantity.factor * (sums.get(str(quantity.numerator)) or 0.0) / below if below > 0 else None
        case "axis" | "alignment":
            return _direction(quantity, sums)
        case "variation":
            return _variation(sums)
        case "quantile":
            return sums.get(quantity.code)
        case _:
            return sums.get(quantity.code, 0)


def _variation(sums: Mapping[str, float | None]) -> float | None:
    """Return the standard deviation of the islands' areas over their mean; None for fewer than two."""
    count, area, squares = (sums.get(code) or 0.0 for code in ("island_count", "island_m2", "island_m4"))
    if count < 2:
        return None
    return math.sqrt(max(count * squares / area**2 - 1, 0.0) * count / (count - 1))


def _direction(quantity: Quantity, sums: Mapping[str, float | None]) -> float | None:
    """Return mean axis, degrees from the element's, or alignment, from the sums of double-angle vectors."""
    cos, sin, length = (sums.get(code) or 0.0 for code in ("turn_cos_m", "turn_sin_m", "crack_turned_m"))
    if length <= 0:
        return None
    return (
        math.hypot(cos, sin) / length
        if quantity.total == "alignment"
        else math.degrees(math.atan2(sin, cos)) / 2
    )
