"""How drawn figures look, and how they are written: one look for plots over time and of one element."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_core.export.fonts import find_fonts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "INK",
    "PICTURE_IN",
    "RULE",
    "SOFT",
    "blank_figure",
    "locator",
    "saved",
    "styled",
    "written",
]

COLOURS = ("#d7191c", "#2c7bb6", "#008837", "#7b3294", "#b35806", "#555555")
INK, SOFT, RULE = "#222222", "#666666", "#dddddd"

PICTURE_IN = (3.4, 2.3)
"""A picture of one plot: inches, to be read in a narrow panel and in a column of a text."""

_DPI = 200
_DRAWN_AS = (".svg", ".png")


def written(folder: Path, name: str, figure: Figure) -> dict[str, int]:
    """Write a figure as SVG and PNG; return the files' names, as `Written` counts them."""
    paths = [folder / f"{name}{suffix}" for suffix in _DRAWN_AS]
    for path in paths:
        saved(figure, path)
    return {path.name: 1 for path in paths}


def saved(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix of the path says how."""
    with styled(()):
        own = {"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": _DPI}
        figure.savefig(path, **own)


def locator(most: int, *, whole: bool = False) -> Any:
    """Return matplotlib's choice of at most so many round ticks, at whole numbers for counts."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=whole)


@contextmanager
def styled(texts: Iterable[str]) -> Iterator[None]:
    """Set how figures look, with fonts that hold all of some texts."""
    import matplotlib
    from matplotlib.font_manager import fontManager, get_font

    families = []
    for font in reversed(find_fonts(texts)):  # Latin first, as it is made for small figures
        fontManager.addfont(font.path)
        families.append(get_font(font.path).family_name)
    look: Any = {
        "font.family": families,
        "font.size": 7.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": SOFT,
        "axes.linewidth": 0.6,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "svg.fonttype": "none",
        "svg.hashsalt": "craquelure",
    }
    # A Chinese font that has no bold cut is drawn as it is, and that is nothing a user could act on.
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with matplotlib.rc_context(look):
            yield
    finally:
        log.setLevel(level)


def blank_figure(width: float, height: float) -> Figure:
    """Return an empty figure; inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure
