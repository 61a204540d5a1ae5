"""Figures as people read them."""

from __future__ import annotations

import math

__all__ = ["shown"]


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
