"""DeepCrack (Liu 2019) by a protocol that others can repeat (RECOGNITION, sections 4 and 9).

Non-commercial data: what is trained here is for comparison and never ships.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.torch import save_file

from segmentation_core.checksum import file_sha256
from segmentation_core.errors import ParameterError
from segmentation_core.progress import Progress
from segmentation_core.vocabulary import load_vocabulary
from training.benchmark.material import Material, own_recipe
from training.benchmark.trial import Budget, Trial, markdown_table, trial, write_report
from training.data import Tile, load_ingredients
from training.dataset.masks import mask_pictures
from training.evaluation import Evaluated, evaluated, for_json
from training.prediction import SCALINGS, turned_probabilities
from training.scores import figures, picture_sums, pooled
from training.significance import bootstrap_intervals

__all__ = ["benchmark_deepcrack", "scene"]

_VALIDATION_SCENES, _OWN_TEST_SCENES = 30, 20
_IN_BOTH_PARTS = frozenset({"11142", "11289", "IMG_6536"})
_BEST_VERIFIABLE = (
    {"method": "DeepCrack + guided filter (DeepSegmentor)", "F1": 0.868, "IoU": 0.767},
    {"method": "U-Net, SE, deep supervision (crack-seg card)", "F1": 0.866, "IoU": 0.764},
)


def scene(stem: str) -> str:
    """Return the scene of a file: its name up to the part's number.

    Examples
    --------
    >>> scene("11116-2"), scene("IMG_6536-1"), scene("11117")
    ('11116', 'IMG_6536', '11117')
    """
    head, dash, tail = stem.rpartition("-")
    return head if dash and tail.isdigit() else stem


def benchmark_deepcrack(
    data: Path,
    out: Path,
    budget: Budget,
    architecture: str,
    progress: Progress,
    *,
    official_test: Path | None = None,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train on the official training part and score without any tolerance, pooled, at native size.

    Parameters
    ----------
    data : Path
        Folder with ``deepcrack_train`` (``images/`` and ``labels/``).
    out : Path
        Folder for the report and the run.
    budget : Budget
        Of the training.
    architecture : str
        A name of the registry.
    progress : Progress
        Told how far it is.
    official_test : Path or None
        The official 237 test images, for figures that can be compared (``images/`` and ``labels/``). Without
        them 20 scenes of the training part are held out, which the report says.
    start : Path or None
        Model, or weights of an encoder, to start from; the report says which.

    Returns
    -------
    dict
        ``path``, ``lines``, ``figures``.

    Raises
    ------
    ParameterError
        There are too few scenes, or no pictures where they should be.
    """
    out.mkdir(parents=True, exist_ok=True)
    material, official = _material(data, official_test), official_test is not None
    recipe = own_recipe(architecture, budget, synthetic=0.0, foreground=0.5, augmentation="mild")
    done = trial("deepcrack", recipe, material, out, budget, progress, start=start)
    fitted = evaluated(
        done.network, SCALINGS[recipe.normalisation], material.validation,
        done.calibration.thresholds, done.calibration.temperature, progress,
    )  # fmt: skip
    weights = out / "deepcrack.safetensors"
    save_file({name: value.contiguous() for name, value in done.network.state_dict().items()}, weights)
    rows = [
        _row("validation, its threshold fitted here", fitted),
        _row("single pass", done.result),
        _row("mean of 8 orientations", _turned(done, material.test)),
    ]
    if official:
        clean = [i for i, t in enumerate(material.test) if scene(t.name) not in _IN_BOTH_PARTS]
        part = Evaluated(tuple(material.test[i] for i in clean), tuple(done.result.parts[i] for i in clean))
        rows.append(_row("single pass, without scenes that are also in training", part))
    lines = [
        "# DeepCrack",
        "",
        f"{architecture}, started from {'nothing' if start is None else start.name}, {budget.steps} steps of "
        f"{budget.batch} samples of {budget.size_px} px on {budget.limits.device}.",
        "Labels above 127, pictures at native size, zero tolerance, sums pooled,",
        f"threshold from {_VALIDATION_SCENES} scenes of the training part. Data for non-commercial research:",
        "the weights never ship.",
        "Test: the official 237 images."
        if official
        else f"Test: {_OWN_TEST_SCENES} held-out scenes of the training part. The official test part was NOT"
        " there, so these figures cannot be compared.",
        "",
        *markdown_table(rows),
        "",
        "The best that can be verified on the official split (0.91 and more come from other splits):",
        "",
        *markdown_table(list(_BEST_VERIFIABLE)),
        "",
        f"Weights: {weights.name}, SHA-256 {file_sha256(weights)}. Kept beside this report, never published;",
        "the same command makes the same ones on the same kind of processor.",
    ]
    found = {"rows": rows, "official": official, "threshold": done.calibration.thresholds}
    found = for_json(found)
    return write_report(out, lines, found)


def _material(data: Path, official_test: Path | None) -> Material:
    line = load_vocabulary().line_class.code
    known = _tiles(data / "deepcrack_train", line)
    scenes = sorted({t.group for t in known})
    order = [scenes[i] for i in np.random.default_rng(0).permutation(len(scenes))]
    if len(order) <= _VALIDATION_SCENES + _OWN_TEST_SCENES:
        raise ParameterError("there are too few scenes", path=data / "deepcrack_train")
    validation = set(order[:_VALIDATION_SCENES])
    if official_test is None:
        tested = set(order[_VALIDATION_SCENES : _VALIDATION_SCENES + _OWN_TEST_SCENES])
        test = [t for t in known if t.group in tested]
    else:
        tested, test = set(), _tiles(official_test, line)
    return Material(
        tuple(t for t in known if t.group not in validation | tested),
        tuple(t for t in known if t.group in validation),
        tuple(test),
        load_ingredients(data),
    )


def _tiles(folder: Path, line: str) -> list[Tile]:
    labels = next((folder / "labels").glob("*.png"), None)
    white = labels is not None and _is_black_and_white(folder / "labels")
    pictures = mask_pictures(
        folder / "images", folder / "labels", white_is=line if white else None, annotated=(line,)
    )
    return [Tile(p.record.name, scene(p.record.name), p.image, p.label, (line,)) for p in pictures]


def _is_black_and_white(folder: Path) -> bool:
    """Say whether labels are as DeepCrack publishes them, 0 to 255, and not the vocabulary's values."""
    return any(np.asarray(Image.open(path).convert("L")).max() > 2 for path in sorted(folder.glob("*"))[:20])


def _turned(done: Trial, tiles: Sequence[Tile]) -> Evaluated:
    scaling = SCALINGS[done.recipe.normalisation]
    parts = [
        picture_sums(
            turned_probabilities(done.network, t.image, scaling, done.calibration.temperature),
            t.label,
            done.calibration.thresholds,
            t.annotated,
        )
        for t in tiles
    ]
    return Evaluated(tuple(tiles), tuple(parts))


def _row(name: str, result: Evaluated) -> dict[str, Any]:
    told = figures(pooled(result.parts))
    low, high = bootstrap_intervals(result.parts, result.groups)["craquelure.f1"]
    return {
        "protocol": name,
        "pictures": len(result.tiles),
        "F1": round(told["craquelure.f1"], 4),
        "F1 95 %": f"{low:.3f}-{high:.3f}",
        "IoU": round(told["craquelure.iou"], 4),
        "mean IoU": round((told["craquelure.iou"] + told["background.iou"]) / 2, 4),
        "F1 within 2 px": round(told["craquelure.tolerance_f1"], 4),
        "clDice": round(told["cldice"], 4),
    }
