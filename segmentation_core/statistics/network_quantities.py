"""Sizes of losses and the crack network's topology and directions, as data (MEASUREMENT, section 3).

Angles are axial (0-180 degrees) and relative to the element's axis, the long side of its smallest enclosing
rectangle: whether cracks run along the grain of a beam or across it says more than their compass direction.
"""

from __future__ import annotations

from segmentation_core.statistics.quantity import Quantity

__all__ = ["NETWORK", "ROSE_BINS", "SIZES", "SUMS", "rose_code", "rose_ratio_code"]

ROSE_BINS = 18
_BIN_DEG = 180 // ROSE_BINS


def rose_code(index: int) -> str:
    """Return the code of the sum of crack lengths in a bin of the rose."""
    return f"rose_{index * _BIN_DEG:03d}_m"


def rose_ratio_code(index: int) -> str:
    """Return the code of the share of the crack length in a bin of the rose."""
    return f"rose_{index * _BIN_DEG:03d}_ratio"


def _sum(code: str, unit: str = "m") -> Quantity:
    return Quantity(code, unit, code, code, code, code, shown=False)


SUMS: tuple[Quantity, ...] = (
    _sum("joined_ends", "1"),
    _sum("junctions", "1"),
    _sum("crack_px", "px"),
    _sum("crack_turned_m"),
    _sum("turn_cos_m"),
    _sum("turn_sin_m"),
    _sum("along_m"),
    _sum("across_m"),
    _sum("met_along_m"),
    _sum("met_across_m"),
    _sum("chorded_m"),
    _sum("sinuous_m"),
    *(_sum(rose_code(k)) for k in range(ROSE_BINS)),
)
"""What the ratios below are divided from."""

SIZES: tuple[Quantity, ...] = (
    Quantity(
        "loss_median_m2", "m2", "Median loss", "剥落面积中位数",
        "Half of the paint losses, by number, are smaller; parts inside the element",
        "一半剥落块小于此面积；只计构件内的部分",
        total="quantile", population="loss_m2", quantile=0.5, counted_in="losses",
    ),
    Quantity(
        "loss_p90_m2", "m2", "Large loss (P90)", "剥落面积 P90",
        "Nine in ten paint losses are smaller", "九成剥落块小于此面积",
        total="quantile", population="loss_m2", quantile=0.9, counted_in="losses",
    ),
    Quantity(
        "loss_max_m2", "m2", "Largest loss", "最大剥落面积",
        "The largest paint loss inside the element", "构件内最大的剥落块",
        total="quantile", population="loss_m2", quantile=1.0, counted_in="losses",
    ),
    Quantity(
        "width_p50_mm", "mm", "Median crack width", "裂纹宽度中位数",
        "Half of the crack length is narrower", "一半裂纹长度的宽度小于此值",
        total="quantile", population="width_mm", quantile=0.5, counted_in="lines",
    ),
    Quantity(
        "width_p95_mm", "mm", "Wide cracks (P95)", "裂纹宽度 P95",
        "95 % of the crack length is narrower", "95 % 裂纹长度的宽度小于此值",
        total="quantile", population="width_mm", quantile=0.95, counted_in="lines",
    ),
)  # fmt: skip
"""Quantiles: of losses by number, of widths by crack length."""

NETWORK: tuple[Quantity, ...] = (
    Quantity(
        "bridged_m", "m", "Bridged gaps", "桥接间断长度",
        "Length of the gaps between crack ends that were bridged; not in the crack length",
        "被桥接的裂纹端点间断的长度；不计入裂纹长度",
        counted_in="lines",
    ),
    Quantity(
        "crack_area_ratio", "1", "Crack area fraction", "裂纹面积占比",
        "Crack area divided by assessed area", "裂纹面积与评估面积之比",
        total="ratio", numerator="crack_area_m2", denominator="assessed_m2", counted_in="areas",
    ),
    Quantity(
        "p21_mm_per_cm2", "mm/cm2", "Crack density P21", "裂纹密度 P21",
        "Crack length divided by assessed area: a tenth of the figure in m/m2",
        "裂纹长度与评估面积之比：m/m2 数值的十分之一",
        total="ratio", numerator="crack_m", denominator="assessed_m2", factor=0.1, counted_in="lines",
    ),
    Quantity(
        "node_i_count", "1", "Crack tips (I)", "裂纹端点 (I)",
        "Ends of cracks inside the assessed area", "评估范围内的裂纹端点数", counted_in="nodes",
    ),
    Quantity(
        "node_y_count", "1", "Junctions of three (Y)", "三岔节点 (Y)",
        "Places where three branches meet", "三条分支相交处的数量", counted_in="nodes",
    ),
    Quantity(
        "node_x_count", "1", "Junctions of four or more (X)", "四岔及以上节点 (X)",
        "Places where four or more branches meet; below about 45 degrees an X reads as two Y",
        "四条以上分支相交处的数量；夹角小于约 45 度时一个 X 会读作两个 Y", counted_in="nodes",
    ),
    Quantity(
        "node_e_count", "1", "Cut ends (E)", "边界截断端 (E)",
        "Ends where a crack is cut off by the border of what is assessed, or of the element; in totals, "
        "by the border of what is assessed alone",
        "裂纹被评估边界或构件边界截断处；合计只计评估边界", counted_in="nodes",
    ),
    Quantity(
        "branch_count", "1", "Branches without cut ends", "分支数（不计截断端）",
        "Half the ends at tips and junctions: (I + 3 Y + 4 X) / 2, with the true degree for more than four",
        "端点与节点处的末端数之半：(I + 3Y + 4X)/2，四岔以上按实际岔数", counted_in="nodes",
    ),
    Quantity(
        "branch_with_e_count", "1", "Branches with cut ends", "分支数（含截断端）",
        "As before, and half the cut ends: the real number of branches, rings apart",
        "同上，另加截断端之半：实际分支数，不含闭合环", counted_in="nodes",
    ),
    Quantity(
        "connections_per_branch", "1", "Connections per branch", "每分支连接数",
        "Ends at junctions over branches without cut ends, 0 to 2: 1.9 and more is a closed craquelure",
        "节点处末端数与分支数（不计截断端）之比，0 至 2；1.9 以上为闭合龟裂",
        total="ratio", numerator="joined_ends", denominator="branch_count", counted_in="nodes",
    ),
    Quantity(
        "connections_per_m2", "1/m2", "Connection frequency", "连接频度",
        "Junctions divided by assessed area", "节点数与评估面积之比",
        total="ratio", numerator="junctions", denominator="assessed_m2", counted_in="nodes",
    ),
    Quantity(
        "branch_mean_m", "m", "Mean branch", "平均分支长度",
        "Crack length over branches with cut ends", "裂纹长度与分支数（含截断端）之比",
        total="ratio", numerator="crack_m", denominator="branch_with_e_count", counted_in="lines",
    ),
    Quantity(
        "branch_mean_px", "px", "Mean branch in pixels", "平均分支长度（像素）",
        "A flag of quality: from 150 px on lengths read at most 1 % short, from 75 px 2 %, below that more",
        "质量标志：150 像素以上长度偏短不超过 1 %，75 像素以上不超过 2 %，更短则偏差更大",
        total="ratio", numerator="crack_px", denominator="branch_with_e_count", counted_in="lines",
    ),
    Quantity(
        "sinuosity", "1", "Sinuosity", "曲折度",
        "Length over the distance of a branch's ends, weighted by length; rings left out",
        "分支长度与两端距离之比，按长度加权；不含闭合环",
        total="ratio", numerator="sinuous_m", denominator="chorded_m", counted_in="lines",
    ),
    Quantity(
        "crack_axis_deg", "deg", "Mean axis of the cracks", "裂纹平均走向",
        "Length-weighted mean direction, degrees anticlockwise from the element's axis, -90 to 90",
        "按长度加权的平均走向，自构件轴线逆时针，-90 至 90 度",
        total="axis", counted_in="lines",
    ),
    Quantity(
        "crack_alignment", "1", "Alignment of the cracks", "走向集中度",
        "Length of the mean double-angle vector: 0 without preferred direction, 1 all parallel",
        "倍角平均矢量长度：0 无优势走向，1 完全平行",
        total="alignment", counted_in="lines",
    ),
    Quantity(
        "along_ratio", "1", "Share along the axis", "顺轴裂纹占比",
        "Share of the crack length within 22.5 degrees of the element's axis",
        "与构件轴线夹角 22.5 度以内的裂纹长度占比",
        total="ratio", numerator="along_m", denominator="crack_turned_m", counted_in="lines",
    ),
    Quantity(
        "across_ratio", "1", "Share across the axis", "横轴裂纹占比",
        "Share of the crack length within 22.5 degrees of the axis's normal",
        "与构件轴线垂线夹角 22.5 度以内的裂纹长度占比",
        total="ratio", numerator="across_m", denominator="crack_turned_m", counted_in="lines",
    ),
    Quantity(
        "spacing_along_mm", "mm", "Spacing met along the axis", "顺轴裂纹间距",
        "Mean distance between the cracks that a straight line along the element's axis meets",
        "沿构件轴线的直线所遇裂纹的平均间距",
        total="ratio", numerator="assessed_m2", denominator="met_along_m", factor=1000.0, counted_in="lines",
    ),
    Quantity(
        "spacing_across_mm", "mm", "Spacing met across the axis", "横轴裂纹间距",
        "Mean distance between the cracks that a straight line across the element's axis meets",
        "垂直构件轴线的直线所遇裂纹的平均间距",
        total="ratio", numerator="assessed_m2", denominator="met_across_m", factor=1000.0, counted_in="lines",
    ),
    *(
        Quantity(
            rose_ratio_code(k), "1",
            f"Rose {k * _BIN_DEG}-{(k + 1) * _BIN_DEG} deg", f"玫瑰图 {k * _BIN_DEG}-{(k + 1) * _BIN_DEG} 度",
            "Share of the crack length in this direction, anticlockwise from the element's axis",
            "此走向的裂纹长度占比，自构件轴线逆时针",
            total="ratio", numerator=rose_code(k), denominator="crack_turned_m", counted_in="lines",
        )
        for k in range(ROSE_BINS)
    ),
)  # fmt: skip
"""Topology after Sanderson and Nixon 2015; directions per segment of the smoothed lines."""
