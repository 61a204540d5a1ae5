"""From a finished run to a checkpoint: thresholds from validation, figures with their protocol, the card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segmentation_core import __version__
from segmentation_core.errors import ModelError, ParameterError
from segmentation_core.models import load_checkpoint, save_checkpoint
from segmentation_core.models.card import write_card
from segmentation_core.vocabulary import load_vocabulary
from training.checkpoint_card import checkpoint_card
from training.data import VALIDATION_GROUPS, Tile
from training.metrics import Agreement
from training.prediction import SCALINGS, class_logits, class_probabilities, labels_from
from training.run_state import averaged_network
from training.synthetic.samples import Ingredients, synthetic_samples
from training.vector_scaling import even_at_half, fold, vector_scaling

__all__ = ["publish", "rescore", "synthetic_validation"]

_SWEEP = tuple(round(0.05 + 0.05 * k, 2) for k in range(16))
_SYNTHETIC_SEED = 777_000_001
_SYNTHETIC_COUNT = 160

Probability = NDArray[np.float32]


def synthetic_validation(ingredients: Ingredients, count: int = _SYNTHETIC_COUNT) -> tuple[Tile, ...]:
    """Make synthetic samples from seeds that no training run uses."""
    sources = [np.random.default_rng((_SYNTHETIC_SEED, index)) for index in range(count)]
    made = zip(*synthetic_samples(sources, 256, ingredients), strict=True)
    return tuple(Tile(f"synthetic-{k}", "synthetic", *pair) for k, pair in enumerate(made))


def publish(
    run: Path,
    out: Path,
    *,
    real: tuple[Tile, ...],
    synthetic: tuple[Tile, ...],
    made: Mapping[str, Any],
    pretrained: str | None = None,
    mean_with: tuple[Path, float] | None = None,
) -> dict[str, Any]:
    """Write the checkpoint of a run, with an honest card.

    Parameters
    ----------
    run : Path
        Folder of `training.trainer.train`.
    out : Path
        Folder of the checkpoint; its name is the architecture's.
    real : tuple of Tile
        Validation tiles of the oil set.
    synthetic : tuple of Tile
        Synthetic samples never trained on.
    made : mapping
        How the run was made (device, time), for the card.
    pretrained : str or None
        Where the weights that the run started from came from, with their terms.
    mean_with : (Path, float) or None
        An earlier checkpoint of the same line of runs and its share (0-1) in a mean of both weights; such a
        mean forgets less of what the earlier one knew (Wortsman et al. 2022, "robust fine-tuning").

    Returns
    -------
    dict
        The card.

    Raises
    ------
    ParameterError
        The folder holds no run, or the share is not between 0 and 1.
    ModelError
        The earlier checkpoint cannot be read or is of another architecture.
    """
    network, recipe, step = _averaged(run)
    if mean_with is not None:
        earlier, share = mean_with
        made = {**made, "mean_with": _mix(network, recipe["architecture"], earlier, share)}
    made = {**made, "calibration": _calibrate(network, real, synthetic)}
    sets = {"oil": _predicted(network, real), "synthetic": _predicted(network, synthetic)}
    thresholds = _thresholds(sets)
    card = _card(recipe, step, thresholds, _figures(sets, thresholds), made, pretrained)
    out.mkdir(parents=True, exist_ok=True)
    save_checkpoint(out / f"{recipe['architecture']}.safetensors", network, card)
    return card


def rescore(
    checkpoint: Path,
    *,
    real: tuple[Tile, ...],
    synthetic: tuple[Tile, ...],
    slack: float | None,
    calibrate: bool = False,
    note: str | None = None,
) -> dict[str, Any]:
    """Write the figures of a checkpoint's card anew, and its thresholds.

    Parameters
    ----------
    checkpoint : Path
        The ``.safetensors`` file; its card is replaced.
    real, synthetic : tuple of Tile
        As for `publish`.
    slack : float or None
        For each class the highest threshold is taken whose F1 is at most this much below the best: fewer
        false alarms for next to nothing. None keeps the card's thresholds.
    calibrate : bool
        Fold a calibration into the head first, see `training.vector_scaling`; else the weights stay as they
        are. Thresholds of before mean something else then: give a slack.
    note : str or None
        Why; added to what the card says of the training.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    ModelError
        The checkpoint cannot be read.
    """
    loaded = load_checkpoint(checkpoint)
    card = dict(loaded.card.about)
    if calibrate:
        told = _calibrate(loaded.network, real, synthetic)
        card["training"] = {**card["training"], "calibration": told}
    sets = {"oil": _predicted(loaded.network, real), "synthetic": _predicted(loaded.network, synthetic)}
    thresholds = dict(loaded.card.thresholds) if slack is None else _thresholds(sets, slack)
    card |= {"thresholds": thresholds, "metrics": _figures(sets, thresholds)}
    if note is not None:
        card["training"] = {**card["training"], "rescored": note}
    if calibrate:
        save_checkpoint(checkpoint, loaded.network, card)
    else:
        write_card(checkpoint.with_suffix(".json"), card)
    return card


def _calibrate(network: nn.Module, real: Sequence[Tile], synthetic: Sequence[Tile]) -> dict[str, Any]:
    """Calibrate a network, in place, on both validation sets; return what the card says of it."""
    sets = {"oil": real, "synthetic": synthetic}
    predicted = {
        name: [(class_logits(network, tile.image), tile) for tile in tiles] for name, tiles in sets.items()
    }
    factors, offsets = vector_scaling(predicted)
    offsets = even_at_half(predicted, factors, offsets)
    fold(network, factors, offsets)
    return {"factors": [round(f, 4) for f in factors], "offsets": [round(o, 4) for o in offsets]}


def _averaged(run: Path) -> tuple[nn.Module, dict[str, Any], int]:
    state = run / "state.safetensors"
    if not state.is_file():
        raise ParameterError("there is no training run here", path=run, remedy="Train first")
    network, recipe, step = averaged_network(state)
    return network, asdict(recipe), step


def _mix(network: nn.Module, architecture: str, earlier: Path, share: float) -> dict[str, Any]:
    """Move the network's weights towards an earlier checkpoint's; return what the card says of it."""
    if not 0 < share < 1:
        raise ParameterError(
            f"the share of the earlier weights is {share}", remedy="Give one between 0 and 1"
        )
    loaded = load_checkpoint(earlier)
    if loaded.card.architecture != architecture:
        raise ModelError(f"this is a {loaded.card.architecture}, the run a {architecture}", path=earlier)
    other = loaded.network.state_dict()
    mixed = {
        name: torch.lerp(now, other[name], share) if now.is_floating_point() else now
        for name, now in network.state_dict().items()
    }
    network.load_state_dict(mixed)
    return {"sha256": loaded.card.weights_sha256, "share": share}


Predicted = list[tuple[Probability, Tile]]


def _predicted(network: nn.Module, tiles: Iterable[Tile]) -> Predicted:
    return [(class_probabilities(network, tile.image), tile) for tile in tiles]


def _scored(predicted: Predicted, thresholds: Mapping[str, float]) -> dict[str, Agreement]:
    scores = {c.code: Agreement(c.value) for c in load_vocabulary().classes}
    for probability, tile in predicted:
        labels = labels_from(probability, thresholds)
        for agreement in scores.values():
            agreement.add(labels, tile.label)
    return scores


def _thresholds(sets: Mapping[str, Predicted], slack: float = 0.0) -> dict[str, float]:
    """Choose each class's threshold by F1, averaged over the sets that know the class.

    It is the highest one whose F1 is at most ``slack`` below the best.

    For lines it is the F1 within 2 px, as they are scored: by pixels, the width of a hairline would decide
    (MEASUREMENT, section 5).
    """
    vocabulary = load_vocabulary()
    knows = {vocabulary.line_class.code: tuple(sets), vocabulary.polygon_class.code: ("synthetic",)}
    f1: dict[str, dict[float, float]] = {code: {} for code in vocabulary.codes}
    for value in _SWEEP:
        scores = {
            name: _scored(predicted, dict.fromkeys(vocabulary.codes, value))
            for name, predicted in sets.items()
        }
        for code in vocabulary.codes:
            of_line = code == vocabulary.line_class.code
            agreements = [scores[name][code] for name in knows[code]]
            f1[code][value] = float(np.mean([a.tolerance_f1 if of_line else a.f1 for a in agreements]))
    return {code: max(v for v in of if of[v] >= max(of.values()) - slack) for code, of in f1.items()}


def _figures(sets: Mapping[str, Predicted], thresholds: Mapping[str, float]) -> list[dict[str, Any]]:
    protocols = {
        "oil": "craquelure_oil, groups " + ", ".join(sorted(VALIDATION_GROUPS)) + ", never trained on; "
        "consensus labels in whose making a ridge filter took part; ignored pixels left out",
        "synthetic": "samples of the training generator from seeds never trained on; exact masks",
    }
    rows = []
    for name, predicted in sets.items():
        for code, agreement in _scored(predicted, thresholds).items():
            if agreement.true_positive + agreement.false_negative == 0:
                continue
            row = {
                "set": name,
                "class": code,
                "pictures": len(predicted),
                "iou": agreement.iou,
                "f1": agreement.f1,
            }
            row |= {"tolerance_f1_2px": agreement.tolerance_f1, "protocol": protocols[name] + "; sums pooled"}
            rows.append({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})
    undamaged = [(p, tile) for p, tile in sets["synthetic"] if not tile.label.any()]
    for code, agreement in _scored(undamaged, thresholds).items():
        pixels = sum(tile.label.size for _, tile in undamaged)
        share = agreement.false_positive / max(pixels, 1)
        rows.append(
            {
                "set": "synthetic, undamaged",
                "class": code,
                "pictures": len(undamaged),
                "false_share": round(share, 6),
                "protocol": "share of pixels called damaged on undamaged ornament, textures and paintings",
            }
        )
    return rows


def _card(
    recipe: Mapping[str, Any],
    step: int,
    thresholds: Mapping[str, float],
    figures: list[dict[str, Any]],
    made: Mapping[str, Any],
    pretrained: str | None,
) -> dict[str, Any]:
    weights = (
        [] if pretrained is None else [{"name": "start weights", "role": "encoder", "origin": pretrained}]
    )
    return checkpoint_card(
        recipe["architecture"],
        recipe["architecture"],
        SCALINGS[recipe.get("normalisation", "imagenet")],
        thresholds,
        1.0,
        metrics=figures,
        data=[*_DATA, *weights],
        training={"craquelure_version": __version__, "recipe": dict(recipe), "step": step, **made},
        intended_use="Orthophotos and photographs of painted surfaces on which cracks are 1 to 6 px wide.",
        known_limits=_LIMITS,
        **{"mlm:pretrained": pretrained is not None, "mlm:pretrained_source": pretrained},
    )


_DATA = [
    {
        "name": "craquelure_oil",
        "role": "training (all groups but the validation groups) and validation",
        "origin": "seoho926/art-forgery-craquelure; consensus labels",
        "terms": "repository MIT; the source names the National Gallery of Art (open access, CC0 to our "
        "knowledge, not verified)",
    },
    {
        "name": "paintings",
        "role": "undamaged backgrounds",
        "origin": "as craquelure_oil",
        "terms": "as craquelure_oil",
    },
    {
        "name": "overlays",
        "role": "hair, lint and dirt on synthetic samples",
        "origin": "daniela997/FilmDamageSimulator",
        "terms": "MIT",
    },
    {
        "name": "synthetic",
        "role": "training; the only source of paint loss",
        "origin": "training/synthetic of this project",
        "terms": "GPL-2.0-or-later",
    },
]

_LIMITS = [
    "The training data hold no labelled photograph of a Chinese painted beam; the real craquelure is that of "
    "European oil paintings.",
    "Paint loss was learnt from synthetic samples only; no figure here says how well it does on real loss.",
    "Synthetic figures share the generator with the training samples and flatter the model.",
    "Figures come without confidence intervals; one seed.",
]
