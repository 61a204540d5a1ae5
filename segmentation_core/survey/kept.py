"""The probabilities that were kept with a survey."""

from __future__ import annotations

from segmentation_core.errors import CraquelureError
from segmentation_core.survey.surveys import OrthophotoRecord
from segmentation_core.vectors.class_source import ClassSource, open_class_source

__all__ = ["kept_probabilities"]


def kept_probabilities(record: OrthophotoRecord) -> tuple[ClassSource | None, str]:
    """Return the kept probability raster on an orthophoto's working grid, or None and why there is none."""
    if record.rasters is None:
        return None, "no probabilities were kept with this survey"
    try:
        source = open_class_source(record.rasters)
    except CraquelureError as exc:
        return None, str(exc)
    same = (source.grid.height, source.grid.width) == (record.height_px, record.width_px)
    if not source.has_probabilities or not same:
        return None, f"the rasters in {record.rasters} hold no probabilities of this orthophoto"
    return source, ""
