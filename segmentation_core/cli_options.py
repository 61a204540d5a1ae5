"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

__all__ = ["Device", "DeviceOption", "Gsd", "GsdU", "Json", "MaxCrackWidth", "ModelOption", "WorkingGsd"]


class Device(str, Enum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object with every figure.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Name of a model of the store, or a .safetensors file.")
]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where the network runs.")]
Gsd = Annotated[
    float | None,
    typer.Option(
        "--gsd", metavar="MM", help="Ground sampling distance in mm per pixel, for an image without CRS."
    ),
]
WorkingGsd = Annotated[
    float | None,
    typer.Option(
        "--working-gsd", metavar="MM", help="Average a finer raster down to this GSD; nothing is upsampled."
    ),
]
GsdU = Annotated[
    float | None,
    typer.Option(
        "--gsd-u",
        metavar="PERCENT",
        help="Standard uncertainty of the scale in per cent, for the +- of every figure; 0.58 if left out.",
    ),
]
MaxCrackWidth = Annotated[
    int | None,
    typer.Option(
        "--max-crack-width",
        metavar="PX",
        help="Wider cracks stay crack area without a centreline, and are counted; 64 if left out.",
    ),
]
