"""How long importing the engine and asking for help take, beside starting Python alone.

python benchmarks/startup.py [--runs 9]

Prints the median of several runs of each, in seconds, and the ratio to the bare interpreter.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python alone": [sys.executable, "-c", "pass"],
    "import segmentation_core": [sys.executable, "-c", "import segmentation_core"],
    "craquelure --help": [sys.executable, "-m", "segmentation_core.cli", "--help"],
}


def main() -> None:
    """Time the commands, one after another in every round, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    alone = medians["python alone"]
    for name, median in medians.items():
        print(f"{name:<26}{median:7.3f} s   x {median / alone:.2f}")


if __name__ == "__main__":
    main()
