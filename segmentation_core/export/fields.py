"""The columns that people receive: short names with their unit, and what each one means.

Names have at most 10 ASCII characters, because longer ones lose their end (and the unit with it) in a
shapefile. Lengths are in mm or m, areas in cm2 or m2, as conservators write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from segmentation_core.statistics.quantities import QUANTITIES, Quantity

__all__ = [
    "CHANGE_LAYERS",
    "ELEMENT_LAYER",
    "EXPORT_LAYERS",
    "NO_VALUE",
    "STATISTICS_TABLE",
    "ExportField",
    "ExportLayer",
]

Kind = Literal["text", "real", "integer", "date"]


@dataclass(frozen=True)
class ExportField:
    """One column.

    Attributes
    ----------
    name : str
        At most 10 ASCII characters, ending in the unit.
    source : str
        Column of the book's layer, or code of a quantity.
    kind : {"text", "real", "integer", "date"}
    unit : str
        Empty where there is none.
    meaning_en, meaning_zh : str
    factor : float
        From the book's SI value to ``unit``.
    """

    name: str
    source: str
    kind: Kind
    unit: str
    meaning_en: str
    meaning_zh: str
    factor: float = 1.0


@dataclass(frozen=True)
class ExportLayer:
    """One file per survey or pair: name, layer of the book, geometry type (empty: a table), columns."""

    name: str
    table: str
    geometry_type: str
    fields: tuple[ExportField, ...]


NO_VALUE = ExportField(
    "no_value",
    "no_value",
    "text",
    "",
    "Names of the columns that hold no number in this row: some programs show them as 0",
    "本行无数值的字段名（有的软件会显示为 0）",
)
"""DBF readers differ about NULL, so that every layer says in words where a number is missing."""

_IDENTITY = (
    ExportField("uid", "uid", "text", "", "Stable id of the feature", "要素的固定编号"),
    ExportField("elem_id", "elem_id", "text", "", "Element that holds most of it", "所在构件编号"),
    ExportField("surv_dt", "date", "date", "", "Date of the survey", "调查日期"),
    ExportField("class_cd", "class_cd", "text", "", "Code of the damage", "病害代码"),
    ExportField("class_en", "name_en", "text", "", "Damage, in English", "病害名称（英文）"),
    ExportField("class_zh", "name_zh", "text", "", "Damage, in Chinese", "病害名称（中文）"),
)
_STATE = (
    ExportField("conf", "conf", "real", "1", "Mean probability, 0 to 1", "平均概率（0–1）"),
    ExportField(
        "status", "status", "text", "", "auto, edited, verified or drawn", "状态：自动、修改、核实或手绘"
    ),
)
_AREA_CM2 = ExportField("area_cm2", "area_m2", "real", "cm2", "Area", "面积", 1e4)
_CRACK = ExportField("crack_no", "comp_id", "integer", "", "Number of the connected crack", "相连裂纹编号")

_QUANTITY_NAMES: dict[str, tuple[str, Kind, str, float]] = {
    "assessed_m2": ("asses_m2", "real", "m2", 1.0),
    "loss_m2": ("loss_cm2", "real", "cm2", 1e4),
    "loss_ratio": ("loss_pct", "real", "%", 100.0),
    "loss_count": ("loss_n", "integer", "1", 1.0),
    "crack_m": ("crack_m", "real", "m", 1.0),
    "crack_count": ("crack_n", "integer", "1", 1.0),
    "crack_area_m2": ("crack_cm2", "real", "cm2", 1e4),
    "p21_m_per_m2": ("p21_m_m2", "real", "m/m2", 1.0),
    "width_mean_mm": ("width_mm", "real", "mm", 1.0),
}
"""Code of a quantity to its short name, kind, unit and factor."""


def _quantity_field(quantity: Quantity) -> ExportField:
    name, kind, unit, factor = _QUANTITY_NAMES[quantity.code]
    return ExportField(name, quantity.code, kind, unit, quantity.meaning_en, quantity.meaning_zh, factor)


_ELEMENT = ExportField("elem_id", "elem_id", "text", "", "Id of the element", "构件编号")
_SURVEY_DATE = ExportField("surv_dt", "date", "date", "", "Date of the survey", "调查日期")


ELEMENT_LAYER = ExportLayer(
    "element",
    "element",
    "MultiPolygon",
    (
        _ELEMENT,
        _SURVEY_DATE,
        *(_quantity_field(quantity) for quantity in QUANTITIES if quantity.code in _QUANTITY_NAMES),
        NO_VALUE,
    ),
)

STATISTICS_TABLE = ExportLayer(
    "stats",
    "element_stats",
    "",
    (
        _ELEMENT,
        _SURVEY_DATE,
        ExportField("stat", "stat", "text", "", "Code of the statistic", "统计量代码"),
        ExportField("value", "value", "real", "see unit", "Its value", "数值"),
        ExportField("unit", "unit", "text", "", "Unit of the value", "单位"),
        ExportField(
            "u95", "u95", "real", "see unit", "Half-width of its 95 % interval", "95% 置信区间的半宽"
        ),
        ExportField("n", "n", "integer", "1", "Features that it rests on", "所依据的要素数"),
        ExportField("method_v", "method_v", "text", "", "Version of the method", "方法版本"),
        NO_VALUE,
    ),
)
"""Every statistic of the book, one row each."""

EXPORT_LAYERS: tuple[ExportLayer, ...] = (
    ExportLayer("loss", "loss_polygon", "Polygon", (*_IDENTITY, _AREA_CM2, *_STATE, NO_VALUE)),
    ExportLayer(
        "crack_area", "crack_area", "MultiPolygon", (*_IDENTITY, _AREA_CM2, _CRACK, *_STATE, NO_VALUE)
    ),
    ExportLayer(
        "crack",
        "crack_line",
        "LineString",
        (
            *_IDENTITY,
            ExportField("len_mm", "len_m", "real", "mm", "Length of the centreline", "中心线长度", 1e3),
            ExportField("width_mm", "wid_m", "real", "mm", "Mean width", "平均宽度", 1e3),
            ExportField(
                "wid50_mm", "wid50_m", "real", "mm", "Median width along the line", "沿线宽度中位数", 1e3
            ),
            ExportField("wid95_mm", "wid95_m", "real", "mm", "Width P95 along the line", "沿线宽度 P95", 1e3),
            ExportField(
                *("widp_mm", "widp_m", "real", "mm", "Mean width, pixels counted by their probability"),
                *("按概率加权的平均宽度", 1e3),
            ),
            ExportField(
                "at_limit",
                "at_limit",
                "integer",
                "",
                "1: narrower than 2 pixels, the width is an upper bound",
                "1：宽度小于 2 个像元，宽度为上限",
            ),
            _CRACK,
            ExportField("node_a", "node_a", "integer", "", "Node at its start", "起点节点编号"),
            ExportField("node_b", "node_b", "integer", "", "Node at its end", "终点节点编号"),
            *_STATE,
            NO_VALUE,
        ),
    ),
    ExportLayer(
        "node",
        "crack_node",
        "Point",
        (
            *_IDENTITY[:4],
            ExportField("node_no", "node_id", "integer", "", "Number of the node", "节点编号"),
            ExportField(
                "kind",
                "kind",
                "text",
                "",
                "I tip, Y junction, X crossing, E at the border",
                "I 端点，Y 交点，X 交叉，E 边界",
            ),
            ExportField("degree", "degree", "integer", "1", "Lines that meet there", "相交线数"),
            _CRACK,
            *_STATE,
            NO_VALUE,
        ),
    ),
    ExportLayer("island", "island", "Polygon", (*_IDENTITY[:4], _AREA_CM2, _CRACK, *_STATE, NO_VALUE)),
    ELEMENT_LAYER,
)
"""In drawing order, elements last."""

_CHANGE = (
    *_IDENTITY[:2],
    ExportField("date_a", "date_a", "date", "", "Date of the earlier survey", "前次调查日期"),
    ExportField("date_b", "date_b", "date", "", "Date of the later survey", "后次调查日期"),
    *_IDENTITY[3:],
    ExportField("kind", "kind", "text", "", "What happened", "变化类型"),
)

_IS_SURE = ExportField(
    "is_sure",
    "is_sure",
    "integer",
    "1",
    "1 where a survey found it and the registration can resolve it",
    "1 表示由调查发现且超出配准误差",
)

CHANGE_LAYERS: tuple[ExportLayer, ...] = (
    ExportLayer("chg_area", "change_polygon", "MultiPolygon", (*_CHANGE, _AREA_CM2, _IS_SURE, NO_VALUE)),
    ExportLayer(
        "chg_line",
        "change_line",
        "MultiLineString",
        (
            *_CHANGE,
            ExportField("len_mm", "len_m", "real", "mm", "Length of the line", "线长", 1e3),
            ExportField(
                "grow_mm", "grow_m", "real", "mm", "Growth of a tip along the crack", "端部扩展量", 1e3
            ),
            ExportField("wider_mm", "wider_m", "real", "mm", "Growth of the width", "宽度增量", 1e3),
            _IS_SURE,
            NO_VALUE,
        ),
    ),
)
"""Of a pair of surveys."""
