"""The models that ship, on the pictures that no training of theirs has seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from segmentation_core.models import load_checkpoint
from segmentation_core.models.store import list_models
from segmentation_core.progress import Progress
from training.benchmark.paper import replace_annotated
from training.benchmark.trial import markdown_table
from training.data import load_ingredients, load_tiles
from training.evaluation import Evaluated, for_json, scored
from training.publish import synthetic_validation
from training.significance import bootstrap_intervals, paired_comparison

__all__ = ["benchmark_shipped"]

_SYNTHETIC = 60


def benchmark_shipped(data: Path, out: Path, progress: Progress) -> dict[str, Any]:
    """Score every shipped model on the validation paintings and on synthetic samples of unused seeds.

    Returns
    -------
    dict
        ``path``, ``lines``, ``figures``.
    """
    out.mkdir(parents=True, exist_ok=True)
    sets = {
        "oil": [replace_annotated(t) for t in load_tiles(data / "craquelure_oil", validation=True)],
        "synthetic": synthetic_validation(load_ingredients(data), _SYNTHETIC),
    }
    rows, results = [], {}
    for model in list_models():
        if model.shipped:
            loaded = load_checkpoint(model.path)
            for name, tiles in sets.items():
                results[model.name, name] = scored(loaded, tiles, progress)
                rows += _rows(model.name, name, results[model.name, name])
    pairs = paired_comparison({m: r.parts for (m, s), r in results.items() if s == "oil"})
    lines = ["# Shipped models", "", *markdown_table(rows)]
    if pairs:
        lines += ["", *markdown_table([{"pair": pair, **told} for pair, told in pairs.items()])]
    (out / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = for_json({"rows": rows, "comparisons": pairs})
    (out / "figures.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return {"path": str(out / "report.md"), "lines": lines, "figures": found}


def _rows(model: str, name: str, result: Evaluated) -> list[dict[str, Any]]:
    told = result.figures
    intervals = bootstrap_intervals(result.parts, result.groups, resamples=500)
    rows = []
    for code in ("craquelure",) if name == "oil" else ("craquelure", "paint_loss"):
        low, high = intervals[f"{code}.f1"]
        rows.append(
            {
                "model": model,
                "set": name,
                "class": code,
                "IoU": round(told[f"{code}.iou"], 4),
                "F1": round(told[f"{code}.f1"], 4),
                "F1 95 %": f"{low:.3f}-{high:.3f}",
                "F1 within 2 px": round(told[f"{code}.tolerance_f1"], 4),
                "calibration error": round(told.get("calibration_error", float("nan")), 4),
            }
        )
    return rows
