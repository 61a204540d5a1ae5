"""QGIS styles of the change layers: one rule per kind of change, solid where it is sure, dashed where not."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from segmentation_core.vocabulary import ChangeKind, change_kinds

__all__ = ["CHANGE_GEOMETRY", "change_style", "qgis_colour"]

CHANGE_GEOMETRY = {"change_polygon": "polygon", "change_line": "line"}
"""The change layers of a book, and what is drawn in each."""

_UNSURE_EN, _UNSURE_ZH = "not sure: look at it", "存疑，请核对"
_WIDTHS_MM = {False: 0.2, True: 0.7}
"""Of what stayed, and of what changed."""

_RULE = Template(
    '      <rule key="{6d6f0c1e-0000-4000-8000-0000000001$number}" symbol="$number" label="$label" '
    "filter=\"&quot;kind&quot; = '$kind' AND $sure\"/>"
)
_LINE = Template(
    '<layer class="SimpleLine" enabled="1" locked="0" pass="0"><prop k="line_color" v="$rgb,255"/>'
    '<prop k="line_width" v="$width"/><prop k="line_width_unit" v="MM"/><prop k="line_style" v="$dash"/>'
    '<prop k="capstyle" v="flat"/><prop k="joinstyle" v="round"/></layer>'
)
_FILL = Template(
    '<layer class="SimpleFill" enabled="1" locked="0" pass="0"><prop k="color" v="$rgb,$alpha"/>'
    '<prop k="style" v="solid"/><prop k="outline_style" v="$dash"/><prop k="outline_color" v="$rgb,255"/>'
    '<prop k="outline_width" v="0.35"/><prop k="outline_width_unit" v="MM"/></layer>'
)
_SYMBOL = Template(
    '      <symbol type="$type" name="$number" alpha="1" clip_to_extent="1" force_rhr="0">$layer</symbol>'
)


def change_style(table: str) -> str:
    """Return the style of a change layer (`CHANGE_GEOMETRY`) as QML, with the vocabulary's names."""
    geometry = CHANGE_GEOMETRY[table]
    entries = [(kind, sure) for kind in change_kinds(geometry) for sure in _certainties(kind)]
    rules, symbols = [], []
    for number, (kind, sure) in enumerate(entries):
        label = f"{kind.name_en} {kind.name_zh}"
        if not sure:
            label += f" ({_UNSURE_EN} {_UNSURE_ZH})"
        rules.append(
            _RULE.substitute(
                number=f"{number:02d}",
                label=label,
                kind=kind.code,
                sure="coalesce(&quot;is_sure&quot;, 1) = 1" if sure else "&quot;is_sure&quot; = 0",
            )
        )
        layer = (_LINE if geometry == "line" else _FILL).substitute(
            rgb=qgis_colour(kind.colour),
            width=_WIDTHS_MM[kind.change],
            alpha=70 if kind.change and sure else 20,
            dash="solid" if sure else "dash",
        )
        symbol_type = "line" if geometry == "line" else "fill"
        symbols.append(_SYMBOL.substitute(type=symbol_type, number=f"{number:02d}", layer=layer))
    template = files(__package__).joinpath("styles").joinpath("change.qml").read_text(encoding="utf-8")
    return Template(template).substitute(rules="\n".join(rules), symbols="\n".join(symbols))


def qgis_colour(colour: str) -> str:
    """Return QGIS's spelling of ``#rrggbb``, without alpha."""
    return ",".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))


def _certainties(kind: ChangeKind) -> tuple[bool, ...]:
    return (True, False) if kind.change else (True,)
