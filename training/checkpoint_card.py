"""The model card of what was trained here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from segmentation_core import __version__
from segmentation_core.models import build
from segmentation_core.vocabulary import load_vocabulary
from training.prediction import Scaling

__all__ = ["checkpoint_card"]


def checkpoint_card(
    name: str,
    architecture: str,
    scaling: Scaling,
    thresholds: Mapping[str, float],
    temperature: float | Sequence[float],
    **told: Any,
) -> dict[str, Any]:
    """Return the JSON of a card, all but its ``weights``.

    Parameters
    ----------
    name, architecture : str
        Of the model.
    scaling : Scaling
        What pictures are scaled to.
    thresholds : mapping of class code to float
        From validation.
    temperature : float or sequence of float
        One, or one per channel.
    **told
        The rest: ``metrics``, ``data``, ``training``, ``intended_use``, ``known_limits``, ...
    """
    vocabulary = load_vocabulary()
    classes = [{"name": "background", "value": 0, "description": "Everything else"}]
    classes += [{"name": c.code, "value": c.value, "description": c.name_en} for c in vocabulary.classes]
    return {
        "mlm:name": name,
        "mlm:architecture": architecture,
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "pytorch",
        "mlm:framework_version": str(torch.__version__),
        "mlm:total_parameters": sum(p.numel() for p in build(architecture).parameters()),
        "mlm:pretrained": False,
        "mlm:input": [
            {
                "name": "RGB picture at native scale, never resized",
                "bands": ["red", "green", "blue"],
                "input": {
                    "shape": [-1, 3, -1, -1],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": [{"type": "scale", "value": 255}],
                "statistics": {"mean": list(scaling.mean), "stddev": list(scaling.std)},
            }
        ],
        "mlm:output": [
            {
                "name": "logits",
                "tasks": ["semantic-segmentation"],
                "result": {
                    "shape": [-1, len(classes), -1, -1],
                    "dim_order": ["batch", "class", "height", "width"],
                },
                "classification:classes": classes,
                "post_processing_function": "softmax(logits / temperature); a class passes at its threshold",
            }
        ],
        "crack_width_px": [1, 6],
        "thresholds": dict(thresholds),
        "temperature": list(temperature) if isinstance(temperature, Sequence) else temperature,
        "craquelure_version": __version__,
        **told,
    }
