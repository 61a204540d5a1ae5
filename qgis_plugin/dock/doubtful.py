"""What the page of checking says of a feature."""

from __future__ import annotations

import html

from ..results.rasters import class_name, defect_classes
from ..results.review import ORDERS, Doubtful
from ..translation import tr

__all__ = ["order_titles", "told"]


def order_titles() -> dict[str, str]:
    """Return the titles of the orders in which features come."""
    return dict(zip(ORDERS, (tr("Doubtful first"), tr("Largest first"), tr("By element"), tr("By class"))))


def told(item: Doubtful, state: str, bound_mm: float) -> str:
    """Return a feature's class, size, confidence and state as rich text.

    Parameters
    ----------
    item : Doubtful
    state : str
        Its status.
    bound_mm : float
        Narrower cracks are at most as wide as measured.
    """
    words = {
        "auto": tr("not checked"),
        "verified": tr("accepted"),
        "rejected": tr("rejected"),
        "edited": tr("redrawn"),
        "drawn": tr("drawn by hand"),
    }
    if item.table == "crack_line":
        size = tr("{length} mm long", length=f"{item.size * 1e3:.1f}")
        if item.width_m:
            width_mm = item.width_m * 1e3
            at_most = "≤ " if width_mm < bound_mm else ""  # not told apart from a finer one
            size += ", " + tr("{width} mm wide", width=f"{at_most}{width_mm:.2f}")
    else:
        size = tr("{area} cm2", area=f"{item.size * 1e4:.2f}")
    sure = "" if item.conf is None else " · " + tr("confidence {conf}", conf=f"{item.conf:.2f}")
    defect = next((d for d in defect_classes() if d["code"] == item.class_cd), None)
    title = item.class_cd if defect is None else class_name(defect)
    return f"<b>{html.escape(title)}</b> · {size}{sure} · {words.get(state, state)}"
