"""Craquelure and paint loss, painted onto a picture, with their exact masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.synthetic.networks import CellNetwork, cell_network, wandering_cracks
from training.synthetic.noise import Field, brush_texture, fractal, smooth_field
from training.synthetic.ornament import Picture

__all__ = ["add_craquelure", "add_paint_loss"]

Mask = NDArray[np.bool_]

_WIDE = 0.15
"""Share of pictures with wide cracks between large cells, as under a lens or on a thick ground."""

_FAINTEST = 11.0
"""Grey levels of contrast below which damage is ignored in training."""

_DARK = 75.0
"""Mean grey level below which cracks are mostly lighter than the paint."""

# Earth colours come more often than near-whites, which a painted petal can share.
_GROUNDS = np.array(
    [(214, 200, 172), (228, 220, 204), (196, 170, 130), (150, 118, 84), (112, 84, 60), (170, 160, 150),
     (130, 60, 44), (86, 74, 66), (205, 190, 160)],
    np.float32,
)  # fmt: skip
_GROUND_SHARES = np.array([0.1, 0.04, 0.2, 0.18, 0.14, 0.14, 0.05, 0.1, 0.05])


def add_craquelure(
    rng: np.random.Generator, picture: Picture
) -> tuple[Picture, Mask, Mask, list[CellNetwork]]:
    """Paint craquelure onto a picture (H, W, 3).

    Returns
    -------
    picture : float array (H, W, 3)
    crack : bool array (H, W)
        Pixels of which half or more lies in a crack, or on the centreline of a thinner one.
    unsure : bool array (H, W)
        Cracks too thin or faint to be sure of: ignored in training.
    networks : list of CellNetwork
        For paint loss that ends at cracks.
    """
    size_px = picture.shape[0]
    networks: list[CellNetwork] = []
    coverage = np.zeros((size_px, size_px), np.float32)
    kind, bare = rng.random(), False
    if kind < _WIDE:
        bare = rng.random() < 0.5
        picture = _bare_priming(rng, picture) if bare else picture
        widths = (rng.uniform(2, 6), rng.uniform(6, 11))
        networks.append(cell_network(rng, size_px, rng.uniform(50, 200), widths, rng.uniform(0.75, 1)))
    elif kind < 0.8:
        cell = float(np.exp(rng.uniform(np.log(14), np.log(120))))
        top = min(rng.uniform(1.2, 8), max(cell / 7, 1.4))
        networks.append(cell_network(rng, size_px, cell, (0.7, top), rng.uniform(0.5, 1)))
        if cell > 40 and rng.random() < 0.5:
            small = cell / rng.uniform(2, 4)
            networks.append(
                cell_network(rng, size_px, small, (0.5, max(top / 2, 1.2)), rng.uniform(0.3, 0.9))
            )
    for index, network in enumerate(networks):
        layer = network.coverage
        if kind >= _WIDE and rng.random() < (0.8 if index else 0.45):
            field = smooth_field(rng, size_px, rng.uniform(60, 200))
            active = np.clip((field - rng.uniform(0.2, 0.55)) * 5, 0, 1)
            # Narrowing the width, not fading it, gives tips that taper.
            layer = CellNetwork(network.border_px, network.width_px * active, network.cell).coverage
        coverage = np.maximum(coverage, layer)
    if not networks or rng.random() < 0.4:
        count = int(rng.integers(1, 9))
        coverage = np.maximum(coverage, wandering_cracks(rng, size_px, count, (0.8, rng.uniform(1.2, 6))))
    cracked = _render_cracks(rng, picture, coverage, dark=bare)
    crack = (coverage >= 0.5) & _visible(picture, cracked, coverage >= 0.5, reach_px=2.0)
    unsure = (coverage >= 0.2) & ~crack
    return cracked, crack, unsure, networks


def _bare_priming(rng: np.random.Generator, picture: Picture) -> Picture:
    """Pale the picture to grey, with the coarse grain of a ground or of an old print."""
    size_px = picture.shape[0]
    grey = picture.mean(axis=2)
    grain = ndimage.gaussian_filter(
        rng.standard_normal((size_px, size_px), dtype=np.float32), rng.uniform(0.5, 1.6)
    )
    pale = 255 - (255 - grey) * rng.uniform(0.15, 0.7) + rng.uniform(8, 28) * grain / grain.std()
    priming: Picture = np.repeat(np.clip(pale, 0, 255)[..., None], 3, axis=2).astype(np.float32)
    return priming


def _visible(before: Picture, after: Picture, mask: Mask, reach_px: float) -> Mask:
    """Say where a change of the picture could be seen at all: what nobody can see must not be learnt."""
    change = np.abs(after - before).mean(axis=2) * mask
    near = ndimage.gaussian_filter(mask.astype(np.float32), reach_px)
    mean = ndimage.gaussian_filter(change.astype(np.float32), reach_px) / np.maximum(near, 1e-3)
    seen: Mask = mean >= _FAINTEST
    return seen


def _render_cracks(rng: np.random.Generator, picture: Picture, coverage: Field, *, dark: bool) -> Picture:
    size_px = picture.shape[0]
    soft = ndimage.gaussian_filter(coverage, rng.uniform(0.25, 0.7))
    strength = rng.uniform(0.35, 0.95) * (0.75 + 0.5 * (smooth_field(rng, size_px, 50) - 0.5))
    alpha = np.clip(soft * strength, 0, 1)[..., None]
    out = picture
    if rng.random() < 0.35:
        shift = rng.uniform(-2, 2, 2)
        lip = ndimage.shift(ndimage.gaussian_filter(coverage, 0.7), shift, order=1, mode="nearest")
        out = out * (1 + rng.uniform(0.05, 0.4) * lip[..., None])
    if dark or rng.random() < (0.8 if out.mean() > _DARK else 0.25):
        depth = (
            out * rng.uniform(0.05, 0.5)
            if rng.random() < 0.6
            else np.full(3, rng.uniform(10, 60), np.float32)
        )
        darkened: Picture = (out * (1 - alpha) + depth * alpha).astype(np.float32)
        return darkened
    ground = _GROUNDS[rng.integers(len(_GROUNDS))] * rng.uniform(0.9, 1.15)
    contrast = np.abs(ground.mean() - out.mean(axis=(0, 1)).mean())
    if contrast < 35:
        ground = ground * 0.2 if out.mean() > 110 else np.clip(ground * 1.3 + 30, 0, 255)
    lightened: Picture = (out * (1 - alpha) + ground * alpha).astype(np.float32)
    return lightened


def _loss_mask(rng: np.random.Generator, size_px: int, networks: list[CellNetwork]) -> Mask:
    zone = smooth_field(rng, size_px, rng.uniform(25, 160))
    mask = np.zeros((size_px, size_px), bool)
    if networks and rng.random() < 0.7:
        network = networks[rng.integers(len(networks))]
        cells, inverse = np.unique(network.cell, return_inverse=True)
        inverse = inverse.reshape(network.cell.shape)
        size = np.bincount(inverse.ravel())
        mean = np.bincount(inverse.ravel(), zone.ravel()) / np.maximum(size, 1)
        lost = mean + rng.normal(0, 0.12, len(cells)) > np.quantile(mean, rng.uniform(0.65, 0.97))
        mask |= lost[inverse]
        bite = smooth_field(rng, size_px, rng.uniform(5, 14))
        mask &= ~((network.border_px < rng.uniform(0, 3)) & (bite > 0.6))
    if not mask.any() or rng.random() < 0.45:
        rough = zone + rng.uniform(0.05, 0.35) * fractal(rng, size_px, rng.uniform(6, 30), 4)
        mask |= rough > np.quantile(rough, rng.uniform(0.75, 0.99))
    if rng.random() < 0.5:
        speck = fractal(rng, size_px, rng.uniform(5, 14), 3)
        mask |= (speck > np.quantile(speck, rng.uniform(0.97, 0.998))) & (zone > np.quantile(zone, 0.4))
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    big = np.bincount(labels.ravel()) >= 16
    big[0] = False
    kept: Mask = big[labels]
    return kept


def _ground(rng: np.random.Generator, size_px: int, picture: Picture) -> Picture:
    """Return what a loss exposes: plaster, wood with grain, or an older layer; unlike the paint around."""
    colour = _GROUNDS[rng.choice(len(_GROUNDS), p=_GROUND_SHARES)] + rng.normal(0, 12, 3)
    if np.abs(colour - picture.mean(axis=(0, 1))).mean() < 25:
        colour = colour + (60 if colour.mean() < 128 else -60)
    ground: Picture = np.broadcast_to(colour, (size_px, size_px, 3)).astype(np.float32)
    mottling = fractal(rng, size_px, rng.uniform(4, 50), 5)[..., None] - 0.5
    ground = ground * (1 + rng.uniform(0.12, 0.55) * mottling)
    if rng.random() < 0.5:
        ground = ground + rng.uniform(2, 30) * brush_texture(rng, size_px)[..., None]
    if rng.random() < 0.3:
        ground = ground + rng.normal(0, rng.uniform(2, 10), (size_px, size_px, 1))
    return ground.astype(np.float32)


def _wood(rng: np.random.Generator, size_px: int) -> Picture:
    """Return bare wood: brown, with grain that runs one way and darkens in lines."""
    colour = np.array((140, 112, 84), np.float32) * rng.uniform(0.6, 1.35) + rng.normal(0, 6, 3)
    grain = brush_texture(rng, size_px)
    # Dark lines of the grain look like cracks, and are none.
    lines = np.clip(grain - rng.uniform(-0.3, 1.0), 0, 1.5) ** rng.uniform(0.5, 1.5)
    tone = 1 + rng.uniform(0.03, 0.15) * grain - rng.uniform(0, 0.6) * lines
    mottling = 1 + rng.uniform(0, 0.3) * (fractal(rng, size_px, 40) - 0.5)
    wood: Picture = np.clip(colour * (tone * mottling)[..., None], 5, 250).astype(np.float32)
    return wood


def add_paint_loss(
    rng: np.random.Generator, picture: Picture, networks: list[CellNetwork]
) -> tuple[Picture, Mask, Mask]:
    """Remove paint from a picture (H, W, 3): whole cells and blobs, with the paint's edge.

    Returns
    -------
    picture : float array (H, W, 3)
    loss : bool array (H, W)
    unsure : bool array (H, W)
        Loss that exposes what looks like the paint it replaces: ignored in training.
    """
    size_px = picture.shape[0]
    mask = _loss_mask(rng, size_px, networks)
    if not mask.any():
        return picture, mask, mask
    soft = ndimage.gaussian_filter(mask.astype(np.float32), rng.uniform(0.3, 0.8))[..., None]
    ground = _ground(rng, size_px, picture)
    if rng.random() < 0.6:
        # Where the loss is deep the ground is gone too, and the wood shows: a core inside a paler rim.
        depth = ndimage.distance_transform_edt(mask) + rng.uniform(0, 25) * (fractal(rng, size_px, 20) - 0.5)
        core = ndimage.gaussian_filter((depth > rng.uniform(3, 16)).astype(np.float32), rng.uniform(0.4, 2.5))
        ground = ground * (1 - core[..., None]) + _wood(rng, size_px) * core[..., None]
    if rng.random() < 0.8:
        light = rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0.8, 3.5)
        paint = 1 - mask.astype(np.float32)
        cast = ndimage.shift(paint, (reach * np.sin(light), reach * np.cos(light)), order=1, mode="nearest")
        shadow = ndimage.gaussian_filter(cast * mask, rng.uniform(0.5, 1.5))[..., None]
        ground = ground * (1 - rng.uniform(0.2, 0.7) * np.clip(shadow, 0, 1))
        rim = ndimage.gaussian_filter(
            ndimage.shift(
                mask.astype(np.float32), (reach * np.sin(light) / 2, reach * np.cos(light) / 2), order=1
            )
            * paint,
            0.7,
        )[..., None]
        picture = picture * (1 + rng.uniform(-0.2, 0.4) * rim)
    bare = (picture * (1 - soft) + ground * soft).astype(np.float32)
    seen = _visible(picture, bare, mask, reach_px=5.0)
    return bare, mask & seen, mask & ~seen
