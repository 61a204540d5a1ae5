"""What surveys repeated on one day say about how small a change can be detected (MEASUREMENT, 4.3)."""

from __future__ import annotations

from collections import defaultdict

from segmentation_core.change.uncertainty import repeat_limit
from segmentation_core.survey.store import Book

__all__ = ["repeat_limits"]


def repeat_limits(book: Book) -> dict[tuple[str, str], float]:
    """Return the smallest detectable change of each element's statistics, where a day was surveyed twice.

    Repeats hold everything that differs from picture to picture: light, focus, network, vectoriser. Of
    several days the largest counts. Statistics that edits made stale are left out.

    Returns
    -------
    dict of (elem_id, stat) to float
        In the statistic's unit; empty without repeats.
    """
    query = (
        "SELECT s.date, e.elem_id, e.stat, e.value FROM element_stats e "
        "JOIN survey s ON s.surv_id = e.surv_id WHERE e.value IS NOT NULL AND e.stale = 0 "
        "AND s.date IN (SELECT date FROM survey GROUP BY date HAVING count(*) > 1)"
    )
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for day, elem_id, stat, value in book.connection.execute(query):
        values[day, elem_id, stat].append(float(value))
    limits: dict[tuple[str, str], float] = {}
    for (_, elem_id, stat), repeated in values.items():
        if len(repeated) > 1:
            key = (elem_id, stat)
            limits[key] = max(limits.get(key, 0.0), repeat_limit(repeated))
    return limits
