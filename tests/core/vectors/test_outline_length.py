"""Perimeter and circularity of pixel outlines (MEASUREMENT, section 2; trap 10)."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine

from segmentation_core.vectors.arrays import vectorise
from segmentation_core.vectors.outline_length import outline_lengths

TURNED = Affine.rotation(33) @ Affine.scale(0.3, -0.3)


def discs(radius, count=12):
    random = np.random.default_rng(int(radius))
    size = int(2 * radius + 12)
    y, x = np.mgrid[0:size, 0:size] + 0.5
    for col, row in size / 2 + random.uniform(-0.5, 0.5, (count, 2)):
        yield np.where(np.hypot(x - col, y - row) < radius, 2, 0).astype(np.uint8)


def outlines_of(classes, affine):
    return vectorise(classes, affine)["loss_polygon"]["geometry"]


@pytest.mark.parametrize("radius", [10, 15, 20, 40, 80])
@pytest.mark.parametrize("affine", [Affine.identity(), TURNED], ids=["square", "turned"])
def test_trap_10_the_perimeter_of_discs_is_right_to_half_a_per_cent(radius, affine):
    """A staircase is 27 % too long. The pixels of one small disc are themselves up to 0.8 % off its size."""
    side = abs(affine.determinant) ** 0.5
    shapes = np.concatenate([outlines_of(classes, affine) for classes in discs(radius)])
    found = outline_lengths(shapes, affine)
    assert found.total.mean() / side == pytest.approx(2 * np.pi * radius, rel=0.005)
    drawn = 2 * np.sqrt(np.pi * shapely.area(shapes))  # of the disc with just these pixels
    assert np.abs(found.total / drawn - 1).max() <= 0.005
    assert found.circularity.min() >= 0.99
    assert shapely.length(shapes).mean() / side > 1.25 * 2 * np.pi * radius


def test_pixels_that_are_not_square():
    affine = Affine.scale(2, 0.5)
    (shape,) = outlines_of(next(discs(30)), affine)
    ellipse = shapely.affinity.scale(shapely.Point(0, 0).buffer(1, quad_segs=200), 60, 15).length
    assert outline_lengths(np.array([shape]), affine).total[0] == pytest.approx(ellipse, rel=0.01)


def test_holes_count_in_the_perimeter_alone():
    classes = next(discs(40))
    whole = outline_lengths(outlines_of(classes, Affine.identity()), Affine.identity())
    classes[40:52, 40:52] = 0
    pierced = outline_lengths(outlines_of(classes, Affine.identity()), Affine.identity())
    assert pierced.circularity == pytest.approx(whole.circularity)
    assert pierced.total[0] - whole.total[0] == pytest.approx(48, rel=0.12)  # four corners are rounded off


def test_specks_are_no_rounder_than_discs():
    classes = np.zeros((30, 30), np.uint8)
    classes[5:8, 5:8] = classes[20:21, 2:25] = 2
    found = outline_lengths(outlines_of(classes, Affine.identity()), Affine.identity())
    assert (found.circularity <= 1).all()
    assert found.total[1] == pytest.approx(2 * 23, rel=0.1)


def test_outlines_drawn_by_hand_are_measured_as_they_are():
    drawn = shapely.Point(5.3, 5.1).buffer(3)
    box = shapely.box(0.5, 0.5, 7.5, 3.5)  # along the axes, but not along the pixels
    for affine in (None, Affine.identity()):
        found = outline_lengths(np.array([drawn, box]), affine)
        assert found.total == pytest.approx([drawn.length, box.length])
        assert found.circularity == pytest.approx([1, 4 * np.pi * 21 / 400], rel=0.01)
    assert len(outline_lengths(np.zeros(0, object), Affine.identity()).total) == 0
