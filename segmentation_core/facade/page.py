"""A page of a figure, addressed in inches from the upper left corner inside its margins."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

__all__ = ["DPI", "GREY", "INK", "MARGIN_IN", "PAPER", "WIDTH_IN", "Page", "text_fonts"]

DPI = 200
WIDTH_IN = 12.0
MARGIN_IN = 0.3
INK, GREY, RULE, PAPER = "#22201d", "#7a746b", "#cfc8bc", "#faf8f4"
_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "SimHei",
)


def text_fonts() -> list[str]:
    """Return the families to write with: Latin, and one that holds Chinese where such a font is installed."""
    known = set(get_font_names())
    return ["DejaVu Sans", *[name for name in _CHINESE_FONTS if name in known][:1]]


class Page:
    """A figure of fixed width.

    Chinese is written only where a font that has it is installed (``has_chinese``).

    Parameters
    ----------
    height_in : float
        Height, inches.
    """

    def __init__(self, height_in: float) -> None:
        self.height_in = height_in
        self.inner_in = WIDTH_IN - 2 * MARGIN_IN
        self.figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI)
        FigureCanvasAgg(self.figure)
        self.fonts = text_fonts()
        self.has_chinese = len(self.fonts) > 1

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return bare axes."""
        box = (
            (left + MARGIN_IN) / WIDTH_IN,
            1 - (top + height) / self.height_in,
            width / WIDTH_IN,
            height / self.height_in,
        )
        axes = self.figure.add_axes(box)
        axes.set_axis_off()
        return axes

    def text(
        self,
        left: float,
        top: float,
        words: str,
        *,
        size: float = 9,
        weight: str = "normal",
        colour: str = INK,
        align: str = "left",
    ) -> None:
        """Write on a baseline."""
        self.figure.text(
            (left + MARGIN_IN) / WIDTH_IN,
            1 - top / self.height_in,
            words,
            fontsize=size,
            fontweight=weight,
            color=colour,
            ha=align,
            va="baseline",
            fontfamily=self.fonts,
        )

    def rule(self, left: float, right: float, top: float, colour: str = RULE) -> None:
        """Draw a thin horizontal line."""
        y = 1 - top / self.height_in
        xs = [(left + MARGIN_IN) / WIDTH_IN, (right + MARGIN_IN) / WIDTH_IN]
        self.figure.add_artist(Line2D(xs, [y, y], color=colour, linewidth=0.6))

    def swatch(self, left: float, top: float, colour: str, *, line: bool = False) -> None:
        """Draw a legend's key, 0.26 inches wide, on a baseline."""
        thick = 0.022 if line else 0.1
        y = top - (0.062 if line else 0.1)
        self.figure.add_artist(
            Rectangle(
                ((left + MARGIN_IN) / WIDTH_IN, 1 - (y + thick) / self.height_in),
                0.26 / WIDTH_IN,
                thick / self.height_in,
                facecolor=colour,
                edgecolor="none",
            )
        )
