"""What a run tells while it goes: ``log.csv``, and TensorBoard's event files where it is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from training.metrics import Agreement

__all__ = ["LOG", "RunLog", "read_log"]

LOG = "log.csv"


class RunLog:
    """Adds a row per state; a context manager.

    Parameters
    ----------
    folder : Path
        Of the run.
    writes : bool
        False in all but the first of several processes.
    """

    def __init__(self, folder: Path, *, writes: bool) -> None:
        self._path = folder / LOG
        self._writes = writes
        self._board: Any = None

    def __enter__(self) -> RunLog:
        if self._writes and find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self._path.parent / "tensorboard"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()

    def add(
        self,
        step: int,
        loss: float,
        validation_loss: float,
        seconds_per_step: float,
        scores: Mapping[str, Agreement],
    ) -> None:
        """Note a state."""
        if not self._writes:
            return
        row = {"step": step, "loss": loss, "validation_loss": validation_loss}
        row |= {"seconds_per_step": seconds_per_step}
        for code, score in scores.items():
            row |= {f"{code}_iou": score.iou, f"{code}_tolerance_f1": score.tolerance_f1}
        new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
        if self._board is not None:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(name, value, step)


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the rows of a run's log."""
    with (folder / LOG).open(encoding="utf-8", newline="") as handle:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(handle)]
