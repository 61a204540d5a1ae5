"""How many synthetic samples of 512 px a second are made, and the ratio to the bar (3 on two cores).

Each process makes its own samples with one thread, as the trainer's loaders do; more threads in one process
gain less. Paintings and overlays are used where CRAQUELURE_DATA names the folder that holds them.

    CRAQUELURE_DATA=data python benchmarks/synthetic_speed.py --processes 2
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import torch

from training.data import load_ingredients
from training.synthetic.samples import Ingredients, synthetic_samples

_BAR = 3.0
_SIZE_PX = 512


def made(job: tuple[int, int]) -> tuple[float, float]:
    """Make samples of a seed; return the wall and the processor seconds it took, loading left out."""
    seed, count = job
    torch.set_num_threads(1)
    data = os.environ.get("CRAQUELURE_DATA")
    ingredients = load_ingredients(Path(data)) if data else Ingredients()
    synthetic_samples([np.random.default_rng(seed)], 64, ingredients)
    wall, processor = time.perf_counter(), time.process_time()
    synthetic_samples([np.random.default_rng((seed, k)) for k in range(count)], _SIZE_PX, ingredients)
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--samples", type=int, default=40, help="per process")
    options = parser.parse_args()
    jobs = [(seed, options.samples) for seed in range(options.processes)]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        spent = pool.map(made, jobs, chunksize=1)
    rate = sum(options.samples / wall for wall, _ in spent)
    alone = sum(options.samples / processor for _, processor in spent)
    print(
        f"{options.processes} processes, {_SIZE_PX} px: {rate:.2f} samples/s, {rate / _BAR:.2f} times the bar"
    )
    print(
        f"by processor time, as on an idle machine: {alone:.2f} samples/s, {alone / _BAR:.2f} times the bar"
    )


if __name__ == "__main__":
    main()
