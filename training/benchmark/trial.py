"""One training of a benchmark under the common budget, kept on disk so that an interrupted one continues."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import Interrupted
from segmentation_core.progress import Progress
from training.benchmark.material import Material
from training.calibration import Calibration, calibrated
from training.evaluation import Evaluated, evaluated, pictures_per_second
from training.finish import write_run_record
from training.prediction import SCALINGS, class_logits
from training.recipe import Recipe
from training.run_log import read_log
from training.run_state import STATE, averaged_network, state_step
from training.trainer import Limits, train

__all__ = ["Budget", "Trial", "markdown_table", "trial", "write_report"]

_STATES = 5  # of a training, each with its validation: points of the curves


@dataclass(frozen=True)
class Budget:
    """What every training of a benchmark gets alike.

    Attributes
    ----------
    steps, size_px, batch : int
        Of each training.
    limits : Limits
        Device; its time limit is for the whole benchmark.
    began : float
        When the benchmark started.
    """

    steps: int
    size_px: int
    batch: int
    limits: Limits
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def for_device(
        cls, limits: Limits, *, steps: int | None, size_px: int | None, batch: int | None
    ) -> Budget:
        """Return what a device can do in reasonable time; without a GPU 256 px and few steps."""
        full = (3000, 512, 8) if limits.device == "cuda" else (120, 256, 4)
        return cls(steps or full[0], size_px or full[1], batch or full[2], limits)

    def limits_left(self) -> Limits:
        """Return the limits of the next training.

        Raises
        ------
        Interrupted
            The time of the whole benchmark is over.
        """
        if self.limits.max_seconds is None:
            return self.limits
        left = self.limits.max_seconds - (time.monotonic() - self.began)
        if left <= 0:
            raise Interrupted("the time is over; the same command continues")
        return replace(self.limits, max_seconds=left)


@dataclass(frozen=True)
class Trial:
    """A finished training: its network, what was fitted on validation, its scores on test, its log."""

    name: str
    network: nn.Module
    recipe: Recipe
    calibration: Calibration
    result: Evaluated
    log: list[dict[str, float]]
    pictures_per_second: float

    @property
    def figures(self) -> dict[str, float]:
        """Figures on the test pictures."""
        return self.result.figures


def trial(
    name: str,
    recipe: Recipe,
    material: Material,
    folder: Path,
    budget: Budget,
    progress: Progress,
    *,
    start: Path | None = None,
) -> Trial:
    """Train, or take up, one training; fit on validation; score on test.

    ``start`` names weights of the encoder to begin with.

    Raises
    ------
    Interrupted
        The benchmark's time is over; what was trained is kept.
    """
    run = folder / "runs" / name
    recipe = recipe.resolved(len(material.train))
    if start is not None:
        recipe = replace(recipe, start_sha256=file_sha256(start))

    def told(stage: str, done: float, total: float, unit: str = "") -> None:
        progress(f"{name}: {stage}", done, total, unit)

    if state_step(run / STATE) < recipe.steps:
        write_run_record(run, recipe, None, benchmark=name)
        limits = replace(budget.limits_left(), every=max(recipe.steps // _STATES, 1))
        train(
            recipe,
            material.train,
            material.ingredients,
            run,
            validation=material.validation,
            start=start,
            limits=limits,
            progress=told,
        )
        if state_step(run / STATE) < recipe.steps:
            raise Interrupted("the time is over; the same command continues")
    network = averaged_network(run / STATE)[0]
    return _scored(name, network, recipe, material, read_log(run), told)


def _scored(
    name: str,
    network: nn.Module,
    recipe: Recipe,
    material: Material,
    log: list[dict[str, float]],
    progress: Progress,
) -> Trial:
    scaling = SCALINGS[recipe.normalisation]
    fitted = calibrated([(class_logits(network, t.image, scaling), t) for t in material.validation])
    result = evaluated(network, scaling, material.test, fitted.thresholds, fitted.temperature, progress)
    speed = pictures_per_second(network, recipe.size_px, runs=1)
    return Trial(name, network, recipe, fitted, result, log, speed)


def markdown_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return rows of equal keys as a Markdown table."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [f"{v:.3f}" if isinstance(v, float) else "-" if v is None else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def write_report(out: Path, lines: Sequence[str], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Write what a benchmark found for people and for programs; return both and where they are.

    Parameters
    ----------
    out : Path
        Folder, which exists, for ``report.md`` and ``figures.json``.
    lines : sequence of str
        Markdown.
    figures : mapping
        What JSON can hold, see `training.evaluation.for_json`.

    Returns
    -------
    dict
        ``path`` of the report, ``lines``, ``figures``.
    """
    report = out / "report.md"
    report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return {"path": str(report), "lines": lines, "figures": figures}
