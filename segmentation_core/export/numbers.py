"""Figures as people read them."""

from __future__ import annotations

import math

__all__ = ["shown", "shown_with"]


def shown(value: float | None, digits: int = 4) -> str:
    """Write a figure with so many significant digits, and all digits before the point.

    Examples
    --------
    >>> shown(12345.6), shown(0.012345), shown(3), shown(None)
    ('12,346', '0.01235', '3', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, int) or (value == round(value) and abs(value) < 1e15):
        return f"{value:,.0f}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(decimals, 0)}f}"


def shown_with(value: float, u95: float) -> str:
    """Write a figure with the half width of its 95 % interval, both to the second digit of that.

    What lies below the uncertainty is noise; digits before the point are kept all (JCGM 100, 7.2.6).

    Examples
    --------
    >>> shown_with(0.7343, 0.01712), shown_with(361.52, 122.3), shown_with(-0.00002824, 0.2)
    ('0.734 ± 0.017', '362 ± 122', '0.00 ± 0.20')
    """
    decimals = max(1 - math.floor(math.log10(u95)), 0)
    rounded = round(value, decimals) + 0.0  # no minus before nothing
    return f"{rounded:,.{decimals}f} ± {u95:,.{decimals}f}"
