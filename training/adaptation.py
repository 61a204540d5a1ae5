"""``adapt``: fit a model to one beam from corrected windows; kept only where held-out windows get better."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from segmentation_core.errors import ModelError, ParameterError
from segmentation_core.models import LoadedModel, load_model
from segmentation_core.models.adapter import save_adapter
from segmentation_core.progress import Progress, silent
from segmentation_core.vocabulary import load_vocabulary
from training.benchmark.plots import over
from training.calibration import calibrated
from training.checkpoint_card import checkpoint_card
from training.data import SampleStream, Tile
from training.dataset.folder import Dataset, open_dataset
from training.dataset.slices import sliced
from training.evaluation import Evaluated, for_json, scored, summary
from training.finish import write_run_record
from training.parts import adapter_tensors
from training.prediction import SCALINGS, Scaling, class_logits, labels_from, softened
from training.recipe import Recipe, load_recipe
from training.run_state import RunState
from training.significance import paired_comparison
from training.synthetic.samples import IGNORE, Ingredients
from training.trainer import Limits, train

__all__ = ["adapt", "roll_back"]

_WINDOW_PX = 512
_MOST_WINDOWS = 24
_DECIDED = 0.5
_FEWEST_STEPS = 10
_LEARNING = 0.7
"""Of the time there is; judging before and after, and what else the computer does, take the rest."""
_WILD_FACTOR, _WILD_SHARE = 2.0, 0.1
"""More than twice as much damage, and a tenth of the area more, is not what strokes were painted for."""


def adapt(
    base: str | Path | None,
    data: Path,
    out: Path,
    *,
    recipe: Recipe | None = None,
    limits: Limits | None = None,
    ingredients: Ingredients | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Adapt a model, and keep the result where it is better.

    Only normalisation and head learn. The windows of the ``validation`` and ``test`` splits are held out;
    the mean F1 of the classes they show decides, of lines within 2 px.

    Parameters
    ----------
    base : str, Path or None
        Name in the store or a file.
    data : Path
        A dataset with a split.
    out : Path
        ``ADAPTER.safetensors``. An earlier adapter there is kept beside it, for `roll_back`.
    recipe : Recipe or None
        ``adapt`` by default.
    limits : Limits or None
        Device and time: it takes as many steps as there is time for, the recipe's at most.
    ingredients : Ingredients or None
        For rehearsal; the dataset's own if None.
    progress : Progress
        Told how far it is.

    Returns
    -------
    dict
        ``kept``, ``before`` and ``after`` (figures with intervals, and every held-out window's),
        ``comparison``, ``adapter`` (path or None), ``bytes``, ``wild`` (not kept, because it calls far more
        damage where nobody painted), ``windows`` (of every held-out window its
        ``name`` and three pictures: ``picture``, and what was found in it ``before`` and ``after``).

    Raises
    ------
    ModelError
        The base is an adapter itself, or cannot be used.
    ParameterError
        The dataset cannot be used, or nothing of it is held out.
    """
    if out.suffix != ".safetensors":
        out = out.with_name(out.name + ".safetensors")
    loaded = load_model(base)
    if "adapter" in loaded.card.about:
        raise ModelError(
            "the base is an adapter", path=loaded.path, remedy=f"Adapt its own base, {_base_of(loaded)}"
        )
    dataset = open_dataset(data)
    tiles, held_out = dataset.tiles("train"), _held_out(dataset)
    limits = replace(limits or Limits(), every=1 << 30)
    windows = sliced(tiles, _WINDOW_PX, 384)
    chosen = _fitted_to(recipe or load_recipe("adapt"), loaded)
    stream = SampleStream(windows, ingredients or dataset.ingredients, chosen, steps=range(2))
    chosen = _in_time(chosen, loaded.network, stream, limits)
    folder = out.with_suffix(".run")
    _clear(folder)
    (folder / "log.csv").unlink(missing_ok=True)
    write_run_record(folder, chosen, dataset, base={"name": loaded.name, "sha256": loaded.sha256})
    before = scored(loaded, held_out, progress)
    found_before = _found(loaded, held_out)
    network = train(
        chosen,
        windows,
        ingredients or dataset.ingredients,
        folder,
        start=loaded.network,
        limits=replace(limits, max_seconds=None),
        progress=progress,
    ).to("cpu")
    adapted = _calibrated(network, loaded, windows, out)
    after = scored(adapted, held_out, progress)
    found_after = _found(adapted, held_out)
    better = _merit(after) > _merit(before)
    wild = better and _runs_wild(held_out, found_before, found_after)
    better = better and not wild
    _clear(folder)  # what remains says how the adapter was made
    result = {
        "kept": better,
        "before": summary(before),
        "after": summary(after),
        "comparison": for_json(paired_comparison({"after": after.parts, "before": before.parts})),
        "adapter": str(out) if better else None,
        "bytes": None,
        "wild": wild,
        "windows": [_draw(folder, *each) for each in zip(held_out, found_before, found_after, strict=True)],
        "run": {"base": loaded.name, "data": str(data), "recipe": str(folder / "recipe.toml")},
    }
    if better:
        _write(out, adapted, loaded, chosen, dataset, result)
        result["bytes"] = out.stat().st_size
    return result


def _held_out(dataset: Dataset) -> tuple[Tile, ...]:
    records = [r for r in dataset.records if r.split in ("validation", "test")]
    if not records:
        raise ParameterError(
            "no window is held out, so nobody could say whether the adapter helps",
            path=dataset.path,
            remedy="Run 'craquelure dataset split' on it",
        )
    return tuple(dataset.tile(record) for record in records)


def _fitted_to(recipe: Recipe, loaded: LoadedModel) -> Recipe:
    scaling = Scaling(loaded.card.mean, loaded.card.std)
    names = [name for name, known in SCALINGS.items() if known == scaling]
    if not names:
        raise ModelError("the base scales pictures in a way that training does not know", path=loaded.path)
    return replace(recipe, architecture=loaded.card.architecture, normalisation=names[0])


def _calibrated(network: nn.Module, base: LoadedModel, windows: Sequence[Tile], out: Path) -> LoadedModel:
    """Fit temperature and thresholds on the windows that were learnt from; the held-out ones stay unseen."""
    scaling = Scaling(base.card.mean, base.card.std)
    network = network.eval()
    some = windows[:: -(-len(windows) // _MOST_WINDOWS)]
    fitted = calibrated([(class_logits(network, tile.image, scaling), tile) for tile in some])
    kept = {code: base.card.thresholds[code] for code in fitted.unknown}
    card = replace(base.card, thresholds=fitted.thresholds | kept, temperature=fitted.temperature)
    return LoadedModel(network, card, out)


def _in_time(recipe: Recipe, network: nn.Module, stream: SampleStream, limits: Limits) -> Recipe:
    """Return the recipe with no more steps than there is time for, so that its learning rate comes down.

    The time of a step is taken from a copy of the network.
    """
    if limits.max_seconds is None:
        return recipe
    run = RunState(
        recipe,
        limits.device,
        use_bfloat16=limits.use_bfloat16 and recipe.precision == "auto",
        network=copy.deepcopy(network),
    )
    for step in range(2):  # the first one also sets things up
        began = time.perf_counter()
        run.learn(stream.batch(step))
    steps = max(int(_LEARNING * limits.max_seconds / (time.perf_counter() - began)), _FEWEST_STEPS)
    return recipe if steps >= recipe.steps else replace(recipe, steps=steps, warm_up=max(steps // 10, 1))


def _found(model: LoadedModel, tiles: Sequence[Tile]) -> list[NDArray[np.uint8]]:
    """Return the labels (H, W) that a model finds."""
    card = model.card
    logits = (class_logits(model.network, tile.image, Scaling(card.mean, card.std)) for tile in tiles)
    return [labels_from(softened(each, card.temperature)[1:], card.thresholds) for each in logits]


def _runs_wild(
    tiles: Sequence[Tile], before: Sequence[NDArray[np.uint8]], after: Sequence[NDArray[np.uint8]]
) -> bool:
    """Say whether far more damage is found than before where nobody painted.

    Strokes cover little of a window. A network that is right on them and calls half of the rest damage has
    learnt nothing that anybody wants, and no figure over the strokes shows it.
    """
    undecided = [tile.label == IGNORE for tile in tiles]
    pixels = sum(int(mask.sum()) for mask in undecided)
    was, now = (
        sum(int((label[mask] > 0).sum()) for label, mask in zip(found, undecided, strict=True))
        / max(pixels, 1)
        for found in (before, after)
    )
    return now > was * _WILD_FACTOR and now > was + _WILD_SHARE


def _draw(folder: Path, tile: Tile, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> dict[str, str]:
    """Draw a window, and what was found in it, over it; return its name and the files by what they show."""
    shown = {"picture": tile.image, "before": over(tile.image, before), "after": over(tile.image, after)}
    files = {what: folder / "windows" / f"{tile.name}.{what}.png" for what in shown}
    for what, path in files.items():
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(shown[what]).save(path)
    return {"name": tile.name} | {what: str(path) for what, path in files.items()}


def _merit(result: Evaluated) -> float:
    """Return the mean F1 of the damage classes that the windows show; of lines it is the one within 2 px."""
    told = result.figures
    names = {"line": "tolerance_f1", "polygon": "f1"}
    values = [told[f"{c.code}.{names[c.geometry]}"] for c in load_vocabulary().classes]
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else 0.0


def _base_of(loaded: LoadedModel) -> str:
    return str(loaded.card.about["adapter"]["base"])


def _clear(folder: Path) -> None:
    """Take a run's state away, which is larger than a hundred adapters; the folder is this module's own."""
    for name in ("state.safetensors", "best.safetensors"):
        (folder / name).unlink(missing_ok=True)


def _write(
    out: Path,
    adapted: LoadedModel,
    base: LoadedModel,
    recipe: Recipe,
    dataset: Dataset,
    result: Mapping[str, Any],
) -> None:
    card = adapted.card
    told = checkpoint_card(
        out.stem,
        card.architecture,
        Scaling(card.mean, card.std),
        card.thresholds,
        card.temperature,
        metrics=[
            {"set": "held-out windows before", **result["before"]["figures"]},
            *_entries(result["after"]["figures"], _held_out(dataset), base),
        ],
        training={"recipe": vars(recipe), "data": {"fingerprint": dataset.fingerprint}},
        adapter={
            "base": base.name,
            "base_sha256": base.sha256,
            "base_file": str(base.path.resolve()),
        },
        known_limits=["Fitted to one beam: use it there and nowhere else."],
    )
    told["crack_width_px"] = list(card.crack_width_px)
    for path in (out, out.with_suffix(".json")):
        if path.exists():
            os.replace(path, _previous(path))
    save_adapter(out, adapter_tensors(adapted.network), told)


def _entries(
    figures: Mapping[str, float | None], held_out: Sequence[Tile], base: LoadedModel
) -> list[dict[str, Any]]:
    """Return what the card says of the adapted model, as of any model; u95 of what it finds comes from it.

    Strokes are no sample of a window: people paint where something is wrong. Where less than half of the
    held-out windows is decided, or none of them shows a class, the base's own entries stay.
    """
    known = [entry for entry in base.card.about.get("metrics", ()) if "class" in entry]
    if np.mean(np.concatenate([tile.label.ravel() != IGNORE for tile in held_out])) < _DECIDED:
        return known
    shown = {
        c.code for c in load_vocabulary().classes if any((tile.label == c.value).any() for tile in held_out)
    }
    return [entry for entry in known if entry["class"] not in shown] + [
        {
            "set": "held-out windows",
            "class": c.code,
            "pictures": len(held_out),
            "iou": figures[f"{c.code}.iou"],
            "f1": figures[f"{c.code}.f1"],
            "tolerance_f1_2px": figures[f"{c.code}.tolerance_f1"],
            "protocol": "windows that were not learnt from; what nobody painted is left out",
        }
        for c in load_vocabulary().classes
        if c.code in shown
    ]


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def roll_back(out: Path) -> dict[str, Any]:
    """Undo the last `adapt` of a file: the adapter before it comes back, or none is left.

    Raises
    ------
    ParameterError
        There is no adapter.
    """
    if not out.exists():
        raise ParameterError("there is no adapter to roll back", path=out)
    restored = _previous(out).exists()
    for path in (out, out.with_suffix(".json")):
        if restored:
            os.replace(_previous(path), path)
        else:
            path.unlink()
    return {"adapter": str(out) if restored else None, "rolled_back": True}
