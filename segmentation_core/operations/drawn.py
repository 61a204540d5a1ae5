"""Plain lines, noded and staged as a file of vectors for `measure`."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import shapely

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import ParameterError
from segmentation_core.statistics.drawn_lines import DrawnLines, read_drawn_lines
from segmentation_core.statistics.elements import load_elements, load_exclusions, require_contact
from segmentation_core.statistics.outlines import polygon_parts
from segmentation_core.statistics.vectorfile import VectorFile, open_vectors
from segmentation_core.vectors.drawn import write_network
from segmentation_core.vectors.geopackage import is_vector_file
from segmentation_core.vectors.noding import node_lines

__all__ = ["drawn_vectors"]

_LEFT_ASIDE = "only its lines were measured; losses and crack areas were left aside"


@contextmanager
def drawn_vectors(
    lines: Path,
    snap_m: float,
    elements: str | Path | None,
    id_field: str | None,
    exclude: str | Path | None,
    gsd_mm: float | None,
) -> Iterator[tuple[VectorFile, list[str]]]:
    """Node lines and give them as an open file of vectors, with notes.

    Parameters
    ----------
    lines : Path
        Any layer of lines; or what `vectorise` wrote, whose lines may have been edited since.
    snap_m : float
        Up to this distance, in m, ends that miss each other or a line meet.
    elements, id_field, exclude
        As `measure`. What is assessed is the elements' area, or that of the file of `vectorise`.
    gsd_mm : float or None
        mm per unit of lines without CRS.

    Raises
    ------
    VectorError, ElementsError, CrsError, ParameterError
        See `read_drawn_lines` and `load_elements`; or nothing says what was assessed.
    """
    if not (math.isfinite(snap_m) and snap_m >= 0):
        raise ParameterError(f"a snap distance of {snap_m:g} m is impossible", remedy="Give metres, as 0.001")
    if lines.is_file() and is_vector_file(lines):
        with open_vectors(lines) as earlier:
            drawn = read_drawn_lines(lines, None, known_metres_per_unit=earlier.metres_per_unit)
            ground, run = earlier.assessed(), {"gsd_mm": earlier.gsd_mm, "grid": earlier.run.get("grid")}
        notes = [*drawn.notes, f"{lines.name}: {_LEFT_ASIDE}"]
    else:
        drawn = read_drawn_lines(lines, gsd_mm)
        ground, run = _elements_ground(lines, drawn, elements, id_field), {"gsd_mm": gsd_mm}
        notes = list(drawn.notes)
    if exclude is not None:
        excluded, more = load_exclusions(exclude, drawn.crs_wkt)
        ground, notes = polygon_parts(shapely.difference(ground, excluded)), [*notes, *more]
    network = node_lines(drawn.geometries, ground, snap_m / drawn.metres_per_unit)
    run |= {
        "metres_per_unit": drawn.metres_per_unit,
        "source": {"path": str(lines), "sha256": file_sha256(lines)},
        "drawn": True,
        "snap_m": snap_m,
    }
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / "lines.gpkg"
        write_network(staged, network, ground, drawn.crs_wkt, run)
        with open_vectors(staged) as vectors:
            yield vectors, notes


def _elements_ground(
    lines: Path, drawn: DrawnLines, elements: str | Path | None, id_field: str | None
) -> Any:
    if elements is None or id_field is None:
        raise ParameterError(
            "lines alone do not say how large the assessed area is",
            path=lines,
            remedy="Give the assessed elements with --elements and --id-field",
        )
    loaded = load_elements(elements, id_field, drawn.crs_wkt)
    require_contact(loaded, shapely.box(*shapely.total_bounds(drawn.geometries)), elements)
    return shapely.union_all(loaded.geometries)
