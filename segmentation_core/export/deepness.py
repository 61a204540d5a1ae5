"""A model as ONNX with the metadata that the QGIS plugin Deepness reads.

The graph takes a picture of values 0 to 1 (RGB, one tile) and gives the probabilities of background and
every class: normalisation, temperature and softmax are inside, so that any runtime gives our numbers.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation_core.errors import ModelError, ParameterError
from segmentation_core.models.checkpoint import LoadedModel
from segmentation_core.vocabulary import load_vocabulary

__all__ = ["LARGEST_DIFFERENCE", "write_deepness"]

LARGEST_DIFFERENCE = 1e-4
"""Between a probability in onnxruntime and in torch; above it the export is refused."""

_OVERLAP_PERCENT = 28
"""Nine 32nds of a tile, as our own inference overlaps them."""

_OPSET = 18
_TRIED_TILES = 2


def write_deepness(model: LoadedModel, path: Path, *, gsd_mm: float, tile_px: int) -> float:
    """Write a model for Deepness and run it beside torch.

    Parameters
    ----------
    model : LoadedModel
        Any model of the store.
    path : Path
        The .onnx file; its folder exists.
    gsd_mm : float
        mm per pixel that Deepness resamples to: give that of your orthophotos, so that nothing is resized.
    tile_px : int
        Side of a tile, a multiple of 32.

    Returns
    -------
    float
        Largest difference between a probability in onnxruntime and in torch, over two tiles.

    Raises
    ------
    ModelError
        A package is missing, or the two differ by more than `LARGEST_DIFFERENCE`.
    """
    if tile_px < 64 or tile_px % 32:
        raise ParameterError(
            f"a tile of {tile_px} px is impossible", remedy="Use a multiple of 32, 64 or more, as 512"
        )
    if not (np.isfinite(gsd_mm) and gsd_mm > 0):
        raise ParameterError(f"a GSD of {gsd_mm} mm per pixel is impossible")
    _require_packages()
    import torch

    class WithPixels(torch.nn.Module):
        """Pixels 0 to 1 to probabilities."""

        def __init__(self) -> None:
            super().__init__()
            self.network = model.network.eval()
            shape = (1, 3, 1, 1)
            self.register_buffer("mean", torch.tensor(model.card.mean).view(shape))
            self.register_buffer("std", torch.tensor(model.card.std).view(shape))

        def forward(self, picture: Any) -> Any:
            logits = self.network((picture - self.mean) / self.std)
            return torch.softmax(logits / model.card.temperature, dim=1)

    network = WithPixels().eval()
    example = torch.zeros(1, 3, tile_px, tile_px)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the exporter's own; the result is run below
        torch.onnx.export(
            network,
            (example,),
            str(path),
            input_names=["picture"],
            output_names=["probabilities"],
            opset_version=_OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _add_metadata(path, _metadata(model, gsd_mm, tile_px))
    return _checked(network, path, tile_px)


def _require_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ModelError(
            f"exporting a model needs {', '.join(missing)}", remedy="Install craquelure with its extra 'onnx'"
        )


def _metadata(model: LoadedModel, gsd_mm: float, tile_px: int) -> dict[str, Any]:
    """Return Deepness's keys: a name each, values as JSON."""
    names = {0: "background"} | {c.value: c.name_en for c in load_vocabulary().classes}
    return {
        "model_type": "Segmentor",
        "class_names": {str(value): name for value, name in sorted(names.items())},
        "resolution": gsd_mm / 10,  # cm per pixel
        "tile_size": tile_px,
        "tiles_overlap": _OVERLAP_PERCENT,
        "standardization_mean": [0.0, 0.0, 0.0],
        "standardization_std": [1.0, 1.0, 1.0],
        "seg_thresh": min(model.card.thresholds.values()),
        "seg_small_segment": 1,  # Deepness's own default removes hairlines
        "craquelure_model": model.name,
        "craquelure_sha256": model.sha256,
        "craquelure_thresholds": dict(model.card.thresholds),
    }


def _add_metadata(path: Path, metadata: dict[str, Any]) -> None:
    import onnx

    graph = onnx.load(str(path))
    del graph.metadata_props[:]
    for key, value in metadata.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))


def _checked(network: Any, path: Path, tile_px: int) -> float:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for picture in _tiles(tile_px):
        (found,) = session.run(None, {"picture": picture})
        with torch.inference_mode():
            expected = network(torch.from_numpy(picture)).numpy()
        worst = max(worst, float(np.abs(found - expected).max()))
    if not worst <= LARGEST_DIFFERENCE:
        raise ModelError(
            f"the exported model differs from ours by {worst:.2g}, more than {LARGEST_DIFFERENCE:g}",
            path=path,
            remedy="Do not use it; report this with the versions that 'craquelure doctor' prints",
        )
    return worst


def _tiles(tile_px: int) -> list[NDArray[np.float32]]:
    """Return pictures to try: smooth ground with dark lines and pale spots, and noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:tile_px, 0:tile_px].astype(np.float32) / tile_px
    ground = np.stack([0.3 + 0.3 * x, 0.4 + 0.2 * y, 0.5 * np.ones_like(x)])
    ground[:, np.abs(np.sin(9 * x + 5 * y)) < 0.03] *= 0.3
    ground[:, (x - 0.6) ** 2 + (y - 0.4) ** 2 < 0.02] = 0.85
    noise = rng.random((3, tile_px, tile_px), dtype=np.float32)
    return [np.ascontiguousarray(p[None], dtype=np.float32) for p in (ground, noise)][:_TRIED_TILES]
