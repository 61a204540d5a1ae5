"""How rasters become vectors: the parameters, and what is fixed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from segmentation_core.errors import ParameterError

__all__ = ["LATTICE_PX", "METHOD_VERSION", "VectorSettings"]

METHOD_VERSION = "2"
"""Goes up whenever the same raster would give other numbers."""

LATTICE_PX = 1024
"""Crack areas are cut on this lattice, whatever the tile size, so that no polygon grows without bound."""


@dataclass(frozen=True)
class VectorSettings:
    """Parameters of `vectorise`.

    Attributes
    ----------
    max_crack_width_px : int
        Wider cracks stay crack area without a centreline, and are counted.
    junction_merge : float
        Two junctions are one where the branch between them is shorter than this times the sum of their
        half widths (MEASUREMENT, section 1.4).
    spur_ratio : float
        Ends shorter than this times the width at their junction are artefacts of thinning.
    smoothing_sigma_px : float
        Standard deviation of the smoothing kernel along a line.
    min_loss_px : int
        Minimum mapping unit of paint loss, in pixels of an 8-connected patch, and of islands. Cracks have
        none.
    bridge_gap_px : float
        Tips of cracks that lie no farther apart and continue each other are bridged; 0: none. See `bridges`.
    bridge_turn_deg : float
        By how much a crack may turn at either end of a bridge.
    bridge_probability : float
        Least mean probability along a bridge, on probability rasters.
    tile_size_px : int
        Side of the tiles that are worked on at once. Does not change the result.
    workers : int or None
        Processes; None = one per core, or none beside this one for a small raster. Does not change the
        result.
    """

    max_crack_width_px: int = 64
    junction_merge: float = 1.5
    spur_ratio: float = 1.0
    smoothing_sigma_px: float = 2.0
    min_loss_px: int = 9
    bridge_gap_px: float = 0.0
    bridge_turn_deg: float = 30.0
    bridge_probability: float = 0.25
    tile_size_px: int = 1024
    workers: int | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        limits: dict[str, tuple[float, float]] = {
            "max_crack_width_px": (2, 1024),
            "junction_merge": (0, 10),
            "spur_ratio": (0, 10),
            "smoothing_sigma_px": (0.25, 20),
            "min_loss_px": (0, 10**9),
            "bridge_gap_px": (0, 256),
            "bridge_turn_deg": (0, 90),
            "bridge_probability": (0, 1),
            "tile_size_px": (1, 16384),
            "workers": (1, 1024),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise ParameterError(f"{name} = {value} is impossible", remedy=f"Use {low} to {high}")

    @property
    def max_half_width_px(self) -> float:
        """Half of the widest crack that gets a centreline."""
        return self.max_crack_width_px / 2

    @property
    def fill_px(self) -> int:
        """How far cracks are continued into nodata before thinning, so that thinning does not retreat."""
        return math.ceil(self.max_half_width_px) + 4

    def recorded(self) -> dict[str, float | int | str]:
        """Return what changes the result, for the run record."""
        values = asdict(self)
        del values["tile_size_px"], values["workers"]
        if not self.bridge_gap_px:
            values = {name: value for name, value in values.items() if not name.startswith("bridge_")}
        return {**values, "lattice_px": LATTICE_PX, "method_version": METHOD_VERSION}
