"""Where a layer comes from, written into its metadata: orthophoto, model, parameters, versions."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsLayerMetadata, QgsMapLayer

from ..translation import tr
from .book import BookFault, OrthophotoRow, orthophotos, surveys

__all__ = ["metadata_of_survey"]


def metadata_of_survey(layer: QgsMapLayer, book: str, surv_id: str) -> QgsLayerMetadata:
    """Return the metadata of a layer of a survey: what a colleague needs to make it again."""
    metadata = QgsLayerMetadata(layer.metadata())
    metadata.setCrs(layer.crs())
    metadata.setIdentifier(f"{book}#{surv_id}")
    try:
        survey = next((s for s in surveys(book) if s.surv_id == surv_id), None)
        photos = orthophotos(book, surv_id)
    except BookFault as fault:
        metadata.setAbstract(str(fault))
        return metadata
    if survey is None:
        return metadata
    metadata.setTitle(
        tr("{layer}, survey {name} of {date}", layer=layer.name(), name=survey.name, date=survey.date)
    )
    metadata.setAbstract("\n".join(line for photo in photos for line in _lines(photo)))
    metadata.setHistory([tr("Mapped by Craquelure from {path}", path=photo.path) for photo in photos])
    return metadata


def _lines(photo: OrthophotoRow) -> list[str]:
    run: dict[str, Any] = photo.run
    lines = [
        tr("Orthophoto: {path}", path=photo.path),
        f"SHA-256: {photo.sha256}",
        tr("Ground sampling distance: {gsd} mm per pixel", gsd=f"{photo.gsd_mm:g}"),
        tr("Model: {name}", name=photo.model or tr("none; a class raster was measured")),
    ]
    for title, part in (
        (tr("Device"), run.get("device")),
        (tr("Parameters"), run.get("parameters")),
        (tr("Thresholds"), run.get("model", {}).get("thresholds")),
        (tr("Versions"), run.get("versions")),
    ):
        if part:
            lines.append(f"{title}: " + ", ".join(f"{name} {value}" for name, value in part.items()))
    return lines
