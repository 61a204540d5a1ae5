"""``benchmark``: the source paper's comparison, DeepCrack, the recipe's choices, and the models that ship."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from segmentation_core.progress import Progress

if TYPE_CHECKING:
    from training.trainer import Limits

__all__ = ["run_benchmark"]


def run_benchmark(options: argparse.Namespace, limits: Limits, progress: Progress) -> dict[str, Any]:
    """Run the benchmark that ``options.which`` names.

    Returns
    -------
    dict
        ``path`` of the report, ``lines`` for people, ``figures`` for programs.
    """
    from training.benchmark.trial import Budget

    budget = Budget.for_device(limits, steps=options.steps, size_px=options.size, batch=options.batch)
    match options.which:
        case "paper":
            from training.benchmark.paper import benchmark_paper

            return benchmark_paper(options.data, options.out, budget, progress)
        case "deepcrack":
            from segmentation_core.models import model_file
            from training.benchmark.deepcrack import benchmark_deepcrack

            return benchmark_deepcrack(
                options.data, options.out, budget, options.architecture, progress,
                official_test=options.test,
                start=None if options.start is None else model_file(options.start),
            )  # fmt: skip
        case "ablations":
            from training.benchmark.ablations import benchmark_ablations

            return benchmark_ablations(options.data, options.out, budget, options.architecture, progress)
        case "folds":
            from training.benchmark.folds import benchmark_folds

            return benchmark_folds(options.data, options.out, budget, options.architecture, progress)
        case _:
            from training.benchmark.shipped import benchmark_shipped

            return benchmark_shipped(options.data, options.out, progress)
