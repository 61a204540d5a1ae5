"""Islands and the shapes of outlines, as data (MEASUREMENT, sections 2 and 3).

An island is what cracks enclose: a 4-connected patch of the crack mask's complement. One that reaches the
border of the raster or nodata, or that an element's outline cuts, is of unknown size and counts apart.
"""

from __future__ import annotations

from segmentation_core.statistics.quantity import Quantity

__all__ = ["SHAPES", "SHAPE_SUMS"]

SHAPE_SUMS: tuple[Quantity, ...] = tuple(
    Quantity(code, unit, code, code, code, code, shown=False)
    for code, unit in (("island_m2", "m2"), ("island_m4", "m4"))
)
"""What the ratios below are divided from."""


def _island_quantile(code: str, share: float, name_en: str, name_zh: str, less: tuple[str, str]) -> Quantity:
    return Quantity(
        code, "m2", name_en, name_zh,
        f"{less[0]} of the islands, by number, are smaller", f"{less[1]}岛块小于此面积",
        total="quantile", population="island_m2", quantile=share, counted_in="islands",
    )  # fmt: skip


SHAPES: tuple[Quantity, ...] = (
    Quantity(
        "loss_perimeter_m", "m", "Edge of paint losses", "剥落边缘长度",
        "Length of the smoothed outlines of paint losses, with holes, each by the share of its area inside",
        "剥落块平滑轮廓（含孔洞）的长度，按构件内面积占比计入", counted_in="losses",
    ),
    Quantity(
        "loss_circularity", "1", "Circularity of losses", "剥落圆度",
        "Median of 4 pi A / P^2 of the losses wholly inside: 1 for a disc",
        "完全在构件内的剥落块 4πA/P² 的中位数；圆为 1",
        total="quantile", population="loss_circularity", counted_in="losses",
    ),
    Quantity(
        "island_count", "1", "Islands", "岛块数",
        "Patches that cracks enclose, wholly inside the element", "裂纹围成且完全在构件内的岛块数",
        counted_in="islands",
    ),
    Quantity(
        "island_cut_count", "1", "Islands cut by the outline", "被轮廓截断的岛块数",
        "Enclosed patches that reach beyond the assessed part of the element; they are in no other figure",
        "超出构件评估范围的岛块数；不计入其他数值", counted_in="islands",
    ),
    Quantity(
        "islands_per_m2", "1/m2", "Island density", "岛块密度",
        "Islands divided by assessed area", "岛块数与评估面积之比",
        total="ratio", numerator="island_count", denominator="assessed_m2", counted_in="islands",
    ),
    Quantity(
        "island_area_ratio", "1", "Closed fraction", "闭合占比",
        "Area of the islands divided by assessed area", "岛块面积与评估面积之比",
        total="ratio", numerator="island_m2", denominator="assessed_m2", counted_in="islands",
    ),
    _island_quantile("island_median_m2", 0.5, "Median island", "岛块面积中位数", ("Half", "一半")),
    _island_quantile("island_p10_m2", 0.1, "Small islands (P10)", "岛块面积 P10", ("One in ten", "一成")),
    _island_quantile("island_p90_m2", 0.9, "Large islands (P90)", "岛块面积 P90", ("Nine in ten", "九成")),
    Quantity(
        "island_variation", "1", "Variation of islands", "岛块面积变异系数",
        "Standard deviation of the islands' areas over their mean; empty for fewer than two",
        "岛块面积标准差与均值之比；不足两块时为空",
        total="variation", counted_in="islands",
    ),
    Quantity(
        "island_circularity", "1", "Circularity of islands", "岛块圆度",
        "Median of 4 pi A / P^2 of the islands: 1 for a disc, 0.79 for a square",
        "岛块 4πA/P² 的中位数；圆为 1，正方形为 0.79",
        total="quantile", population="island_circularity", counted_in="islands",
    ),
)  # fmt: skip
"""Of losses and of islands."""
