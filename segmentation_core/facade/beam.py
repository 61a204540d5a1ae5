"""One painted beam: hoops, boxes, whirl-flower ends and a folded centre panel (箍头, 盒子, 找头, 枋心)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from segmentation_core.facade.curves import Points, rectangle
from segmentation_core.facade.motifs import cloud, foil, gardenia, lotus, whirl_flower
from segmentation_core.facade.painter import Painter
from segmentation_core.facade.palette import BLUE, GREEN, INK, OCHRE, RED, ROSE, Ramp
from segmentation_core.facade.panels import (
    beads,
    brocade,
    flowing_clouds,
    key_fret,
    lotus_scroll,
    panel_outline,
)
from segmentation_core.facade.view import Sheet

__all__ = ["BeamScheme", "paint_beam"]


@dataclass(frozen=True)
class BeamScheme:
    """What a beam is painted with.

    Attributes
    ----------
    main, other : Ramp
        The two hues that alternate along the beam.
    ground : Ramp
        Ground of the centre panel.
    filling : {"scroll", "clouds", "brocade"}
        What fills the centre panel.
    hoop : {"beads", "fret"}
        What fills the hoops.
    """

    main: Ramp = BLUE
    other: Ramp = GREEN
    ground: Ramp = RED
    filling: Literal["scroll", "clouds", "brocade"] = "scroll"
    hoop: Literal["beads", "fret"] = "beads"


def paint_beam(
    width_px: int,
    height_px: int,
    scheme: BeamScheme,
    rng: np.random.Generator,
    sheet: Sheet | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint a whole beam.

    Parameters
    ----------
    width_px, height_px : int
        Size; every part scales with the height.
    scheme : BeamScheme
        Hues and fillings.
    rng : numpy Generator
        Unsteadiness of the hand.
    sheet : Sheet or None
        What to paint it on, where that is not ``width_px`` x ``height_px`` pixels.

    Returns
    -------
    rgb : uint8 array of shape (height, width, 3)
    relief : uint8 array of shape (height, width)
        255 on raised gilded lines.
    """
    painter = Painter(width_px, height_px, scheme.main.mid, rng, sheet)
    height = float(height_px)
    hoop, box = 0.2 * height, min(0.92 * height, 0.1 * width_px)
    head_start = 2 * hoop + box
    panel_start = max(0.335 * width_px, head_start + 0.9 * height)
    for mirrored in (False, True):
        painter.mirrored = mirrored
        _head(painter, (head_start, panel_start), scheme)
    painter.mirrored = False
    _folds(painter, panel_start, scheme)
    _centre_panel(painter, panel_start, scheme, rng)
    for mirrored in (False, True):
        painter.mirrored = mirrored
        _box(painter, (hoop, hoop + box), scheme)
        _hoop(painter, (0.0, hoop), scheme, scheme.main)
        _hoop(painter, (hoop + box, head_start), scheme, scheme.other)
    painter.mirrored = False
    _edges(painter)
    return painter.finished()


def _hoop(painter: Painter, span: tuple[float, float], scheme: BeamScheme, ramp: Ramp) -> None:
    height = painter.height_px
    wide, line_px = span[1] - span[0], max(0.0095 * height, 1.8)
    painter.graded(
        rectangle(span[0], -height, span[1], 2 * height), ramp, wide * 0.075, outline="ink", steps=4
    )
    inner = (span[0] + 0.33 * wide, 0.0, span[1] - 0.33 * wide, float(height))
    if scheme.hoop == "beads":
        beads(painter, inner, OCHRE if ramp is scheme.main else ROSE)
    else:
        painter.fill(rectangle(inner[0], -20, inner[2], height + 20), ramp.deep)
        key_fret(painter, inner, max(0.004 * height, 1.2))
    for x in (inner[0], inner[2], span[0] + 0.02 * wide, span[1] - 0.02 * wide):
        painter.gold(np.array([[x, -20.0], [x, height / 2], [x, height + 20.0]]), line_px)


def _box(painter: Painter, span: tuple[float, float], scheme: BeamScheme) -> None:
    height = painter.height_px
    wide, centre = span[1] - span[0], ((span[0] + span[1]) / 2, height / 2)
    painter.graded(rectangle(span[0], 0, span[1], height), scheme.other, 0.022 * height, steps=3)
    for x, y in ((span[0], 0), (span[1], 0), (span[0], height), (span[1], height)):
        gardenia(painter, (x, y), 0.27 * height, scheme.main, math.pi / 4)
    radius = min(wide, height) * 0.45
    painter.graded(foil(centre, radius), scheme.main, 0.026 * height, outline="gold", steps=3)
    painter.graded(
        foil(centre, radius * 0.72, angle=math.pi / 8), RED, 0.014 * height, outline="gold", steps=3
    )
    for k in range(8):
        turn = k * math.pi / 4 + math.pi / 8
        at = (centre[0] + radius * 0.47 * math.cos(turn), centre[1] + radius * 0.47 * math.sin(turn))
        cloud(painter, at, radius * 0.11, GREEN if k % 2 else OCHRE, 1 if k % 2 else -1)
    lotus(painter, (centre[0], centre[1] + radius * 0.12), radius * 0.42, (scheme.main, ROSE), -math.pi / 2)


def _head(painter: Painter, span: tuple[float, float], scheme: BeamScheme) -> None:
    """Whole and split whirl flowers (一整两破) on the field between hoop and centre panel."""
    height = float(painter.height_px)
    painter.fill(rectangle(span[0], 0, span[1] + height, height), scheme.main.dark)
    radius, pitch = 0.44 * height, 0.82 * height
    count = max(1, round((span[1] - span[0] - 0.1 * height) / pitch))
    xs = [span[0] + 0.47 * height + k * pitch for k in range(count + 1)]
    for k, x in enumerate(xs):
        ramps = (scheme.other, scheme.main)
        if k % 2 == 0:
            for y in (0.0, height):
                gardenia(painter, (x + pitch / 2 - pitch, y), 0.2 * height, scheme.other)
            whirl_flower(painter, (x, height / 2), radius, ramps)
        else:
            gardenia(painter, (x + 0.02 * height, height / 2), 0.17 * height, scheme.other, math.pi / 4)
            for y in (0.0, height):
                whirl_flower(painter, (x, y), radius, ramps[::-1])


def _folds(painter: Painter, panel_start: float, scheme: BeamScheme) -> None:
    """Paint the graded chevrons (岔口, 皮条) that lead from the end's field to the centre panel."""
    height, width = float(painter.height_px), float(painter.width_px)
    for back, ramp, line in ((0.62, scheme.other, "gold"), (0.34, scheme.main, "ink")):
        left = _chevron(panel_start - back * height, 0.42 * height, height)
        right = left[::-1] * (-1, 1) + (width, 0)
        painter.graded(np.vstack((left, right)), ramp, 0.036 * height, outline=line, steps=3)


def _chevron(tip: float, fold: float, height: float) -> Points:
    """Return a band end that comes to a point at half height, ``<``, drawn taller than the beam."""
    return np.array(
        [
            [tip + 1.6 * fold, -0.5 * height],
            [tip + 0.85 * fold, 0.02 * height],
            [tip + 0.5 * fold, 0.24 * height],
            [tip + 0.34 * fold, 0.24 * height],
            [tip, 0.5 * height],
            [tip + 0.34 * fold, 0.76 * height],
            [tip + 0.5 * fold, 0.76 * height],
            [tip + 0.85 * fold, 0.98 * height],
            [tip + 1.6 * fold, 1.5 * height],
        ]
    )


def _centre_panel(painter: Painter, start: float, scheme: BeamScheme, rng: np.random.Generator) -> None:
    height, width = float(painter.height_px), float(painter.width_px)
    box = (start - 0.08 * height, 0.1 * height, width - start + 0.08 * height, 0.9 * height)
    frame = panel_outline(box, 0.46 * height)
    painter.graded(frame, scheme.other, 0.018 * height, outline="gold", steps=3)
    inner = shapely.Polygon(frame).buffer(-0.052 * height)
    painter.fill(inner, INK)
    inner = inner.buffer(-0.006 * height)
    painter.fill(inner, scheme.ground.dark)
    filled = (box[0] + 0.1 * height, 0.17 * height, box[2] - 0.1 * height, 0.83 * height)
    with painter.inside(np.asarray(inner.exterior.coords)):
        match scheme.filling:
            case "scroll":
                lotus_scroll(
                    painter, (filled[0] + 0.2 * height, filled[1], filled[2] - 0.2 * height, filled[3]), rng
                )
            case "clouds":
                flowing_clouds(painter, filled, rng)
            case "brocade":
                brocade(
                    painter,
                    (filled[0] - 0.1 * height, 0.12 * height, filled[2] + 0.2 * height, 0.88 * height),
                    BLUE,
                )
            case _:
                raise ValueError(f"no filling {scheme.filling!r}")
    painter.gold(np.asarray(inner.exterior.coords), max(0.0065 * height, 1.4))


def _edges(painter: Painter) -> None:
    height, width = float(painter.height_px), float(painter.width_px)
    for y, out in ((0.0, -1), (height, 1)):
        painter.fill(
            rectangle(-10, min(y, y - out * 0.035 * height), width + 10, max(y, y - out * 0.035 * height)),
            INK,
        )
        painter.fill(
            rectangle(
                -10,
                min(y - out * 0.008 * height, y - out * 0.03 * height),
                width + 10,
                max(y - out * 0.008 * height, y - out * 0.03 * height),
            ),
            GREEN.dark,
        )
        x = np.linspace(-10, width + 10, 40)
        painter.gold(np.column_stack((x, np.full(40, y - out * 0.036 * height))), max(0.008 * height, 1.6))
