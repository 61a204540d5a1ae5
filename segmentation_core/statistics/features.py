"""Features streamed from an open GeoPackage, in chunks bounded in bytes, never a whole layer.

GeoPackage geometry: a header ("GP", version, flags, srs_id, envelope) before plain WKB
(OGC 12-128r14, clause 2.1.3).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["FeatureChunk", "stream_features", "wkb_of"]

_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_CHUNK_BYTES = 32 << 20
_CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class FeatureChunk:
    """Some features of one layer, in order of ``fid``.

    Attributes
    ----------
    fids : ndarray of int64
    geometries : ndarray of shapely geometry, no None
    rows : list of tuple
        The asked columns, per feature.
    """

    fids: NDArray[np.int64]
    geometries: NDArray[np.object_]
    rows: list[tuple[Any, ...]]

    def column(self, index: int) -> NDArray[np.int64]:
        """Return an integer column; NULL becomes minus the fid, which no other feature has."""
        values = [
            fid if row[index] is None else row[index] for fid, row in zip(-self.fids, self.rows, strict=True)
        ]
        return np.array(values, dtype=np.int64)


def wkb_of(blob: bytes) -> bytes:
    """Return the WKB inside a GeoPackage geometry."""
    return blob[8 + _ENVELOPE_BYTES[blob[3] >> 1 & 7] :]


def stream_features(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str] = (),
    where: str = "1",
    parameters: Sequence[Any] = (),
) -> Iterator[FeatureChunk]:
    """Yield the features of a layer that have a geometry.

    Each chunk is read to its end before it is yielded, so the caller may update the table between
    chunks.

    Parameters
    ----------
    connection : sqlite3 connection
        To a GeoPackage.
    table : str
        Layer with the columns ``fid`` and ``geom``.
    columns : sequence of str
        Further columns wanted.
    where : str
        SQL condition; ``parameters`` fill its placeholders.
    """
    extra = "".join(f", {column}" for column in columns)
    query = (
        f"SELECT fid, geom{extra} FROM {table} WHERE fid > ? AND geom IS NOT NULL AND ({where}) ORDER BY fid"
    )
    last = -1
    while True:
        rows = _some_rows(connection.execute(query, (last, *parameters)))
        if not rows:
            return
        last = rows[-1][0]
        geometries = shapely.from_wkb([wkb_of(row[1]) for row in rows])
        yield FeatureChunk(
            np.array([row[0] for row in rows], dtype=np.int64),
            np.asarray(geometries, dtype=object),
            [row[2:] for row in rows],
        )


def _some_rows(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    size = 0
    for row in cursor:
        rows.append(row)
        size += len(row[1])
        if size >= _CHUNK_BYTES or len(rows) >= _CHUNK_ROWS:
            break
    cursor.close()
    return rows
