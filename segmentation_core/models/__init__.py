"""Networks, checkpoints (safetensors with a model card) and the model store."""

from segmentation_core.models.registry import ARCHITECTURES, build

__all__ = ["ARCHITECTURES", "build"]
