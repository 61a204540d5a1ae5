"""What a run has finished so far, on disk, so that the next identical run can continue from it.

Inside the output folder a hidden work folder holds ``state.json`` (the run's fingerprint: inputs, model,
parameters) and the finished rows of tiles as small files, each there whole or not at all. A run whose
fingerprint differs begins anew.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmentation_core.errors import RasterError
from segmentation_core.raster.cog import Piece, is_whole
from segmentation_core.raster.durable import write_durably
from segmentation_core.raster.grid import Window
from segmentation_core.raster.tiles import TileGrid

__all__ = ["WorkFolder", "open_work_folder"]

_NAME = ".segment"
_STATE = "state.json"
_PIECE_TILES = 4
"""Tiles side by side in one piece: bounds the memory of a piece on wide rasters."""


@dataclass(frozen=True)
class WorkFolder:
    """The work folder of one run.

    Attributes
    ----------
    path : Path
        The folder.
    tiles : TileGrid
        The run's tiles.
    batch : int
        Batch size of the run that began it: the same batches give the same bits.
    threads : int
        Threads that the network computed with in that run, for the same reason.
    note : str or None
        What the user should be told about an earlier run.
    """

    path: Path
    tiles: TileGrid
    batch: int
    threads: int
    note: str | None

    def pieces(self, kind: str, row: int) -> tuple[Piece, ...]:
        """Return the pieces of a row of tiles, whether written yet or not.

        Parameters
        ----------
        kind : str
            Which result.
        row : int
            Row of tiles.
        """
        found = []
        for first in range(0, self.tiles.cols, _PIECE_TILES):
            start = self.tiles.core(row, first)
            end = self.tiles.core(row, min(first + _PIECE_TILES, self.tiles.cols) - 1).col_end
            window = Window(start.row_off, start.col_off, start.height, end - start.col_off)
            found.append(Piece(self.path / f"{row:06d}-{first:06d}.{kind}.tif", window))
        return tuple(found)

    def all_pieces(self, kind: str) -> tuple[Piece, ...]:
        """Return the pieces of the whole raster."""
        return tuple(piece for row in range(self.tiles.rows) for piece in self.pieces(kind, row))

    def finished_rows(self, bands: dict[str, int]) -> int:
        """Return how many rows of tiles, from the top, have all their pieces.

        Parameters
        ----------
        bands : dict
            Result kind to its number of bands.
        """
        for row in range(self.tiles.rows):
            for kind, count in bands.items():
                if not all(is_whole(piece, count) for piece in self.pieces(kind, row)):
                    return row
        return self.tiles.rows

    def remove(self) -> None:
        """Delete the folder: the results are in place."""
        shutil.rmtree(self.path)


def open_work_folder(
    out_dir: Path, fingerprint: dict[str, Any], tiles: TileGrid, *, batch: int, threads: int
) -> WorkFolder:
    """Open the work folder of an unfinished identical run, or begin a new one.

    Parameters
    ----------
    out_dir : Path
        Output folder, made if needed.
    fingerprint : dict
        Everything that the result depends on, as JSON.
    tiles : TileGrid
        The run's tiles.
    batch, threads : int
        Batch size and threads for a new run; an unfinished one keeps its own.

    Raises
    ------
    RasterError
        The folder cannot be made.
    DiskFullError
        No room.
    """
    folder = out_dir / _NAME
    earlier = _state(folder)
    if earlier is not None and earlier.get("fingerprint") == _as_json(fingerprint):
        note = "continued an unfinished run"
        return WorkFolder(folder, tiles, earlier["batch"], earlier["threads"], note)
    discarded = None
    try:
        if folder.exists():
            discarded = "an unfinished run with other inputs, model or settings was discarded"
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as exc:
        raise RasterError(
            f"the output folder cannot be made ({exc.strerror})", path=out_dir, remedy="Choose another folder"
        ) from exc
    work = WorkFolder(folder, tiles, batch, threads, discarded)
    state = {"fingerprint": fingerprint, "batch": batch, "threads": threads}
    write_durably(folder / _STATE, json.dumps(state, indent=1).encode())
    return work


def _state(folder: Path) -> dict[str, Any] | None:
    path = folder / _STATE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none there, or not ours: begin anew
        return None
    if not isinstance(state, dict) or not all(isinstance(state.get(k), int) for k in ("batch", "threads")):
        return None
    return state


def _as_json(value: Any) -> Any:
    """Return a value as it comes back from a JSON file: tuples as lists, keys as text."""
    return json.loads(json.dumps(value))
