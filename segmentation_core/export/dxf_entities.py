"""DXF entities written as text, one after the other: a drawing of any size in bounded memory.

ezdxf holds a whole drawing in memory and takes about a millisecond for each feature; it makes everything
else of the file (header, tables, legend), and its auditor checks the result in the tests. Group codes
follow the DXF reference of AutoCAD 2010 (LWPOLYLINE, HATCH, extended data).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["EntityWriter", "joined"]

Ring = NDArray[np.float64]


class EntityWriter:
    """Writes polylines and hatches into a text stream.

    Parameters
    ----------
    stream : text stream
    next_handle : callable
        Gives a handle that no other entity of the drawing has.
    owner : str
        Handle of the modelspace.
    app_id : str
        Owner of the extended data.
    """

    def __init__(self, stream: IO[str], next_handle: Callable[[], str], owner: str, app_id: str) -> None:
        self._stream = stream
        self._next_handle = next_handle
        self._owner = owner
        self._app_id = app_id

    def polyline(
        self,
        layer: str,
        points: Ring,
        data: Sequence[tuple[int, Any]],
        *,
        closed: bool,
        weight: int | None = None,
    ) -> None:
        """Write a lightweight polyline; ``weight`` is its lineweight in hundredths of mm."""
        tags = self._head("LWPOLYLINE", layer, weight)
        tags.append(f"100\nAcDbPolyline\n 90\n{len(points)}\n 70\n{int(closed)}\n 43\n0.0\n")
        self._stream.writelines((*tags, _vertices(points), *self._extended(data)))

    def hatch(
        self,
        layer: str,
        rings: Sequence[Ring],
        data: Sequence[tuple[int, Any]],
        angle_deg: float,
        spacing: float,
    ) -> None:
        """Write a hatch of parallel lines; rings inside rings are holes."""
        tags = self._head("HATCH", layer, None)
        tags.append("100\nAcDbHatch\n 10\n0.0\n 20\n0.0\n 30\n0.0\n210\n0.0\n220\n0.0\n230\n1.0\n")
        tags.append(f"  2\nCRAQUELURE\n 70\n0\n 71\n0\n 91\n{len(rings)}\n")
        for ring in rings:
            tags.append(f" 92\n3\n 72\n0\n 73\n1\n 93\n{len(ring)}\n{_vertices(ring)} 97\n0\n")
        dx = -spacing * math.sin(math.radians(angle_deg))
        dy = spacing * math.cos(math.radians(angle_deg))
        tags.append(" 75\n0\n 76\n2\n 52\n0.0\n 41\n1.0\n 77\n0\n 78\n1\n")
        tags.append(f" 53\n{angle_deg!r}\n 43\n0.0\n 44\n0.0\n 45\n{dx!r}\n 46\n{dy!r}\n 79\n0\n 98\n0\n")
        self._stream.writelines((*tags, *self._extended(data)))

    def _head(self, kind: str, layer: str, weight: int | None) -> list[str]:
        head = f"  0\n{kind}\n  5\n{self._next_handle()}\n330\n{self._owner}\n100\nAcDbEntity\n  8\n{layer}\n"
        return [head if weight is None else f"{head}370\n{weight}\n"]

    def _extended(self, data: Sequence[tuple[int, Any]]) -> Iterator[str]:
        yield f"1001\n{self._app_id}\n"
        for code, value in data:
            yield f"{code}\n{' '.join(value.split()) if isinstance(value, str) else repr(value)}\n"


def joined(drawing_text: str, entities: IO[str], out: IO[str]) -> None:
    """Write a drawing with more entities at the end of its modelspace."""
    start = drawing_text.index("\nENTITIES\n")
    end = drawing_text.index("  0\nENDSEC\n", start)
    out.write(drawing_text[:end])
    while block := entities.read(1 << 20):
        out.write(block)
    out.write(drawing_text[end:])


def _vertices(points: Ring) -> str:
    return "".join([f" 10\n{x!r}\n 20\n{y!r}\n" for x, y in points.tolist()])
