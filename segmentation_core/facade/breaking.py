"""What a beam has suffered when it is first surveyed: its cracks and its losses, from one seed."""

from __future__ import annotations

from dataclasses import dataclass

from segmentation_core.facade.canvas import seeded
from segmentation_core.facade.cracking import Bending, Cell, CrackNetwork, bending, crack_network
from segmentation_core.facade.flaking import Flake, flakes_fallen
from segmentation_core.facade.layout import Beam

__all__ = ["BrokenBeam", "break_beam"]


@dataclass(frozen=True)
class BrokenBeam:
    """A beam's damage, in pixels of the beam.

    Attributes
    ----------
    network : CrackNetwork
        Its cracks.
    flakes : list of Flake
        Its losses.
    cells : list of Cell
        The finest cells of the paint film, before bending.
    bend : Bending
        What bent cracks and flakes.
    """

    network: CrackNetwork
    flakes: list[Flake]
    cells: list[Cell]
    bend: Bending


def break_beam(beam: Beam, seed: int, number: int) -> BrokenBeam:
    """Break the paint of the beam of this number."""
    bend = bending(seeded(seed, 4, number), beam.shape)
    network, cells = crack_network(seeded(seed, 5, number), beam.shape, beam.damage, bend)
    flakes = flakes_fallen(seeded(seed, 6, number), beam.shape, cells, beam.damage, bend)
    return BrokenBeam(network, flakes, cells, bend)
