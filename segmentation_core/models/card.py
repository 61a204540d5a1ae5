"""The model card: what a model is, was trained for, and reaches; JSON beside the weights.

Field names follow STAC MLM where it has them (``mlm:architecture``, ``mlm:input``, ...).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation_core.errors import ModelError
from segmentation_core.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ModelCard", "normalised", "read_card", "write_card"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalised(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Scale pictures to what a network was trained on.

    Parameters
    ----------
    images : uint8 Tensor of shape (N, 3, H, W)
        RGB.
    mean, std : sequence of 3 floats
        Per band, for values 0 to 1.

    Returns
    -------
    float32 Tensor of shape (N, 3, H, W)
        On the same device.
    """
    import torch

    shape = (1, 3, 1, 1)
    centre = torch.tensor(mean, device=images.device).view(shape) * 255
    spread = torch.tensor(std, device=images.device).view(shape) * 255
    return (images.float() - centre) / spread


_MOST_PARTS = 99


@dataclass(frozen=True)
class ModelCard:
    """A model card.

    Attributes
    ----------
    name : str
        Name of the model in the store.
    architecture : str
        A name of `segmentation_core.models.ARCHITECTURES`.
    classes : tuple of str
        Class codes of the output channels after background, in the vocabulary's order.
    crack_width_px : (float, float)
        Crack widths the model was trained for.
    mean, std : tuple of 3 floats
        Normalisation.
    thresholds : mapping of class code to float
        Probability from which a class counts, 0-1.
    temperature : float or tuple of float
        Divides the logits before the softmax; one for all channels, or one per channel, background first.
    weights_sha256 : str
        Of the weight file; of its parts joined in order, where there are several.
    weights_parts : int
        Files that the weights lie in.
    about : mapping
        Everything else of the JSON: metrics with protocol, data with licences, training, limits.
    """

    name: str
    architecture: str
    classes: tuple[str, ...]
    crack_width_px: tuple[float, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    thresholds: Mapping[str, float]
    temperature: float | tuple[float, ...]
    weights_sha256: str
    weights_parts: int
    about: Mapping[str, Any]

    def normalise(self, images: Tensor) -> Tensor:
        """Scale uint8 pictures (N, 3, H, W) to the network's input, on the same device."""
        return normalised(images, self.mean, self.std)


def read_card(path: Path) -> ModelCard:
    """Read and check a model card.

    Raises
    ------
    ModelError
        The card is missing, is not JSON, lacks a field, or its classes are not the vocabulary's.
    """
    remedy = "Get the model again, with the .json card beside the .safetensors file"
    if not path.is_file():
        raise ModelError("the model card is missing", path=path, remedy=remedy)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        entry = data["mlm:input"][0]
        card = ModelCard(
            name=str(data["mlm:name"]),
            architecture=str(data["mlm:architecture"]),
            classes=tuple(
                str(c["name"]) for c in data["mlm:output"][0]["classification:classes"] if c["value"]
            ),
            crack_width_px=(float(data["crack_width_px"][0]), float(data["crack_width_px"][1])),
            mean=tuple(float(v) for v in entry["statistics"]["mean"]),
            std=tuple(float(v) for v in entry["statistics"]["stddev"]),
            thresholds={str(k): float(v) for k, v in data["thresholds"].items()},
            temperature=_temperature(data["temperature"]),
            weights_sha256=str(data["weights"]["sha256"]),
            weights_parts=int(data["weights"].get("parts", 1)),
            about=data,
        )
    except (ValueError, UnicodeDecodeError) as exc:
        raise ModelError(f"the model card cannot be read ({exc})", path=path, remedy=remedy) from exc
    except (KeyError, IndexError, TypeError, AttributeError) as exc:
        raise ModelError(
            f"the model card lacks a field or has it in a wrong form ({exc})", path=path, remedy=remedy
        ) from exc
    _check(card, path)
    return card


def _temperature(told: Any) -> float | tuple[float, ...]:
    return tuple(float(t) for t in told) if isinstance(told, list) else float(told)


def _check(card: ModelCard, path: Path) -> None:
    codes = load_vocabulary().codes
    if card.classes != codes:
        raise ModelError(
            f"the model knows the classes {', '.join(card.classes)}, the vocabulary has {', '.join(codes)}",
            path=path,
        )
    if set(card.thresholds) != set(codes) or not all(0 < t < 1 for t in card.thresholds.values()):
        raise ModelError("the card needs one threshold between 0 and 1 for every class", path=path)
    if not 1 <= card.weights_parts <= _MOST_PARTS:
        raise ModelError(f"weights in {card.weights_parts} parts are impossible", path=path)
    each = card.temperature if isinstance(card.temperature, tuple) else (card.temperature,)
    if len(each) not in (1, len(codes) + 1) or not all(math.isfinite(t) and t > 0 for t in each):
        raise ModelError(f"a temperature of {card.temperature} is impossible", path=path)
    if len(card.mean) != 3 or len(card.std) != 3 or not all(s > 0 for s in card.std):
        raise ModelError("the normalisation needs three means and three positive deviations", path=path)


def write_card(path: Path, data: Mapping[str, Any]) -> None:
    """Write a card as JSON people can read."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
