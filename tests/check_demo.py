"""Fail where the demo falls below what it must reach: ``python tests/check_demo.py DEMO_FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

BARS = {"craquelure_f1_2px": 0.6, "paint_loss_iou": 0.7}


def main() -> int:
    """Compare the scores with the bars; return the exit code."""
    scores = json.loads((Path(sys.argv[1]) / "figures.json").read_text(encoding="utf-8"))["scores"]
    below = {name: bar for name, bar in BARS.items() if not scores[name] >= bar}
    for name, bar in BARS.items():
        print(f"{name}: {scores[name]:.3f}, must reach {bar}")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
