"""Which widths the pixel grid cannot resolve."""

from __future__ import annotations

__all__ = ["RESOLVED_PX", "is_at_most", "is_width"]

RESOLVED_PX = 2.0
"""A narrower crack may be any narrower: its width is an upper bound (MEASUREMENT, section 1.5)."""


def is_at_most(code: str, value: float | None, gsd_mm: float | None) -> bool:
    """Say whether a quantity's value is only an upper bound, to be printed with "<=".

    Parameters
    ----------
    code : str
        Of the quantity; widths are in mm.
    value : float or None
    gsd_mm : float or None
        Of the raster; None for drawn lines.

    Examples
    --------
    >>> is_at_most("width_mean_mm", 0.9, 0.5), is_at_most("width_mean_mm", 1.1, 0.5)
    (True, False)
    """
    return bool(is_width(code) and value and gsd_mm and value < RESOLVED_PX * gsd_mm)


def is_width(code: str) -> bool:
    """Say whether a quantity is a width of cracks."""
    return code.startswith("width_")
